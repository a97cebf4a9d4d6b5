"""Boot disks on the strict lab: in at 0:0, the old disk aside, and everything back as it was."""

from __future__ import annotations

from typing import Any

import pytest
from pyVmomi import vim

from tests.lab.sdk import Client
from tests.lab.sdk import connect as sdk_connect
from tests.lab.vsphere_bdmlab import (
    NEW,
    OLD,
    SIZE_KB,
    copy_for,
    devices,
    disk_of,
    in_one_go,
    in_two_steps,
    planned,
    reconfigure,
)
from tests.lab.vsphere_lab import again, machine, machines, session_on, shape
from vmboot.errors import AuthError
from vmboot.lab import Vcenter, start_vcenter
from vmboot.vsphere.bootorder import defer_boot_order
from vmboot.vsphere.cdrom import SlotPlan
from vmboot.vsphere.changes import AddDisk, Change, DetachDisk, MoveDevice, SetExtra
from vmboot.vsphere.effects import machine_after
from vmboot.vsphere.keys import predicted_key
from vmboot.vsphere.machine import BootEntry, Bus, DeviceKind, Machine, Power
from vmboot.vsphere.ourdisks import MEDIA_KEY, is_ours, media_of
from vmboot.vsphere.privileges import SETTINGS, needed_for
from vmboot.vsphere.reconfigure import reconfigure_job
from vmboot.vsphere.restore import plan_restore
from vmboot.vsphere.sameness import same_boot
from vmboot.vsphere.session import Session
from vmboot.vsphere.slots import slot_of
from vmboot.vsphere.tasks import run_window

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def lab(lab_binary):
    """Disks on controllers of every kind, on datastores of every kind."""
    with start_vcenter(vms=48, templates=2, disks=True, binary=lab_binary) as vcenter:
        yield vcenter


@pytest.fixture
def session(lab: Vcenter):
    with session_on(lab) as opened:
        yield opened


@pytest.fixture(scope="module")
def client(lab: Vcenter):
    with sdk_connect(lab) as opened:
        yield opened


def plain(session: Session, index: int) -> Machine:
    """One of the machines that are off, with one disk, at SCSI 0:0."""
    fitting = []
    for found in machines(session, "/DC1/vm/PVS/**/pvs-*"):
        disks = [d for d in found.hardware.devices if d.kind is DeviceKind.DISK]
        slots = [str(slot_of(found.hardware, disk)) for disk in disks]
        if found.power is Power.OFF and slots == ["SCSI 0:0"]:
            fitting.append(found)
    return fitting[index]


@pytest.mark.parametrize("way", [in_one_go, in_two_steps], ids=lambda way: way.__name__)
def test_there_and_back_on_every_machine_that_is_off(session: Session, client: Client, way: Any):
    found = [m for m in machines(session, "/DC1/vm/PVS/**/pvs-*") if m.power is Power.OFF]
    moves, added, buses = 0, 0, set[Bus]()
    for before in found:
        whole = devices(client, before)
        name = f"vmboot-{way.__name__.replace('_', '-')}-0123456789ab.vmdk"
        plan = planned(before, copy_for(client, before, name))
        after = way(session, before, plan.changes)
        moves += any(isinstance(change, MoveDevice) for change in plan.changes)

        assert same_boot(machine_after(before, plan.changes), after) == (), before.path
        assert planned(after, f"{before.home}/{name}") == SlotPlan()
        (ours,) = (d for d in after.hardware.devices if is_ours(d, after))
        slot = slot_of(after.hardware, ours)
        assert slot is not None
        assert (slot.number, slot.unit) == (0, 0)
        assert after.boot_order[0] == BootEntry("disk", ours.key)
        buses.add(slot.bus)
        added += len(after.hardware.controllers) - len(before.hardware.controllers)
        assert ours.disk is not None
        assert ours.disk.capacity == SIZE_KB * 1024

        restored = way(session, after, plan_restore(after, before))
        assert shape([restored]) == shape([before]), before.path
        assert devices(client, restored) == whole

    assert len(found) > 10
    assert moves > 10
    assert added > 2
    assert buses == {Bus.SCSI, Bus.SATA, Bus.NVME}


def test_keys_are_those_that_the_server_gives(session: Session):
    for found in machines(session, "/DC1/vm/**"):
        controllers = {c.key: c for c in found.hardware.controllers}
        for device in found.hardware.devices:
            if device.controller in controllers and device.unit is not None:
                controller = controllers[device.controller]
                assert predicted_key(controller, device.unit) == device.key, device


