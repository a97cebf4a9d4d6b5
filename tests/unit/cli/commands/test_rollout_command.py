import json
from pathlib import Path

import pytest

from tests.unit.cli.commands.seam import record
from tests.unit.cli.screens import out, terminal
from vmboot.cli.commands.rollout import Options, run
from vmboot.cli.main import main
from vmboot.cli.options import Connection
from vmboot.errors import InputError
from vmboot.fleet.rollout_result import RolloutResult, RolloutState, WaveResult

CANARY = WaveResult("canary", "r1", True, {"done": 2})
BROKEN = WaveResult(
    "wave 1", "r2", True, {"done": 3, "failed": 1}, ({"path": "/DC1/vm/x", "error": "full"},)
)


def result(state, *waves, **more):
    return RolloutResult("ro-1", state, waves, **more)


def options(**more):
    return Options(fleet=Path("f.yml"), connection=Connection(), **more)


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (RolloutState.DONE, 0),
        (RolloutState.PARTLY, 3),
        (RolloutState.STOPPED, 1),
        (RolloutState.INTERRUPTED, 130),
    ],
)
def test_the_exit_code_says_how_it_ended(monkeypatch, state, code):
    record(monkeypatch, rollout=result(state, CANARY))
    assert run(options(yes=True), terminal()) == code


def test_waves_failures_and_the_way_back_are_shown(monkeypatch):
    stopped = result(RolloutState.STOPPED, CANARY, BROKEN, untouched=("wave 2",), message="boom")
    record(monkeypatch, rollout=stopped)
    screen = terminal()
    run(options(yes=True), screen)
    text = out(screen)
    assert "canary   r1               2" in text
    assert "wave 2   not started" in text
    assert "/DC1/vm/x        full" in text
    assert "Rollout stopped; waves not started are untouched." in text
    assert "boom" in text
    assert "vmboot undo ro-1" in text


def test_it_asks_first_and_names_the_flag_without_a_terminal(monkeypatch):
    seam = record(monkeypatch, rollout=result(RolloutState.DONE, CANARY))
    with pytest.raises(InputError):
        run(options(), terminal())
    assert "rollout" not in seam.names


def test_a_check_needs_no_answer_and_offers_no_undo(monkeypatch):
    record(monkeypatch, rollout=result(RolloutState.DONE, CANARY, check=True))
    screen = terminal()
    assert run(options(check=True), screen) == 0
    assert "nothing was changed" in out(screen)
    assert "vmboot undo" not in out(screen)


def test_json_is_the_result(monkeypatch):
    done = result(RolloutState.DONE, CANARY)
    record(monkeypatch, rollout=done)
    screen = terminal(json=True)
    run(options(yes=True), screen)
    assert json.loads(out(screen)) == done.to_json()


def test_flags_reach_the_rollout(monkeypatch, capsys):
    seam = record(monkeypatch, rollout=result(RolloutState.DONE, CANARY))
    words = "rollout f.yml --yes --inventory inv --limit a --power off --check --host vc"
    assert main(words.split(" ")) == 0
    called = seam.called("rollout")
    assert (called["inventory"], called["limit"]) == (Path("inv"), ("a",))
    assert (called["power"], called["check"], called["host"]) == ("off", True, "vc")
