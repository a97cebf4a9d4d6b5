"""Away from method bdm: our disk goes, the one that made room for it comes home."""

from dataclasses import replace

import pytest

from tests.unit.vsphere.builders import NVME, SCSI, SCSI1, disk, machine, nic
from vmboot.fleet.leaving import leave_bdm
from vmboot.vsphere.bdmdisk import plan_bdm
from vmboot.vsphere.changes import DetachDisk, MoveDevice, SetExtra
from vmboot.vsphere.devices import machine_after
from vmboot.vsphere.machine import BootEntry, Bus, Device, DiskBacking, Machine
from vmboot.vsphere.slots import Slot, disks

OURS = disk(SCSI, 0, key=2000, file="[shared-01] vm/vmboot-boot-0123456789ab.vmdk")
OTHER = disk(SCSI, 1, key=2001, file="[shared-01] vm/vm.vmdk")
THIRD = disk(SCSI, 2, key=2002, file="[shared-01] vm/vm_1.vmdk")


def with_disk(*devices: Device):
    return replace(machine(*devices, nic()), media="boot 0123456789ab")


def test_a_machine_without_a_disk_of_ours_is_left_alone() -> None:
    assert leave_bdm(machine(OTHER, nic())).changes == ()


def test_without_a_record_the_lowest_label_goes_back_to_0_0() -> None:
    before = with_disk(OURS, OTHER, THIRD)
    plan = leave_bdm(before)
    assert [type(change) for change in plan.changes] == [DetachDisk, MoveDevice, SetExtra]
    assert plan.powered_off_only
    after = machine_after(before, plan.changes)
    assert after.media == ""
    placed = {slot: device.key for slot, device in disks(after.hardware).items()}
    assert placed == {Slot(Bus.SCSI, 0, 0): 2001, Slot(Bus.SCSI, 0, 2): 2002}


def test_where_ours_was_not_at_0_0_no_disk_moves() -> None:
    moved = replace(OURS, unit=3)
    plan = leave_bdm(with_disk(replace(OTHER, unit=0), moved))
    assert [type(change) for change in plan.changes] == [DetachDisk, SetExtra]


@pytest.mark.parametrize(
    "backing",
    [
        DiskBacking(kind="rdm"),
        DiskBacking(has_parent=True),
        DiskBacking(sharing="sharingMultiWriter"),
    ],
)
def test_a_disk_that_must_not_move_stays(backing: DiskBacking) -> None:
    plan = leave_bdm(with_disk(OURS, replace(OTHER, disk=backing)))
    assert not any(isinstance(change, MoveDevice) for change in plan.changes)


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"has_snapshot": True}, "snapshots"),
        ({"fault_tolerant": True}, "fault tolerance"),
    ],
)
def test_a_disk_that_cannot_be_detached_stays_and_is_told(facts: dict[str, bool], why: str) -> None:
    plan = leave_bdm(replace(with_disk(OURS, OTHER), **facts))
    assert (plan.changes, plan.refused) == ((), False)
    assert why in plan.problems[0].message


DATA = disk(SCSI, 1, key=2001, uuid="data", file="[shared-01] vm/data.vmdk")
SYSTEM = disk(SCSI, 2, key=2002, uuid="system", file="[shared-01] vm/vm.vmdk")


def with_bdm(found: Machine) -> Machine:
    plan = plan_bdm(found, file=OURS.file, datastore="datastore-1", media="boot 0123456789ab")
    assert plan.changes
    return machine_after(found, plan.changes)


def places(found: Machine) -> dict[Slot, str]:
    return {slot: device.uuid for slot, device in disks(found.hardware).items()}


def test_the_disk_that_made_room_comes_home_though_a_data_disk_is_before_it() -> None:
    before = machine(replace(SYSTEM, unit=0), DATA, nic())
    held = with_bdm(before)
    assert held.displaced == "system"

    plan = leave_bdm(held)

    after = machine_after(held, plan.changes)
    assert (places(after), after.displaced) == (places(before), "")
    assert plan.problems == ()
    assert with_bdm(after).displaced == "system"


