import json
from pathlib import Path

import pytest

from tests.unit.cli.commands.seam import record
from tests.unit.cli.screens import err, out, terminal
from vmboot.cli.commands.sweep import Options, run
from vmboot.cli.main import main
from vmboot.cli.options import Connection
from vmboot.errors import InputError
from vmboot.fleet.sweep import Fate, SweepFile, SweepPlan, SweepResult

OLD = SweepFile("[shared-01] vmboot/old.iso", "ds-1", 2048, Fate.REMOVE, "no machine holds it")
HELD = SweepFile("[shared-01] vmboot/new.iso", "ds-1", 2048, Fate.KEEP, "/DC1/vm/a hold it")
PLAN = SweepPlan((OLD, HELD))
DONE = SweepResult((OLD,), (HELD,), {})
FAILED = SweepResult((), (HELD,), {OLD.path: "no permission"})


def options(**more):
    return Options(fleet=Path("fleet.yml"), connection=Connection(), **more)


def test_the_files_are_shown_then_asked_for_then_deleted(monkeypatch):
    seam = record(monkeypatch, plan_sweep=PLAN, sweep=DONE)
    screen = terminal(tty=True, answer="y\n", environ={"NO_COLOR": "1"})
    assert run(options(), screen) == 0
    assert "Delete 1 of these files? [y/N]" in err(screen)
    assert "1 file (2.0 KiB) deleted, 1 kept." in out(screen)
    assert seam.names[-2:] == ["plan_sweep", "sweep"]


def test_no_means_nothing_is_deleted(monkeypatch):
    seam = record(monkeypatch, plan_sweep=PLAN, sweep=DONE)
    assert run(options(), terminal(tty=True, answer="\n")) == 130
    assert "sweep" not in seam.names


def test_without_a_terminal_the_flag_is_named(monkeypatch):
    seam = record(monkeypatch, plan_sweep=PLAN, sweep=DONE)
    with pytest.raises(InputError):
        run(options(), terminal())
    assert "sweep" not in seam.names


@pytest.mark.parametrize(
    ("plan", "more"), [(PLAN, {"dry_run": True}), (SweepPlan((HELD,)), {}), (SweepPlan(()), {})]
)
def test_a_dry_run_or_an_empty_one_deletes_nothing(monkeypatch, plan, more):
    seam = record(monkeypatch, plan_sweep=plan, sweep=DONE)
    assert run(options(**more), terminal()) == 0
    assert "sweep" not in seam.names


@pytest.mark.parametrize(
    ("result", "code"), [(DONE, 0), (FAILED, 1), (SweepResult((OLD,), (), {"x": "y"}), 3)]
)
def test_the_exit_code_says_whether_all_went(monkeypatch, result, code):
    record(monkeypatch, plan_sweep=PLAN, sweep=result)
    assert run(options(yes=True), terminal()) == code


def test_json_has_plan_and_result(monkeypatch):
    record(monkeypatch, plan_sweep=PLAN, sweep=DONE)
    screen = terminal(json=True)
    run(options(yes=True), screen)
    assert json.loads(out(screen)) == {"plan": PLAN.to_json(), "result": DONE.to_json()}


def test_flags_reach_the_sweep(monkeypatch, capsys):
    seam = record(monkeypatch, plan_sweep=PLAN, sweep=DONE)
    assert main(["sweep", "f.yml", "--all", "--yes"]) == 0
    for name in ("plan_sweep", "sweep"):
        assert seam.called(name)["everything"] is True
