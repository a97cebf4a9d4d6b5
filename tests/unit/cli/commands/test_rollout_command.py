import json
from pathlib import Path

import pytest

from tests.unit.cli import fleets
from tests.unit.cli.commands.seam import record as record_seam
from tests.unit.cli.screens import err, out, terminal
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


PLAN = fleets.plan(*(fleets.changing(f"pvs-{n}") for n in range(1, 6)))


def record(monkeypatch, **answers):
    return record_seam(monkeypatch, **{"plan": PLAN, **answers})


def options(**more):
    return Options(fleet=Path("f.yml"), connection=Connection(), **more)


def test_machines_that_were_shut_down_and_stay_off_are_named(monkeypatch):
    wave = WaveResult("canary", "r1", True, {"done": 2}, shut_down=("/DC1/vm/x", "/DC1/vm/y"))
    record(monkeypatch, rollout=result(RolloutState.DONE, wave))
    screen = terminal()
    run(options(yes=True), screen)
    text = " ".join(out(screen).split())
    assert "2 machines were shut down, off now: x, y." in text
    assert "govc vm.power -on /DC1/vm/x /DC1/vm/y" in text


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


def test_it_shows_plan_and_waves_and_asks_about_machines_waves_and_vcenter(monkeypatch):
    seam = record(monkeypatch, rollout=result(RolloutState.DONE, CANARY))
    screen = terminal(tty=True, answer="n\n", environ={"NO_COLOR": "1"}, width=120)
    assert run(options(), screen) == 130
    assert "rollout" not in seam.names
    assert "/DC1/vm/PVS/pvs-5\n  CD/DVD drive 1" in out(screen)
    assert "Waves: canary: 1 machine, wave 1: 2 machines, wave 2: 2 machines." in out(screen)
    assert "Roll f.yml out to 5 machines of vc.example.net in 3 waves? [y/N]" in err(screen)


def test_the_question_names_machines_that_go_down(monkeypatch):
    plan = fleets.plan(fleets.shut_down("pvs-1"))
    seam = record(monkeypatch, plan=plan, rollout=result(RolloutState.DONE, CANARY))
    screen = terminal(tty=True, answer="n\n", environ={"NO_COLOR": "1"})
    run(options(power="off"), screen)
    assert "1 running machine WILL BE SHUT DOWN now: pvs-1.\nRoll f.yml" in err(screen)
    assert seam.called("plan")["power"] == "off"


def test_with_an_inventory_of_ones_own_only_ansible_knows_the_vcenters(monkeypatch):
    seam = record(monkeypatch, rollout=result(RolloutState.DONE, CANARY))
    screen = terminal(tty=True, answer="y\n", environ={"NO_COLOR": "1"})
    assert run(options(inventory=Path("inv")), screen) == 0
    assert "Roll f.yml out on the vCenters of inv; --check shows" in err(screen)
    assert "plan" not in seam.names


@pytest.mark.parametrize(
    ("error", "code"),
    [("AuthError", 4), ("ConnectError", 4), ("NotFoundError", 5), ("InputError", 2), ("", 1)],
)
def test_what_stopped_it_before_the_first_wave_decides_the_exit_code(monkeypatch, error, code):
    record(monkeypatch, rollout=result(RolloutState.STOPPED, message="no", error=error))
    assert run(options(yes=True, inventory=Path("inv")), terminal()) == code


def test_once_machines_were_changed_a_stop_is_a_failure(monkeypatch):
    stopped = result(RolloutState.STOPPED, CANARY, message="no", error="ConnectError")
    record(monkeypatch, rollout=stopped)
    assert run(options(yes=True), terminal()) == 1


def test_a_check_counts_what_would_change(monkeypatch):
    wave = WaveResult("canary", counts={"change": 2, "pending": 1, "refused": 3})
    record(monkeypatch, rollout=result(RolloutState.DONE, wave, check=True))
    screen = terminal(width=120)
    run(options(check=True), screen)
    assert "canary   -          2    -         1         3        -" in out(screen)


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
