"""Where the boot ISO goes, as tables of literal machines."""

from __future__ import annotations

import pytest
from hypothesis import given

from tests.unit.vsphere.builders import (
    AHCI,
    AT_POWER_ON,
    EMPTY,
    IDE0,
    IDE1,
    NEVER,
    OTHER,
    OURS,
    SCSI,
    cd,
    disk,
    machine,
    nic,
    running,
    uefi,
)
from tests.unit.vsphere.strategies import machines
from vmboot.vsphere.cdrom import boot_slot, plan_cdrom
from vmboot.vsphere.changes import AddCdrom, AddController, MoveDevice, SetCdrom
from vmboot.vsphere.effects import machine_after
from vmboot.vsphere.machine import Bus, CdBacking, Connection, Device, Machine, Power
from vmboot.vsphere.slots import Slot, occupants

SATA = (IDE0, IDE1, SCSI, AHCI)
IDE_00, SATA_00 = Slot(Bus.IDE, 0, 0), Slot(Bus.SATA, 0, 0)


@pytest.mark.parametrize(
    ("found", "slot"),
    [
        pytest.param(machine(cd(IDE0)), IDE_00, id="BIOS uses the IDE drive"),
        pytest.param(machine(cd(AHCI), controllers=SATA), SATA_00, id="BIOS, only a SATA drive"),
        pytest.param(machine(cd(AHCI), cd(IDE0), controllers=SATA), IDE_00, id="BIOS prefers IDE"),
        pytest.param(uefi(cd(AHCI), cd(IDE0), controllers=SATA), SATA_00, id="UEFI prefers SATA"),
        pytest.param(uefi(cd(IDE0), controllers=SATA), IDE_00, id="UEFI uses an IDE drive"),
        pytest.param(uefi(controllers=SATA), SATA_00, id="UEFI with AHCI and no drive"),
        pytest.param(uefi(), IDE_00, id="UEFI without AHCI"),
        pytest.param(machine(), IDE_00, id="BIOS without any drive"),
        pytest.param(machine(controllers=(SCSI,)), SATA_00, id="no IDE at all"),
        pytest.param(machine(cd(IDE0, 1)), IDE_00, id="a drive at IDE 0:1 is not at 0:0"),
    ],
)
def test_the_firmware_decides_the_slot(found: Machine, slot: Slot):
    assert boot_slot(found) == slot


def test_an_empty_drive_gets_the_iso_and_connects_at_power_on():
    plan = plan_cdrom(machine(cd(IDE0)), iso=OURS)

    assert plan.changes == (
        SetCdrom(3000, "CD/DVD drive 3000", 200, 0, EMPTY, NEVER, OURS, AT_POWER_ON),
    )
    assert not plan.powered_off_only


def test_other_media_are_replaced_and_remembered():
    (change,) = plan_cdrom(
        machine(cd(IDE0, backing=OTHER, connection=AT_POWER_ON)), iso=OURS
    ).changes

    assert isinstance(change, SetCdrom)
    assert (change.before, change.before_connection) == (OTHER, AT_POWER_ON)


OLD_ONE = CdBacking("iso", path="[shared-01] vmboot/vmboot-boot-0123456789ab.iso")
HOST = CdBacking("atapi", device="/dev/cdrom")


@pytest.mark.parametrize(
    ("backing", "connected"), [(OTHER, False), (EMPTY, True), (EMPTY, False), (OLD_ONE, True)]
)
def test_a_running_guest_sees_nothing_new(backing: CdBacking, connected: bool):
    link = Connection(start_connected=True, connected=connected, allow_guest_control=False)
    plan = plan_cdrom(running(cd(IDE0, backing=backing, connection=link)), iso=OURS)
    (change,) = plan.changes

    assert isinstance(change, SetCdrom)
    assert change.connection == Connection(start_connected=True, allow_guest_control=False)
    assert not plan.powered_off_only


@pytest.mark.parametrize("backing", [OTHER, HOST])
def test_media_that_a_running_guest_has_connected_are_not_pulled_out(backing: CdBacking):
    drive = cd(IDE0, backing=backing, connection=Connection(connected=True))

    assert plan_cdrom(running(drive), iso=OURS).powered_off_only


def test_our_iso_stays_connected_where_only_the_power_on_flag_is_missing():
    drive = cd(IDE0, backing=OURS, connection=Connection(connected=True))
    plan = plan_cdrom(running(drive), iso=OURS)
    (change,) = plan.changes

    assert isinstance(change, SetCdrom)
    assert change.connection.connected


@pytest.mark.parametrize("connected", [True, False])
def test_a_drive_that_holds_the_iso_already_is_left_alone(connected: bool):
    link = Connection(start_connected=True, connected=connected)

    assert plan_cdrom(running(cd(IDE0, backing=OURS, connection=link)), iso=OURS).changes == ()


def test_the_iso_without_connect_at_power_on_is_not_enough():
    assert plan_cdrom(machine(cd(IDE0, backing=OURS)), iso=OURS).changes


def test_a_missing_drive_is_added():
    plan = plan_cdrom(machine(), iso=OURS)

    assert plan.changes == (AddCdrom(-102, 200, 0, OURS, AT_POWER_ON),)
    assert plan.powered_off_only


