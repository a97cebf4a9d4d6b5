import json
from pathlib import Path

import pytest

from tests.unit.cli.commands.seam import record
from tests.unit.cli.screens import out, terminal
from vmboot.cli.commands.doctor import Options, run
from vmboot.cli.main import main
from vmboot.cli.options import Connection
from vmboot.errors import AuthError, ConnectError, InputError
from vmboot.fleet.doctor import Finding

GOOD = Finding("clock", "ok", "the clocks agree")
ODD = Finding("datastore", "warn", "esx-b3 is in maintenance", "check it later")
BAD = Finding("privileges", "fail", "lacks Datastore.Browse", "grant it")


def options(**more):
    return Options(fleet=Path("f.yml"), connection=Connection(), **more)


@pytest.mark.parametrize(
    ("findings", "code", "sentence"),
    [
        ((GOOD,), 0, "Ready."),
        ((GOOD, ODD), 0, "Ready, with 1 warning."),
        ((GOOD, ODD, BAD), 1, "1 check fails: see to that before you apply."),
    ],
)
def test_the_exit_code_says_whether_apply_would_work(monkeypatch, findings, code, sentence):
    record(monkeypatch, doctor=findings)
    screen = terminal()
    assert run(options(), screen) == code
    assert out(screen).splitlines()[-1] == sentence


def test_a_finding_is_a_line_and_its_hint_the_next(monkeypatch):
    record(monkeypatch, doctor=(GOOD, BAD))
    screen = terminal()
    run(options(), screen)
    assert "ok      clock        the clocks agree" in out(screen)
    assert "FAIL    privileges   lacks Datastore.Browse\n" in out(screen)
    assert "hint: grant it" in out(screen)


@pytest.mark.parametrize("error", [ConnectError("gone"), AuthError("no")])
def test_without_the_vcenter_the_rest_is_checked_still(monkeypatch, error):
    seam = record(monkeypatch, doctor=(GOOD,), connect=error)
    screen = terminal(json=True)
    assert run(options(), screen) == 4
    assert [each["name"] for each in json.loads(out(screen))["findings"]] == ["vCenter", "clock"]
    assert seam.calls[-1][1][1] is None


def test_a_missing_user_is_bad_input_and_no_finding(monkeypatch):
    record(monkeypatch, doctor=(GOOD,), connect=InputError("no user"))
    with pytest.raises(InputError):
        run(options(), terminal())


def test_offline_connects_to_nothing(monkeypatch, capsys):
    seam = record(monkeypatch, doctor=(GOOD,))
    assert main(["doctor", "f.yml", "--offline", "--no-probe"]) == 0
    assert "connect" not in seam.names
    assert seam.called("doctor")["probe_servers"] is False


def test_boot_servers_are_probed_unless_told_not_to(monkeypatch, capsys):
    seam = record(monkeypatch, doctor=(GOOD,))
    main(["doctor", "f.yml"])
    assert seam.called("doctor")["probe_servers"] is True
