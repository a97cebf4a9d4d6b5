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
failed: the datastore is full
  /DC1/vm/PVS/c
  hint: free some space

pending: boot order waits for its next power off
  /DC1/vm/PVS/b

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


def test_machines_that_were_shut_down_are_named_as_off_with_the_way_to_power_them_on():
    paths = tuple(f"/DC1/vm/PVS/pvs 0{number}" for number in range(7))
    text = rendered(result_view(fleets.result(fleets.outcome("a"), shut_down=paths)), width=200)
    assert "7 machines were shut down, off now: pvs 00, pvs 01, pvs 02, pvs 03" in text
    assert "pvs 04 and 2 more." in text
    assert "vmboot leaves them off; power them on in batches, e.g.: govc vm.power -on" in text
    assert "'/DC1/vm/PVS/pvs 00' '/DC1/vm/PVS/pvs 01'" in text


def test_one_machine_that_was_shut_down_and_none():
    one = rendered(result_view(fleets.result(fleets.outcome("a"), shut_down=("/DC1/vm/a",))))
    assert "1 machine was shut down, off now: a." in one
    assert "shut down" not in rendered(result_view(fleets.result(fleets.outcome("a"))))


def test_a_reason_and_its_hint_stand_there_once_for_all_machines_it_is_about():
    why = ("its change needs it powered off", "power it off and apply again")
    outcomes = [fleets.outcome(name, Done.PENDING, *why) for name in ("a", "b", "c")]
    text = rendered(result_view(fleets.result(*outcomes)))
    assert text.count("power it off and apply again") == 1
    assert "  /DC1/vm/PVS/a\n  /DC1/vm/PVS/b\n  /DC1/vm/PVS/c\n  hint: " in text


def test_machines_that_changed_meanwhile_share_their_reason():
    outcomes = [
        fleets.outcome(name, Done.FAILED, f"/DC1/vm/PVS/{name} was changed since the plan", "plan")
        for name in ("a", "b")
    ]
    text = rendered(result_view(fleets.result(*outcomes)))
    assert "failed: it was changed since the plan\n  /DC1/vm/PVS/a\n  /DC1/vm/PVS/b" in text
