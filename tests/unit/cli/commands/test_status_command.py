import json
from pathlib import Path

import pytest

from tests.unit.cli import fleets
from tests.unit.cli.commands.seam import record
from tests.unit.cli.screens import out, terminal
from vmboot.cli.commands.status import Options, run
from vmboot.cli.options import Connection
from vmboot.errors import NotFoundError
from vmboot.fleet.status import status_of

DRIFT = status_of(
    fleets.plan(
        fleets.fine("a"),
        fleets.changing("b"),
        fleets.waiting("c"),
        fleets.refused("d"),
        unfinished=("r7",),
        present=False,
    ),
    [NotFoundError("'gone-*' matches no machine", hint="look for it")],
)


def options(**more):
    return Options(fleet=Path("fleet.yml"), connection=Connection(), **more)


@pytest.mark.parametrize(
    ("status", "code"), [(DRIFT, 6), (status_of(fleets.plan(fleets.fine("a"))), 0)]
)
def test_the_exit_code_says_whether_there_is_drift(monkeypatch, status, code):
    record(monkeypatch, status=status)
    assert run(options(), terminal()) == code


def test_what_differs_is_listed_with_the_reason(monkeypatch):
    record(monkeypatch, status=DRIFT)
    screen = terminal()
    run(options(), screen)
    text = out(screen)
    assert "/DC1/vm/PVS/a" not in text
    assert "boot order: the firmware's own → CD" in text
    assert "refused" in text
    assert "'gone-*' matches no machine" in text
    assert "missing on its datastore: [shared-01] vmboot/" in text
    assert "unfinished run, repaired by the next apply: r7" in text
    assert text.endswith("5 machines: 1 as-wished, 1 drift, 1 pending, 1 refused, 1 not-found.\n")
    assert max(map(len, text.splitlines())) <= 80


def test_all_lists_the_others_too(monkeypatch):
    record(monkeypatch, status=DRIFT)
    screen = terminal()
    run(options(all=True), screen)
    assert "/DC1/vm/PVS/a" in out(screen)


def test_json_is_the_status(monkeypatch):
    record(monkeypatch, status=DRIFT)
    screen = terminal(json=True)
    run(options(), screen)
    assert json.loads(out(screen)) == DRIFT.to_json()
