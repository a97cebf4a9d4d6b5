import json
from pathlib import Path

import pytest

from tests.unit.cli.commands.seam import record
from tests.unit.cli.screens import out, terminal
from vmboot.cli.commands.rehearse import Options, parse_files, run
from vmboot.cli.main import main
from vmboot.cli.options import Connection
from vmboot.errors import InputError
from vmboot.lab.rehearsal_report import Reached, RehearsalReport, Stage

GOOD = RehearsalReport(
    machine="pvs-001",
    verdict="pvs2 answered, the bootstrap started",
    reached=Reached.STARTED,
    ok=True,
    seconds=6.2,
    stages=(Stage(1.2, "loader", "iPXE started"), Stage(4.2, "server", "pvs1 is dead", "pvs1")),
    notes=("QEMU is not VMware's firmware",),
    serial_log=Path("/out/serial.log"),
)
BAD = RehearsalReport("pvs-001", "no DHCP", Reached.LOADER, False, 90.0, ())


def options(**more):
    return Options(fleet=Path("f.yml"), vm="pvs-001", connection=Connection(), **more)


@pytest.mark.parametrize(("report", "code"), [(GOOD, 0), (BAD, 1)])
def test_the_exit_code_says_whether_it_boots(monkeypatch, report, code):
    record(monkeypatch, rehearse=report)
    assert run(options(), terminal()) == code


def test_stages_verdict_and_evidence_are_shown(monkeypatch):
    record(monkeypatch, rehearse=GOOD)
    screen = terminal()
    run(options(), screen)
    text = out(screen)
    assert "1.2 s   loader   iPXE started" in text
    assert "pvs2 answered, the bootstrap started" in text
    assert "note: QEMU is not VMware's firmware" in text
    assert "serial log  /out/serial.log" in text


def test_json_is_the_report(monkeypatch):
    record(monkeypatch, rehearse=GOOD)
    screen = terminal(json=True)
    run(options(), screen)
    assert json.loads(out(screen)) == GOOD.to_json()


@pytest.mark.parametrize(
    ("words", "dead"),
    [
        ([], None),
        (["--dead", "none"], ()),
        (["--dead", "10.0.0.1", "--dead", "pvs2"], ("10.0.0.1", "pvs2")),
    ],
)
def test_flags_reach_the_rehearsal(monkeypatch, capsys, tmp_path, words, dead):
    seam = record(monkeypatch, rehearse=GOOD)
    file = tmp_path / "a"
    file.touch()
    line = ["rehearse", "f.yml", "--vm", "v", "--bootstrap-file", f"A.BIN={file}", "--out", "/o"]
    assert main([*line, *words]) == 0
    called = seam.called("rehearse")
    assert (called["dead"], called["files"]) == (dead, {"A.BIN": file})
    assert called["out"] == Path("/o")


def test_without_a_machine_it_is_bad_input(capsys):
    assert main(["rehearse", "f.yml"]) == 2
    assert "--vm" in capsys.readouterr().err


def test_a_bootstrap_file_that_is_not_there_is_said_before_anything_is_read():
    with pytest.raises(InputError, match="there is no file /nonexist") as caught:
        parse_files(["A.BIN=/nonexist"])
    assert caught.value.hint


@pytest.mark.parametrize("text", ["A.BIN", "=x", "A.BIN="])
def test_a_bootstrap_file_has_a_name_and_a_path(text):
    with pytest.raises(InputError, match="not NAME=PATH"):
        parse_files([text])
