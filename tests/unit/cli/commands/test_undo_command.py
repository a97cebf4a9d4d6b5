from types import SimpleNamespace

import pytest

from tests.unit.cli import fleets
from tests.unit.cli.commands.seam import record
from tests.unit.cli.screens import err, out, terminal
from vmboot.cli.commands.undo import Options, last_run, run
from vmboot.cli.main import main
from vmboot.cli.options import Connection
from vmboot.errors import InputError, NotFoundError
from vmboot.fleet.result import Done

RESULT = fleets.result(fleets.outcome("a"))


def summary(run_id, *, verb="apply", undoable=True, rollout=""):
    return SimpleNamespace(id=run_id, verb=verb, undoable=undoable, rollout=rollout)


def options(run_id="r1", **more):
    return Options(run=run_id, connection=Connection(), **more)


def test_it_asks_before_it_restores(monkeypatch):
    seam = record(monkeypatch, undo=RESULT)
    screen = terminal(tty=True, answer="y\n", environ={"NO_COLOR": "1"})
    assert run(options(), screen) == 0
    assert "Restore what run r1 changed on vc.example.net? [y/N]" in err(screen)
    assert seam.names == ["connect", "undo"]
    assert "1 machine in 4.2 s: 1 done." in out(screen)


def test_no_means_nothing_is_done(monkeypatch):
    seam = record(monkeypatch, undo=RESULT)
    assert run(options(), terminal(tty=True, answer="\n")) == 130
    assert "undo" not in seam.names


def test_without_a_terminal_the_flag_is_named(monkeypatch):
    record(monkeypatch, undo=RESULT)
    with pytest.raises(InputError):
        run(options(), terminal())


def test_last_is_the_newest_apply_that_is_not_undone(monkeypatch):
    runs = (
        summary("r4", verb="undo"),
        summary("r3", undoable=False),
        summary("r2"),
        summary("r1"),
    )
    record(monkeypatch, runs=runs)
    assert last_run() == "r2"


def test_of_a_rollout_last_is_all_its_waves(monkeypatch):
    record(monkeypatch, runs=(summary("r2", rollout="rollout-1"), summary("r1")))
    assert last_run() == "rollout-1"


def test_without_a_run_last_is_not_found(monkeypatch):
    record(monkeypatch, runs=())
    with pytest.raises(NotFoundError):
        last_run()


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
    seam = record(monkeypatch, undo=RESULT)
    assert (
        main(["undo", "r1", "--yes", "--force", "--limit", "a", "--fleet", "f.yml", "--host", "vc"])
        == 0
    )
    assert seam.calls[-1][1][0] == "r1"
    keywords = seam.called("undo")
    assert (keywords["limit"], keywords["force"]) == (("a",), True)
    assert seam.called("connect")["host"] == "vc"
    assert "load_fleet" in seam.names
