import json
from pathlib import Path

import pytest

from tests.unit.cli import fleets
from tests.unit.cli.commands.seam import record
from tests.unit.cli.screens import Gone, err, out, terminal
from vmboot.cli.commands.apply import Options, run
from vmboot.cli.main import main
from vmboot.cli.options import Connection
from vmboot.errors import InputError
from vmboot.fleet.result import Done

CHANGE = fleets.plan(fleets.changing("a"))
RESULT = fleets.result(fleets.outcome("a"))


def options(**more):
    return Options(fleet=Path("fleet.yml"), connection=Connection(), **more)


def test_the_plan_is_shown_then_asked_for_then_done(monkeypatch):
    seam = record(monkeypatch, plan=CHANGE, apply=RESULT)
    screen = terminal(tty=True, answer="y\n", environ={"NO_COLOR": "1"})
    assert run(options(), screen) == 0
    assert seam.names == ["load_fleet", "connect", "plan", "apply"]
    assert "Apply this to vc.example.net? [y/N]" in err(screen)
    text = out(screen)
    assert text.index("1 machine: 1 to change") < text.index("vmboot undo 20261121-220400-ab12")


def test_the_question_names_the_machines_that_go_down(monkeypatch):
    record(monkeypatch, plan=fleets.plan(fleets.shut_down("pvs-002")), apply=RESULT)
    screen = terminal(tty=True, answer="n\n", environ={"NO_COLOR": "1"})
    run(options(power="off"), screen)
    question = "1 running machine WILL BE SHUT DOWN now: pvs-002.\nApply this to vc.example.net?"
    assert question in err(screen)


def test_json_names_the_machines_that_go_down(monkeypatch):
    plan = fleets.plan(fleets.shut_down("pvs-002"), fleets.changing("pvs-003"))
    record(monkeypatch, plan=plan)
    screen = terminal(json=True)
    run(options(power="off", dry_run=True), screen)
    document = json.loads(out(screen))["plan"]
    assert document["shut_down"] == ["/DC1/vm/PVS/pvs-002"]
    assert [machine["shut_down"] for machine in document["machines"]] == [True, False]


def test_no_means_nothing_is_done(monkeypatch):
    seam = record(monkeypatch, plan=CHANGE, apply=RESULT)
    screen = terminal(tty=True, answer="n\n", environ={"NO_COLOR": "1"})
    assert run(options(), screen) == 130
    assert "apply" not in seam.names
    assert "nothing was changed" in err(screen)


def test_without_a_terminal_the_flag_is_named_and_nothing_is_done(monkeypatch):
    seam = record(monkeypatch, plan=CHANGE, apply=RESULT)
    with pytest.raises(InputError) as caught:
        run(options(), terminal())
    assert "--yes" in str(caught.value.hint)
    assert "apply" not in seam.names


def test_a_dry_run_is_a_plan(monkeypatch):
    seam = record(monkeypatch, plan=CHANGE, apply=RESULT)
    assert run(options(dry_run=True, yes=True), terminal()) == 6
    assert "apply" not in seam.names


@pytest.mark.parametrize("quiet", [False, True])
def test_the_sum_of_a_dry_run_stands_there_once(monkeypatch, quiet):
    record(monkeypatch, plan=CHANGE)
    screen = terminal(quiet=quiet)
    run(options(dry_run=True), screen)
    assert out(screen).count("1 machine: 1 to change") == 1


def test_with_nothing_to_do_nothing_is_asked_and_nothing_written(monkeypatch):
    seam = record(monkeypatch, plan=fleets.plan(fleets.fine("a")), apply=RESULT)
    assert run(options(), terminal()) == 0
    assert "apply" not in seam.names


def test_json_is_one_document_with_plan_and_result(monkeypatch):
    record(monkeypatch, plan=CHANGE, apply=RESULT)
    screen = terminal(json=True)
    run(options(yes=True), screen)
    document = json.loads(out(screen))
    assert document == {"plan": CHANGE.to_json(), "result": RESULT.to_json()}


def test_behind_head_the_run_is_named_on_stderr_and_the_apply_is_no_failure(monkeypatch):
    record(monkeypatch, plan=CHANGE, apply=RESULT)
    screen = terminal()
    screen.stdout = Gone()
    assert run(options(yes=True), screen) == 0
    assert "vmboot undo 20261121-220400-ab12" in err(screen)


def test_json_of_a_dry_run_has_no_result(monkeypatch):
    record(monkeypatch, plan=CHANGE, apply=RESULT)
    screen = terminal(json=True)
    run(options(dry_run=True), screen)
    assert json.loads(out(screen))["result"] is None


@pytest.mark.parametrize(
    ("plan", "result", "code"),
    [
        (CHANGE, RESULT, 0),
        (CHANGE, fleets.result(fleets.outcome("a", Done.PENDING, "waits")), 0),
        (CHANGE, fleets.result(fleets.outcome("a", Done.FAILED, "x")), 1),
        (CHANGE, fleets.result(fleets.outcome("a"), fleets.outcome("b", Done.FAILED, "x")), 3),
        (CHANGE, fleets.result(fleets.outcome("a"), fleets.outcome("b", Done.SKIPPED, "x")), 3),
        (CHANGE, fleets.result(fleets.outcome("a"), interrupted=True), 130),
    ],
)
def test_the_exit_code_says_how_it_ended(monkeypatch, plan, result, code):
    record(monkeypatch, plan=plan, apply=result)
    assert run(options(yes=True), terminal()) == code


def test_flags_reach_the_apply(monkeypatch, capsys):
    seam = record(monkeypatch, plan=CHANGE, apply=RESULT)
    words = "apply f.yml --yes --power off --hard-power-off --window 8 --max-failures 2%"
    assert main(words.split()) == 0
    applied = seam.called("apply")
    names = ("power", "hard_power_off", "window", "max_failures")
    assert [applied[name] for name in names] == ["off", True, 8, "2%"]
    assert seam.called("plan")["power"] == "off"


@pytest.mark.parametrize("words", [["--window", "0"], ["--power", "on"]])
def test_values_out_of_range_are_bad_input(words, capsys):
    assert main(["apply", "f.yml", *words]) == 2


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"max_failures": "lots"}, "--max-failures: 'lots' is neither"),
        ({"hard_power_off": True}, "--hard-power-off does nothing without --power off"),
    ],
)
def test_flags_that_cannot_be_meant_are_said_before_anything_is_read(monkeypatch, flags, words):
    seam = record(monkeypatch, plan=CHANGE)
    with pytest.raises(InputError) as caught:
        run(options(**flags), terminal())
    assert words in str(caught.value)
    assert seam.names == []
