import json
from dataclasses import replace

import pytest

from tests.unit.cli import fleets
from tests.unit.cli.commands.seam import record as record_seam
from tests.unit.cli.screens import err, out, terminal
from vmboot.cli.commands.undo import Options, run
from vmboot.cli.main import main
from vmboot.cli.options import Connection
from vmboot.errors import InputError, NotFoundError
from vmboot.fleet.plan import Problem, Verdict
from vmboot.fleet.result import Done

RESULT = fleets.result(fleets.outcome("a"))
PLAN = fleets.undo_plan(fleets.restoring("a"))
RUNS = (fleets.summary("r1", machines=3),)


def options(run_id="r1", **more):
    return Options(run=run_id, connection=Connection(), **more)


def record(monkeypatch, **answers):
    return record_seam(monkeypatch, **{"runs": RUNS, "plan_undo": PLAN, "undo": RESULT, **answers})


def asked(answer="n\n"):
    return terminal(tty=True, answer=answer, environ={"NO_COLOR": "1"}, width=120)


def test_it_shows_what_goes_back_then_asks_then_tells_what_was_done(monkeypatch):
    seam = record(monkeypatch)
    screen = asked("y\n")
    assert run(options(), screen) == 0
    assert seam.names == ["runs", "connect", "plan_undo", "undo"]
    text = out(screen)
    assert "r1: apply, begun 2026-11-21 22:04 UTC by root, 3 machines" in text
    assert "/DC1/vm/PVS/a\n  CD/DVD drive 1 (IDE 0:0): [shared-01] old.iso" in text
    assert "1 machine: 1 to restore." in text
    assert "Restore what r1 changed on vc.example.net? [y/N]" in err(screen)
    assert "run 20261121-220400-ab12, the undo of r1; to take it back: vmboot undo 2026" in text


def test_machines_that_will_be_started_are_announced_and_named_in_the_question(monkeypatch):
    record(monkeypatch, plan_undo=fleets.undo_plan(fleets.restoring("a", power_on=True)))
    screen = asked()
    run(options(), screen)
    words = "1 machine that the run had shut down WILL BE POWERED ON again: a."
    assert words in out(screen)
    assert f"{words}\nRestore what r1 changed" in err(screen)


def test_machines_that_will_go_down_are_announced_and_named_in_the_question(monkeypatch):
    going = replace(fleets.restoring("a", power_on=True), down=True)
    seam = record(monkeypatch, plan_undo=fleets.undo_plan(going))
    screen = asked()
    run(options(power="off"), screen)
    words = "1 running machine WILL BE SHUT DOWN now, restored and powered on again: a."
    assert words in out(screen)
    assert f"{words}\nRestore what r1 changed" in err(screen)
    assert "had shut down" not in out(screen)
    assert seam.called("plan_undo")["power"] == "off"


def test_machines_that_wait_are_pending_and_not_refused(monkeypatch):
    problem = Problem("it must be powered off for that", hint="power it off")
    waits = replace(fleets.restoring("a"), verdict=Verdict.PENDING, problems=(problem,))
    record(monkeypatch, plan_undo=fleets.undo_plan(waits))
    screen = asked()
    run(options(dry_run=True), screen)
    assert "pending: it must be powered off for that" in out(screen)
    assert "refused" not in out(screen)


def test_a_hard_power_off_without_power_off_is_refused():
    with pytest.raises(InputError, match="without --power off"):
        run(options(hard_power_off=True), asked())


def test_no_means_nothing_is_done(monkeypatch):
    seam = record(monkeypatch)
    assert run(options(), asked()) == 130
    assert "undo" not in seam.names


def test_without_a_terminal_the_flag_is_named(monkeypatch):
    record(monkeypatch)
    with pytest.raises(InputError):
        run(options(), terminal())


def test_a_run_that_does_not_exist_is_said_before_anything_else(monkeypatch):
    seam = record(monkeypatch)
    with pytest.raises(NotFoundError):
        run(options("nosuch"), terminal())
    assert seam.names == ["runs"]


