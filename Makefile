# make setup   everything this machine needs (also the first step of the others)
# make demo    a whole rollout on an embedded vCenter
# make test    lint, types, and all tests            make test ARGS='-k undo'
# make lint    ruff, shellcheck and mypy only
# make bench   benchmarks beside their peers; rewrites the tables in docs/benchmarks.md
# make clean   remove .venv and caches of this directory

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
ARGS ?=

.PHONY: help setup demo test lint bench clean

help:
	@sed -n 's/^# //p' Makefile

setup:
	@tools/setup

demo: setup
	@.venv/bin/vmboot demo $(ARGS)

test: setup
	@tools/test $(ARGS)

lint: setup
	@tools/lint

bench: setup
	@.venv/bin/python -m benchmarks $(ARGS)

clean:
	@rm -rf .venv .tox build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
