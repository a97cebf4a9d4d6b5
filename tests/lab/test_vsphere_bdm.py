"""Boot disks on the strict lab: in at 0:0, the old disk aside, and everything back as it was."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from pyVmomi import vim

from tests.lab.sdk import Client, wait
from tests.lab.sdk import connect as sdk_connect
from tests.lab.vsphere_lab import again, machine, machines, session_on, shape
from vmboot.lab import Vcenter
from vmboot.vsphere.bdmdisk import plan_bdm
from vmboot.vsphere.bootorder import defer_boot_order, predict_boot_order, rebase_boot_order
from vmboot.vsphere.cdrom import SlotPlan
from vmboot.vsphere.changes import AddDisk, Change, DetachDisk, MoveDevice, SetExtra
from vmboot.vsphere.effects import machine_after
from vmboot.vsphere.keys import predicted_key
from vmboot.vsphere.machine import BootEntry, Bus, DeviceKind, Machine, Power
from vmboot.vsphere.ourdisks import MEDIA_KEY, is_ours, media_of
from vmboot.vsphere.reconfigure import reconfigure_job
from vmboot.vsphere.restore import plan_restore
from vmboot.vsphere.sameness import same_boot
from vmboot.vsphere.session import Session
from vmboot.vsphere.tasks import run_window

pytestmark = pytest.mark.lab
NEW, OLD = "vmboot-boot-0123456789ab.vmdk", "vmboot-boot-aaaaaaaaaaaa.vmdk"
SIZE_KB = 8192


@pytest.fixture
def session(lab: Vcenter):
    with session_on(lab) as opened:
        yield opened


@pytest.fixture(scope="module")
def client(lab: Vcenter):
    with sdk_connect(lab) as opened:
        yield opened


def copy_for(client: Client, found: Machine, name: str) -> str:
    """A disk in the machine's own folder, made by hand."""
    path = f"{found.home}/{name}"
    spec = vim.VirtualDiskManager.FileBackedVirtualDiskSpec(
        diskType="thin", adapterType="lsiLogic", capacityKb=SIZE_KB
    )
    datacenter = client.find("/DC1")
    manager = client.content.virtualDiskManager
    wait(manager.CreateVirtualDisk_Task(name=path, datacenter=datacenter, spec=spec))
    return path


def planned(found: Machine, file: str) -> SlotPlan:
    return plan_bdm(found, file=file, datastore="", media=media_of(file))


def reconfigure(session: Session, found: Machine, changes: Iterable[Change]) -> Machine:
    (outcome,) = run_window(session, [reconfigure_job(found, tuple(changes))])
    assert outcome.ok, outcome.error
    return again(session, [found])[0]


def in_one_go(session: Session, found: Machine, changes: tuple[Change, ...]) -> Machine:
    """One reconfigure, with the boot order as foretold."""
    predicted = predict_boot_order(changes, found)
    rest, _ = defer_boot_order(changes, machine=found)
    return reconfigure(session, found, (*rest, *((predicted,) if predicted else ())))


def in_two_steps(session: Session, found: Machine, changes: tuple[Change, ...]) -> Machine:
    """The safe way: the boot order with the keys that the first reconfigure led to."""
    rest, order = defer_boot_order(changes, machine=found)
    now = reconfigure(session, found, rest)
    if order is None:
        return now
    rebased = rebase_boot_order(order, planned_on=found, now=now, changes=changes)
    return reconfigure(session, now, (rebased,)) if rebased else now


def devices(client: Client, found: Machine) -> dict[str, str]:
    """Every device as the API tells it, whole, by its label."""
    moref = vim.VirtualMachine(found.moid, client.si._stub)
    return {d.deviceInfo.label: str(d) for d in moref.config.hardware.device}


def disk_of(client: Client, found: Machine, file: str) -> Any:
    moref = vim.VirtualMachine(found.moid, client.si._stub)
    disks = (d for d in moref.config.hardware.device if isinstance(d, vim.vm.device.VirtualDisk))
    return next(disk for disk in disks if disk.backing.fileName == file)


@pytest.mark.parametrize("way", [in_one_go, in_two_steps], ids=lambda way: way.__name__)
def test_there_and_back_on_every_machine_that_is_off(session: Session, client: Client, way: Any):
    found = [m for m in machines(session, "/DC1/vm/PVS/**/pvs-*") if m.power is Power.OFF]
    moves = 0
    for before in found:
        whole = devices(client, before)
        name = f"vmboot-{way.__name__.replace('_', '-')}-0123456789ab.vmdk"
        plan = planned(before, copy_for(client, before, name))
        after = way(session, before, plan.changes)
        moves += any(isinstance(change, MoveDevice) for change in plan.changes)

        assert same_boot(machine_after(before, plan.changes), after) == (), before.path
        assert planned(after, f"{before.home}/{name}") == SlotPlan()
        (ours,) = (d for d in after.hardware.devices if is_ours(d, after))
        assert (ours.key, ours.unit, after.boot_order[0]) == (2000, 0, BootEntry("disk", 2000))
        assert ours.disk is not None
        assert ours.disk.capacity == SIZE_KB * 1024

        restored = way(session, after, plan_restore(after, before))
        assert shape([restored]) == shape([before]), before.path
        assert devices(client, restored) == whole

    assert len(found) > 10
    assert moves > 10


def test_keys_are_those_that_the_server_gives(session: Session):
    for found in machines(session, "/DC1/vm/**"):
        controllers = {c.key: c for c in found.hardware.controllers}
        for device in found.hardware.devices:
            if device.controller in controllers and device.unit is not None:
                controller = controllers[device.controller]
                assert predicted_key(controller, device.unit) == device.key, device


def test_the_moved_disk_keeps_its_limits_shares_and_mode(session: Session, client: Client):
    found = machine(session, "pvs-015")
    assert found.power is Power.OFF
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
    found = machine(session, "pvs-012")
    assert found.power is Power.OFF
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
    found = machine(session, "pvs-013")
    assert found.power is Power.OFF
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
    assert machine(session, "pvs-016").quick_boot is None


def test_a_machine_with_a_snapshot_keeps_its_disk_where_it_is(session: Session):
    (problem,) = planned(machine(session, "snap-01"), f"[shared-01] snap-01/{NEW}").problems

    assert "while there are snapshots" in problem.message
