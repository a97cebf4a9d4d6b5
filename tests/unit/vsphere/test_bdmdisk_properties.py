"""What holds of every plan for a BDM disk, whatever the hardware."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import event, given, settings
from hypothesis.strategies import booleans

from tests.unit.vsphere.builders import BDM, BDM_MEDIA
from tests.unit.vsphere.serverside import read_back
from tests.unit.vsphere.strategies import disk_machines
from vmboot.vsphere.bdmdisk import plan_bdm
from vmboot.vsphere.bootorder import predict_boot_order
from vmboot.vsphere.cdrom import SlotPlan
from vmboot.vsphere.changes import AddController, DetachDisk, SetBootOrder
from vmboot.vsphere.effects import machine_after
from vmboot.vsphere.keys import predicted_keys
from vmboot.vsphere.machine import BootEntry, Bus, Device, DeviceKind, Machine
from vmboot.vsphere.ourdisks import is_ours, media_on
from vmboot.vsphere.restore import plan_restore
from vmboot.vsphere.sameness import same_boot, same_order
from vmboot.vsphere.slots import Slot, disks, find_controller, occupants, slot_of, units

untimed = settings(deadline=None)
"""On a busy host a machine with 60 disks takes longer than the usual deadline."""


def planned(machine: Machine, *, disk_next: bool = False) -> SlotPlan:
    return plan_bdm(
        machine, file=BDM, datastore="datastore-1", media=BDM_MEDIA, disk_next=disk_next
    )


def applied(machine: Machine, *, disk_next: bool = False) -> Machine:
    return read_back(machine_after(machine, planned(machine, disk_next=disk_next).changes))


def strangers(machine: Machine) -> dict[str, Device]:
    found = (d for d in machine.hardware.devices if d.kind is DeviceKind.DISK)
    return {disk.file: disk for disk in found if not is_ours(disk, machine)}


@untimed
@given(disk_machines())
def test_a_refusal_says_why_and_what_to_do(found: Machine):
    plan = planned(found)

    event(f"refused: {plan.refused}")
    if plan.refused:
        assert plan.changes == ()
        assert all(problem.message and problem.hint for problem in plan.problems)


@untimed
@given(disk_machines())
def test_afterwards_our_disk_alone_is_at_a_first_place_and_boots_first(found: Machine):
    if planned(found).refused:
        return
    after = applied(found)
    ours = [d for d in after.hardware.devices if is_ours(d, after)]
    slot = slot_of(after.hardware, ours[0])

    assert [media_on(disk, after) for disk in ours] == [BDM_MEDIA]
    assert slot in (Slot(Bus.SCSI, 0, 0), Slot(Bus.NVME, 0, 0), Slot(Bus.SATA, 0, 0))
    assert after.boot_order[0] == BootEntry("disk", ours[0].key)
    assert after.media == BDM_MEDIA


@untimed
@given(disk_machines())
def test_a_nic_is_second_unless_quick_boot_is_off(found: Machine):
    if planned(found).refused:
        return
    after = applied(found)
    kept = [e for e in found.boot_order if e.kind != "disk"]

    if found.quick_boot is False:
        assert [e for e in after.boot_order if e.kind != "disk"] == kept
    else:
        assert after.boot_order[1].kind == "ethernet"
        assert {*kept} <= {*after.boot_order}


@untimed
@given(disk_machines())
def test_no_other_disk_is_lost_or_anything_but_moved(found: Machine):
    before, after = strangers(found), strangers(machine_after(found, planned(found).changes))

    assert before.keys() == after.keys()
    for file, disk in before.items():
        moved = after[file]
        assert replace(moved, controller=disk.controller, unit=disk.unit) == disk


@untimed
@given(disk_machines())
def test_every_device_has_a_place_of_its_own_that_its_controller_has(found: Machine):
    hardware = machine_after(found, planned(found).changes).hardware
    on_buses = [d for d in hardware.devices if d.kind is not DeviceKind.NIC]

    assert len(occupants(hardware)) == len(on_buses)
    for slot in disks(hardware):
        controller = find_controller(hardware, slot.bus, slot.number)
        assert controller is not None
        assert slot.unit in units(controller, hw_version=found.hw_version)
        assert (slot.bus, slot.unit) != (Bus.SCSI, 7)


@untimed
@given(disk_machines())
def test_each_change_finds_its_place_free_when_its_turn_comes(found: Machine):
    state = found
    for change in planned(found).changes:
        state = machine_after(state, (change,))
        on_buses = [d for d in state.hardware.devices if d.kind is not DeviceKind.NIC]
        assert len(occupants(state.hardware)) == len(on_buses)


@untimed
@given(disk_machines())
def test_only_disks_of_ours_are_ever_detached(found: Machine):
    ours = {d.key for d in found.hardware.devices if is_ours(d, found)}

    assert {c.key for c in planned(found).changes if isinstance(c, DetachDisk)} <= ours


@untimed
@given(disk_machines(), booleans())
def test_the_second_plan_is_empty(found: Machine, disk_next: bool):
    if not planned(found).refused:
        after = applied(found, disk_next=disk_next)
        again = planned(after, disk_next=disk_next)
        assert (again.changes, again.refused) == ((), False)


@untimed
@given(disk_machines())
def test_with_pxe_on_disk_a_disk_of_its_own_comes_before_every_nic(found: Machine):
    if planned(found).refused:
        return
    after = applied(found, disk_next=True)
    own = {disk.key for disk in strangers(after).values() if slot_of(after.hardware, disk)}

    event(f"disks of its own: {len(own)}")
    if own:
        assert after.boot_order[1].key in own
    assert {*applied(found).boot_order} <= {*after.boot_order}


@untimed
@given(disk_machines())
def test_restore_brings_the_very_machine_back(found: Machine):
    if planned(found).refused:
        return
    after = applied(found)
    restored = read_back(machine_after(after, plan_restore(after, found)))

    assert same_boot(found, restored) == ()
    assert strangers(restored).keys() == strangers(found).keys()
    assert {(c.bus, c.number, c.model) for c in restored.hardware.controllers} == {
        (c.bus, c.number, c.model) for c in found.hardware.controllers
    }
    assert plan_restore(restored, found) == ()


@untimed
@given(disk_machines())
def test_an_undo_can_be_undone(found: Machine):
    if planned(found).refused:
        return
    after = applied(found)
    restored = read_back(machine_after(after, plan_restore(after, found)))
    again = read_back(machine_after(restored, plan_restore(restored, after)))

    assert same_boot(after, again) == ()


@untimed
@given(disk_machines())
def test_the_predicted_order_is_what_the_server_has_afterwards(found: Machine):
    changes = planned(found).changes
    predicted = predict_boot_order(changes, found)
    after = applied(found)

    if predicted is not None:
        assert predicted.after == after.boot_order
        sent = [c for c in changes if not isinstance(c, SetBootOrder)]
        assert same_order(after, replace(after, boot_order=predicted.after))
        assert None not in predicted_keys(sent, found).values()


@untimed
@given(disk_machines())
def test_a_controller_is_added_only_where_there_was_none(found: Machine):
    for change in planned(found).changes:
        if isinstance(change, AddController):
            assert find_controller(found.hardware, change.bus, change.number) is None
            assert (change.bus, change.number) == (Bus.SCSI, 0)
