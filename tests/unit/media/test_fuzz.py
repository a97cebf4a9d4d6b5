"""Damaged files of every format end in a value or a VmbootError; and the fuzzer notices if not.

The long run is ``python -m tests.fuzz``, see docs/fuzzing.md.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.fuzz import __main__ as command
from tests.fuzz import run as runner
from tests.fuzz.corpus import kept, load
from tests.fuzz.formats import FORMATS, Format
from tests.fuzz.mutate import Seed, mutated
from tests.fuzz.run import Outcome, case, outcome, run
from vmboot.errors import MediaError

CORPUS = list(kept())


@pytest.mark.parametrize(
    ("row", "path"), CORPUS, ids=[f"{row.name}-{path.stem}" for row, path in CORPUS]
)
def test_cases_of_the_corpus_are_read_or_refused(row: Format, path: Path) -> None:
    assert isinstance(outcome(row, load(path)), Outcome)


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_files_are_read_or_refused(name: str) -> None:
    report = run(FORMATS[name], count=300, seed=2)
    assert report.failed is None
    assert report.refused + report.accepted == 300


def test_every_format_has_a_corpus() -> None:
    assert {row.name for row, _ in CORPUS} == FORMATS.keys()


def test_the_same_seed_gives_the_same_cases() -> None:
    row = FORMATS["vhd-dynamic"]
    assert [case(row, n, seed=5) for n in range(20)] == [case(row, n, seed=5) for n in range(20)]
    assert case(row, 1, seed=5) != case(row, 1, seed=6)


def good() -> tuple[Seed, ...]:
    return (Seed(bytes(range(256)), ((0, 256),)),)


def test_cases_differ_from_the_good_file() -> None:
    cases = [mutated(good(), key=str(number)) for number in range(200)]
    assert sum(data != good()[0].data for data in cases) > 150
    assert min(map(len, cases)) < 256 < max(map(len, cases))


def crash(data: bytes) -> None:
    if len(data) != 256:
        raise ValueError("a reader that forgot to look at the length")


def hang(data: bytes) -> None:
    while len(data) < 256:
        pass


def eat(data: bytes) -> None:
    if len(data) < 256:
        bytes(runner.MEMORY)


def die(data: bytes) -> None:
    if len(data) < 256:
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("read", [crash, hang, eat, die])
def test_what_breaks_the_rules_is_found_with_its_case(read, monkeypatch) -> None:
    monkeypatch.setattr(runner, "CASE_SECONDS", 0.5)
    row = Format("made-up", good, read)
    report = run(row, count=1000, seed=1)
    assert report.failed is not None
    assert len(case(row, report.failed, seed=1)) != 256


def test_a_refusal_is_no_failure() -> None:
    def refuse(_data: bytes) -> None:
        raise MediaError("no")

    report = run(Format("made-up", good, refuse), count=10, seed=1)
    assert (report.failed, report.refused) == (None, 10)


def test_the_command_prints_a_table_and_keeps_what_failed(monkeypatch, capsys, tmp_path) -> None:
    monkeypatch.setattr(command, "gettempdir", lambda: str(tmp_path))
    assert command.main(["mbr", "--count", "20"]) == 0
    assert "| mbr | 20 |" in capsys.readouterr().out
    monkeypatch.setitem(FORMATS, "made-up", Format("made-up", good, crash))
    assert command.main(["made-up", "--count", "200"]) == 1
    (saved,) = tmp_path.iterdir()
    assert str(saved) in capsys.readouterr().out
    assert len(saved.read_bytes()) != 256


def test_a_format_that_is_not_known_is_refused(capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        command.main(["floppy"])
    assert caught.value.code == 2
    assert "known: vmdk-stream" in capsys.readouterr().err