def test_a_missing_controller_is_added_before_its_drive():
    plan = plan_cdrom(machine(disk(SCSI), controllers=(SCSI,)), iso=OURS)

    assert plan.changes == (
        AddController(-101, Bus.SATA, 0, "VirtualAHCIController"),
        AddCdrom(-102, -101, 0, OURS, AT_POWER_ON),
    )


@pytest.mark.parametrize(
    ("others", "to"),
    [
        pytest.param((), (200, 1), id="the second unit of the first controller"),
        pytest.param((cd(IDE0, 1),), (201, 0), id="the second controller"),
        pytest.param((cd(IDE0, 1), disk(IDE1, 0, key=2002)), (201, 1), id="the last one"),
    ],
)
def test_a_disk_in_the_way_moves_to_the_first_free_ide_unit(
    others: tuple[Device, ...], to: tuple[int, int]
):
    plan = plan_cdrom(machine(disk(IDE0), *others), iso=OURS)

    assert plan.changes == (
        MoveDevice(2000, "Hard disk 2000", 200, 0, *to),
        AddCdrom(-102, 200, 0, OURS, AT_POWER_ON),
    )
    assert plan.powered_off_only


def test_a_disk_in_the_way_on_sata_stays_on_sata():
    plan = plan_cdrom(uefi(disk(AHCI), disk(AHCI, 1, key=2001), controllers=SATA), iso=OURS)

    assert plan.changes[0] == MoveDevice(2000, "Hard disk 2000", 15000, 0, 15000, 2)


def test_a_disk_with_snapshots_does_not_move():
    plan = plan_cdrom(machine(disk(IDE0), has_snapshot=True), iso=OURS)

    assert plan.refused
    assert plan.changes == ()
    assert "snapshots" in plan.problems[0].message


def test_snapshots_do_not_hinder_a_change_of_media():
    assert not plan_cdrom(machine(cd(IDE0), has_snapshot=True), iso=OURS).refused


def test_four_ide_disks_leave_no_room():
    full = machine(
        disk(IDE0), disk(IDE0, 1, key=2001), disk(IDE1, key=2002), disk(IDE1, 1, key=2003)
    )
    plan = plan_cdrom(full, iso=OURS)

    assert plan.refused
    assert "no IDE unit is free" in plan.problems[0].message


@pytest.mark.parametrize("state", ["disconnected", "inaccessible", "orphaned", "invalid"])
def test_a_machine_out_of_reach_is_refused(state: str):
    plan = plan_cdrom(machine(cd(IDE0), unavailable=state), iso=OURS)

    assert plan.refused
    assert plan.changes == ()
    assert state in plan.problems[0].message


def test_a_machine_whose_devices_are_hidden_from_us_is_refused():
    plan = plan_cdrom(machine(nic(), controllers=()), iso=OURS)

    assert plan.refused
    assert "cannot be read" in plan.problems[0].message


@pytest.mark.parametrize(("hw_version", "refused"), [(9, True), (10, False), (0, False)])
def test_old_hardware_has_no_sata(hw_version: int, refused: bool):
    found = machine(disk(SCSI), controllers=(SCSI,), hw_version=hw_version)

    assert plan_cdrom(found, iso=OURS).refused is refused


def test_a_suspended_machine_must_be_off_even_for_a_change_of_media():
    assert plan_cdrom(machine(cd(IDE0), power=Power.SUSPENDED), iso=OURS).powered_off_only


def test_a_second_bootable_cd_is_worth_a_warning():
    rival = cd(IDE1, key=3002, backing=OTHER, connection=AT_POWER_ON)
    plan = plan_cdrom(machine(cd(IDE0), rival), iso=OURS)

    assert not plan.refused
    assert [problem.warning for problem in plan.problems] == [True]
    assert "other.iso" in plan.problems[0].message


@pytest.mark.parametrize(("backing", "link"), [(EMPTY, AT_POWER_ON), (OTHER, NEVER)])
def test_a_second_cd_that_cannot_boot_is_not(backing, link):
    other = cd(IDE1, key=3002, backing=backing, connection=link)

    assert plan_cdrom(machine(cd(IDE0), other), iso=OURS).problems == ()


@given(machines())
def test_whatever_the_hardware_the_plan_holds_or_refuses(found: Machine):
    plan = plan_cdrom(found, iso=OURS)
    if plan.refused:
        assert plan.changes == ()
        return
    after = machine_after(found, plan.changes)
    held = occupants(after.hardware)[boot_slot(found)]
    assert held.backing == OURS
    assert held.connection is not None
    assert held.connection.start_connected
    # Nothing is lost, no slot is taken twice, and a second plan finds nothing to do.
    assert len(occupants(after.hardware)) == len(after.hardware.devices) - 1
    assert {d.file for d in found.hardware.devices} == {d.file for d in after.hardware.devices}
    assert plan_cdrom(after, iso=OURS).changes == ()


@given(machines())
def test_only_a_change_of_media_is_made_on_a_running_machine(found: Machine):
    plan = plan_cdrom(found, iso=OURS)
    only_media = all(
        isinstance(change, SetCdrom)
        and not (change.before == OTHER and change.before_connection.connected)
        for change in plan.changes
    )

    assert plan.powered_off_only == (bool(plan.changes) and not only_media)