def test_the_disk_that_made_room_comes_home_from_another_controller() -> None:
    far = replace(SYSTEM, controller=SCSI1.key, unit=0)
    held = replace(
        machine(OURS, DATA, far, nic(), controllers=(SCSI, SCSI1)),
        media="boot 0123456789ab",
        displaced="system",
    )
    after = machine_after(held, leave_bdm(held).changes)
    assert places(after) == {Slot(Bus.SCSI, 0, 0): "system", Slot(Bus.SCSI, 0, 1): "data"}


def test_where_0_0_was_free_no_disk_moves() -> None:
    before = machine(DATA, nic())
    held = with_bdm(before)
    assert held.displaced == "none"
    after = machine_after(held, leave_bdm(held).changes)
    assert (places(after), after.displaced) == (places(before), "")


@pytest.mark.parametrize(("displaced", "why"), [("", "not recorded"), ("lost", "gone")])
def test_a_guess_takes_the_disk_that_the_boot_order_names_first_and_says_so(
    displaced: str, why: str
) -> None:
    held = replace(
        with_disk(OURS, DATA, SYSTEM),
        displaced=displaced,
        boot_order=(BootEntry("disk", OURS.key), BootEntry("disk", SYSTEM.key)),
    )
    plan = leave_bdm(held)
    assert places(machine_after(held, plan.changes))[Slot(Bus.SCSI, 0, 0)] == "system"
    (problem,) = plan.problems
    assert problem.warning
    assert why in problem.message
    assert SYSTEM.label in problem.message


def test_a_machine_with_one_other_disk_is_guessed_too() -> None:
    (problem,) = leave_bdm(with_disk(OURS, OTHER)).problems
    assert OTHER.label in problem.message


def test_a_newer_disk_of_ours_leaves_the_record_as_it_is() -> None:
    older = replace(OURS, file="[shared-01] vm/vmboot-boot-aaaaaaaaaaaa.vmdk")
    held = replace(machine(older, DATA, SYSTEM, nic()), media="boot aaaaaaaaaaaa")
    assert with_bdm(replace(held, displaced="system")).displaced == "system"
    assert with_bdm(held).displaced == ""


LEFT_OVER = {"media": "boot 0123456789ab", "displaced": "system"}
SMALL = disk(SCSI, 0, key=2000, uuid="small", file="[shared-01] vm/vm.vmdk", capacity=8 * 1024**2)


def test_a_machine_that_only_says_it_has_a_boot_disk_gets_rid_of_the_word() -> None:
    held = machine(replace(SYSTEM, unit=0), nic(), **LEFT_OVER)
    plan = leave_bdm(held)
    assert plan.changes == (
        SetExtra("vmboot.media", "boot 0123456789ab", ""),
        SetExtra("vmboot.displaced", "system", ""),
    )
    assert (plan.powered_off_only, plan.problems) == (False, ())
    assert leave_bdm(machine_after(held, plan.changes)).changes == ()


def test_the_small_disk_that_once_made_room_stays_where_it_is() -> None:
    held = machine(SMALL, nic(), **{**LEFT_OVER, "displaced": "small"})
    assert not any(isinstance(change, DetachDisk) for change in leave_bdm(held).changes)


@pytest.mark.parametrize(
    "held",
    [
        machine(SMALL, replace(SMALL, key=32000, controller=NVME.key), controllers=(SCSI, NVME)),
        machine(SYSTEM, fault_tolerant=True),
        machine(SYSTEM, unavailable="inaccessible"),
        Machine("vm-1", "a", "/DC1/vm/a"),
    ],
)
def test_where_a_boot_disk_may_be_there_all_the_same_the_word_stays(held: Machine) -> None:
    assert leave_bdm(replace(held, **LEFT_OVER)).changes == ()


def test_a_disk_that_is_taken_for_ours_without_its_name_goes_with_a_warning() -> None:
    plan = leave_bdm(machine(SMALL, nic(), media="boot 0123456789ab"))
    assert plan.changes[0] == DetachDisk(2000, SMALL.label, SMALL.file)
    assert [(p.warning, SMALL.file in p.message) for p in plan.problems] == [(True, True)]
