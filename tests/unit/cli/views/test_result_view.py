from tests.unit.cli import fleets
from tests.unit.cli.screens import rendered
from vmboot.cli.views.result import result_view
from vmboot.fleet.result import Done


def test_what_did_not_work_comes_first_and_the_undo_command_last():
    result = fleets.result(
        fleets.outcome("a"),
        fleets.outcome("b", Done.PENDING, "boot order waits for its next power off"),
        fleets.outcome("c", Done.FAILED, "the datastore is full", "free some space"),
    )
    assert (
        rendered(result_view(result))
        == """\
result    machine         why
─────────────────────────────────────────────────────────────────
failed    /DC1/vm/PVS/c   the datastore is full
                          hint: free some space
pending   /DC1/vm/PVS/b   boot order waits for its next power off

3 machines in 4.2 s: 1 done, 1 pending, 1 failed.

run 20261121-220400-ab12; to take it back: vmboot undo 20261121-220400-ab12"""
    )


def test_when_all_went_well_no_machine_is_listed():
    text = rendered(result_view(fleets.result(fleets.outcome("a"), fleets.outcome("b"))))
    assert text.startswith("2 machines in 4.2 s: 2 done.")


def test_an_undo_names_what_it_undid_and_can_be_taken_back_too():
    text = rendered(result_view(fleets.result(fleets.outcome("a")), undone="r1"), width=120)
    run = "20261121-220400-ab12"
    assert text.endswith(f"run {run}, the undo of r1; to take it back: vmboot undo {run}")


def test_interrupted_and_stopped_runs_say_so():
    assert "Interrupted" in rendered(result_view(fleets.result(interrupted=True)))
    assert "budget" in rendered(result_view(fleets.result(stopped=True)))


def test_repaired_runs_are_named():
    text = rendered(result_view(fleets.result(fleets.outcome("a"), resumed=("r0",))))
    assert "repaired what unfinished runs had left: r0" in text
