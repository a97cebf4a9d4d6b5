"""Away from method bdm: our disk goes, the one that made room for it comes home."""

from dataclasses import replace

import pytest

from tests.unit.vsphere.builders import SCSI, disk, machine, nic
from vmboot.fleet.leaving import leave_bdm
from vmboot.vsphere.changes import DetachDisk, MoveDevice, SetExtra
from vmboot.vsphere.devices import machine_after
from vmboot.vsphere.machine import Bus, Device, DiskBacking
from vmboot.vsphere.slots import Slot, disks

OURS = disk(SCSI, 0, key=2000, file="[shared-01] vm/vmboot-boot-0123456789ab.vmdk")
OTHER = disk(SCSI, 1, key=2001, file="[shared-01] vm/vm.vmdk")
THIRD = disk(SCSI, 2, key=2002, file="[shared-01] vm/vm_1.vmdk")


def with_disk(*devices: Device):
    return replace(machine(*devices, nic()), media="boot 0123456789ab")


def test_a_machine_without_a_disk_of_ours_is_left_alone() -> None:
    assert leave_bdm(machine(OTHER, nic())).changes == ()


def test_the_first_other_disk_goes_back_to_0_0() -> None:
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