@pytest.mark.parametrize(
    ("machines", "code"),
    [
        ((fleets.restoring("a"),), 6),
        ((fleets.restored("a"),), 0),
        ((fleets.gone("a"),), 1),
        ((fleets.restored("a"), fleets.gone("b")), 1),
    ],
)
def test_a_dry_run_shows_and_stops(monkeypatch, machines, code):
    seam = record(monkeypatch, plan_undo=fleets.undo_plan(*machines))
    assert run(options(dry_run=True), terminal()) == code
    assert "undo" not in seam.names


@pytest.mark.parametrize("quiet", [False, True])
def test_the_sum_of_a_dry_run_stands_there_once(monkeypatch, quiet):
    record(monkeypatch)
    screen = terminal(quiet=quiet)
    run(options(dry_run=True), screen)
    assert out(screen).count("1 machine: 1 to restore.") == 1


def test_what_cannot_go_back_is_shown_with_the_reason(monkeypatch):
    record(monkeypatch, plan_undo=fleets.undo_plan(fleets.restoring("a"), fleets.gone("b")))
    screen = terminal()
    run(options(dry_run=True), screen)
    assert "refused: it does not exist any more\n  /DC1/vm/PVS/b\n  hint: there is" in out(screen)


def test_what_had_nothing_to_undo_is_not_said_to_be_undone_by_itself(monkeypatch):
    runs = (fleets.summary("r1", undone_by="r1"),)
    record(monkeypatch, runs=runs, plan_undo=fleets.undo_plan(fleets.restored("a")))
    screen = terminal()
    assert run(options(), screen) == 0
    assert "r1 is already undone: nothing to do" in err(screen)


def test_what_is_undone_already_is_not_undone_again(monkeypatch):
    runs = (fleets.summary("r1", undone_by="r2"),)
    seam = record(monkeypatch, runs=runs, plan_undo=fleets.undo_plan(fleets.restored("a")))
    screen = terminal()
    assert run(options(yes=True), screen) == 0
    assert "r1 is already undone, by r2: nothing to do" in err(screen)
    assert "undo" not in seam.names


def test_last_after_a_rollout_is_the_whole_rollout_and_says_so(monkeypatch):
    runs = (
        fleets.summary("r2", rollout="rollout-1", wave="wave 1"),
        fleets.summary("r1", rollout="rollout-1", wave="canary"),
    )
    seam = record(monkeypatch, runs=runs)
    screen = terminal()
    run(options("last", yes=True), screen)
    assert seam.calls[-1][1][0] == "rollout-1"
    assert "Undo of rollout-1" in out(screen)
    assert "r1: apply (canary), begun" in out(screen)


def test_a_run_interrupted_before_is_named_as_left_out(monkeypatch):
    runs = (fleets.summary("r2"), fleets.summary("r1", interrupted=True))
    record(monkeypatch, runs=runs)
    screen = terminal()
    run(options("last", dry_run=True), screen)
    assert "Not part of this: r1" in out(screen)


def test_json_has_the_plan_the_result_and_what_was_undone(monkeypatch):
    record(monkeypatch)
    screen = terminal(json=True)
    run(options(yes=True), screen)
    document = json.loads(out(screen))
    assert document["undoes"] == "r1"
    assert document["plan"] == PLAN.to_json()
    assert {key: document[key] for key in RESULT.to_json()} == RESULT.to_json()


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (RESULT, 0),
        (fleets.result(fleets.outcome("a", Done.FAILED, "x")), 1),
        (fleets.result(fleets.outcome("a"), fleets.outcome("b", Done.FAILED, "x")), 3),
        (fleets.result(fleets.outcome("a"), fleets.outcome("b", Done.PENDING, "x")), 3),
        (fleets.result(interrupted=True), 130),
    ],
)
def test_the_exit_code_says_how_it_ended(monkeypatch, result, code):
    record(monkeypatch, undo=result)
    assert run(options(yes=True), terminal()) == code


def test_flags_reach_the_undo(monkeypatch, capsys):
    seam = record(monkeypatch)
    assert (
        main(["undo", "r1", "--yes", "--force", "--limit", "a", "--fleet", "f.yml", "--host", "vc"])
        == 0
    )
    assert seam.calls[-1][1][0] == "r1"
    keywords = seam.called("undo")
    assert (keywords["limit"], keywords["force"]) == (("a",), True)
    assert seam.called("connect")["host"] == "vc"
    assert "load_fleet" in seam.names