def test_the_moved_disk_keeps_its_limits_shares_and_mode(session: Session, client: Client):
    found = plain(session, 0)
    (file,) = (d.file for d in found.hardware.devices if d.kind is DeviceKind.DISK)
    disk = disk_of(client, found, file)
    disk.storageIOAllocation = vim.StorageResourceManager.IOAllocationInfo(
        limit=750, shares=vim.SharesInfo(level="custom", shares=1500)
    )
    disk.backing.diskMode = "independent_persistent"
    edit = vim.vm.device.VirtualDeviceSpec(operation="edit", device=disk)
    client.reconfigure(vim.VirtualMachine(found.moid, client.si._stub), edit)
    (before,) = again(session, [found])
    plan = planned(before, copy_for(client, before, NEW))
    after = in_one_go(session, before, plan.changes)
    moved = disk_of(client, after, file)

    assert moved.unitNumber == 1
    assert moved.storageIOAllocation.limit == 750
    assert moved.storageIOAllocation.shares.shares == 1500
    assert moved.backing.diskMode == "independent_persistent"
    in_one_go(session, after, plan_restore(after, before))
    assert disk_of(client, after, file).storageIOAllocation.limit == 750


def test_a_newer_disk_takes_the_place_of_an_older_one_and_back(session: Session, client: Client):
    found = plain(session, 1)
    first = planned(found, copy_for(client, found, OLD))
    before = in_one_go(session, found, first.changes)
    plan = planned(before, copy_for(client, before, NEW))
    after = in_one_go(session, before, plan.changes)

    assert isinstance(plan.changes[0], DetachDisk)
    assert not any(isinstance(change, MoveDevice) for change in plan.changes)
    assert after.media == media_of(NEW)
    back = in_one_go(session, after, plan_restore(after, before))
    assert same_boot(before, back) == ()
    assert back.media == media_of(OLD)
    assert same_boot(found, in_one_go(session, back, plan_restore(back, found))) == ()


def test_one_at_the_wrong_unit_is_moved_to_the_first(session: Session, client: Client):
    found = plain(session, 2)
    file = copy_for(client, found, NEW)
    (controller,) = (c for c in found.hardware.controllers if c.bus is Bus.SCSI)
    wrong = reconfigure(session, found, [AddDisk(-1, controller.key, 1, file)])
    plan = planned(wrong, file)

    assert [problem.message for problem in plan.problems] == [
        "the BDM disk sits at SCSI 0:1; the firmware boots only SCSI 0:0"
    ]
    right = in_one_go(session, wrong, plan.changes)
    assert planned(right, file) == SlotPlan()
    assert same_boot(wrong, in_one_go(session, right, plan_restore(right, wrong))) == ()


def test_a_name_in_extra_config_comes_and_goes(session: Session):
    found = machine(session, "pvs-014")
    named = reconfigure(session, found, [SetExtra(MEDIA_KEY, "", "boot 0123456789ab")])
    assert named.media == "boot 0123456789ab"
    assert reconfigure(session, named, [SetExtra(MEDIA_KEY, named.media, "")]).media == ""


def test_quick_boot_switched_off_is_read(session: Session, lab: Vcenter):
    lab.edit("pvs-017", extra_config={"efi.quickBoot.enabled": "FALSE"})

    assert machine(session, "pvs-017").quick_boot is False
    assert machine(session, "pvs-018").quick_boot is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("full-01", "no SCSI unit is free"),
        ("rdm-01", "raw device mapping"),
        ("mw-01", "multi-writer"),
        ("clone-01", "linked clone"),
        ("snap-01", "while there are snapshots"),
        ("disk-snap-01", "while there are snapshots"),
        ("crypt-01", "encrypted"),
        ("ft-01", "fault tolerance"),
    ],
)
def test_refusals(session: Session, name: str, words: str):
    found = machine(session, name)
    plan = planned(found, f"{found.home}/{NEW}")

    assert plan.refused
    assert [words in problem.message for problem in plan.problems] == [True]


def test_nothing_we_say_is_needed_is_superfluous(session: Session, client: Client, lab: Vcenter):
    """Without any one of the privileges the vCenter refuses, on the way there and back."""
    before = plain(session, 3)
    plan = planned(before, copy_for(client, before, NEW))
    _refused_without_any(session, lab, before, plan.changes)
    after = in_one_go(session, before, plan.changes)
    _refused_without_any(session, lab, after, plan_restore(after, before))
    in_one_go(session, after, plan_restore(after, before))


def _refused_without_any(
    session: Session, lab: Vcenter, found: Machine, changes: tuple[Change, ...]
) -> None:
    needed = needed_for(changes)
    assert len(needed) == 4
    rest, _ = defer_boot_order(changes, machine=found)
    for privilege in sorted(needed - {SETTINGS}):
        lab.withhold_privilege(found.path, privilege)
        (outcome,) = run_window(session, [reconfigure_job(found, rest)])
        lab.grant_privileges()
        assert isinstance(outcome.error, AuthError), privilege
        assert privilege in outcome.error.message


@pytest.mark.parametrize("name", ["run-01", "susp-01"])
def test_what_is_not_off_has_to_wait(session: Session, name: str):
    found = machine(session, name)
    plan = planned(found, f"{found.home}/{NEW}")

    assert plan.powered_off_only
    assert not plan.refused
