"""Disks on every controller: slots, keys, locks, snapshots, encryption, policies, space."""

from __future__ import annotations

import pytest
from pyVmomi import vim, vmodl

from tests.lab.sdk import (
    add,
    boot,
    boot_words,
    devices,
    disk_of,
    edit,
    moved,
    new_disk,
    refused,
    remove,
    wait,
)
from vmboot.lab import start_vcenter

BadDevice = vim.fault.InvalidDeviceSpec
BadOperation = vim.fault.InvalidDeviceOperation
FileLocked = vim.fault.FileLocked
Order = vim.vm.BootOptions
MIB = 1 << 20
BOOT = "[shared-01] own/boot.vmdk"


@pytest.fixture(scope="module")
def lab(lab_binary):
    """One with disks of every kind, instead of the ordinary one."""
    with start_vcenter(vms=30, templates=2, disks=True, binary=lab_binary) as vcenter:
        yield vcenter


@pytest.fixture(scope="module")
def dc(client):
    return client.find("/DC1")


@pytest.fixture(scope="module")
def disks(client):
    return client.content.virtualDiskManager


@pytest.fixture(scope="module", autouse=True)
def boot_disk(client, dc, disks):
    """A disk of 8 MiB that belongs to no VM."""
    client.content.fileManager.MakeDirectory("[shared-01] own", dc, False)
    wait(disks.CreateVirtualDisk_Task(BOOT, dc, file_spec(8 * MIB)))
    assert client.file("PUT", "own/boot-flat.vmdk", body=b"boot" * (2 * MIB)).status == 200


def file_spec(size, kind="thin"):
    return vim.VirtualDiskManager.FileBackedVirtualDiskSpec(
        diskType=kind, adapterType="lsiLogic", capacityKb=size // 1024
    )


def copy_of(dc, disks, name):
    """A copy of the boot disk for one test."""
    path = f"[shared-01] own/{name}.vmdk"
    wait(disks.CopyVirtualDisk_Task(BOOT, dc, path, dc))
    return path


CONTROLLERS = [
    ("pvs-001", vim.vm.device.ParaVirtualSCSIController, 1000, 2000, 1, 2001),
    ("pvs-003", vim.vm.device.VirtualLsiLogicSASController, 1000, 2000, 5, 2005),
    ("pvs-005", vim.vm.device.VirtualLsiLogicController, 1000, 2000, 8, 2008),
    ("pvs-007", vim.vm.device.VirtualBusLogicController, 1000, 2000, 2, 2002),
    ("pvs-009", vim.vm.device.VirtualAHCIController, 15000, 16000, 29, 16029),
    ("pvs-029", vim.vm.device.VirtualNVMEController, 31000, 32000, 14, 32014),
]


@pytest.mark.parametrize(("name", "kind", "controller", "key", "unit", "then"), CONTROLLERS)
def test_boot_disk_takes_slot_0_of_every_controller(
    client, dc, disks, name, kind, controller, key, unit, then
):
    """key-follows-slot: the occupant moves and ours comes, in one call and in this order."""
    vm = client.vm(name)
    assert [c.key for c in devices(vm, kind)][:1] == [controller]
    old, ours = disk_of(vm), copy_of(dc, disks, f"for-{name}")
    assert (old.key, old.unitNumber, old.controllerKey) == (key, 0, controller)
    first, second = edit(moved(old, unit)), add(new_disk(controller, 0, ours))
    order = [Order.BootableDiskDevice(deviceKey=key), Order.BootableDiskDevice(deviceKey=then)]
    client.reconfigure(vm, first, second, bootOptions=boot(bootOrder=order))
    files = {d.key: d.backing.fileName for d in devices(vm, vim.vm.device.VirtualDisk)}
    assert files[key] == ours
    assert files[then] == old.backing.fileName
    assert boot_words(vm) == [f"disk {key}", f"disk {then}"]


def test_ide_disks(client, dc, disks):
    vm = client.vm("pvs-011")
    ours = copy_of(dc, disks, "ide")
    client.reconfigure(vm, edit(moved(disk_of(vm), 0, 201)), add(new_disk(200, 0, ours)))
    keys = {d.key: d.backing.fileName for d in devices(vm, vim.vm.device.VirtualDisk)}
    assert keys == {3000: ours, 3002: f"{keys[3002].partition(']')[0]}] pvs-011/pvs-011.vmdk"}


def test_two_disks_in_one_unit(lab, client, dc, disks):
    vm, ours = client.vm("run-01"), copy_of(dc, disks, "twice")
    client.power(vm, on=False)
    with refused(lab, "unit-taken", BadDevice):
        client.reconfigure(vm, add(new_disk(1000, 0, ours)))
    with refused(lab, "unit-taken", BadDevice):  # the reverse order
        client.reconfigure(vm, add(new_disk(1000, 0, ours)), edit(moved(disk_of(vm), 1)))
    client.power(vm, on=True)


def test_full_controller_has_no_unit(lab, client, dc, disks):
    vm, ours = client.vm("full-01"), copy_of(dc, disks, "full")
    with refused(lab, "edit-complete", BadDevice):
        client.reconfigure(vm, add(new_disk(1000, None, ours)))
    with refused(lab, "unit-range", BadDevice):
        client.reconfigure(vm, edit(moved(disk_of(vm), 16)), add(new_disk(1000, 0, ours)))


def test_machine_without_controller_gets_one_with_its_disk(client, dc, disks):
    vm, ours = client.vm("pvs-015"), copy_of(dc, disks, "first")
    assert not devices(vm, vim.vm.device.VirtualDisk)
    assert not devices(vm, vim.vm.device.VirtualSCSIController)
    scsi = vim.vm.device.ParaVirtualSCSIController(key=-7, busNumber=0, sharedBus="noSharing")
    client.reconfigure(vm, add(scsi), add(new_disk(-7, 0, ours)))
    assert (disk_of(vm).key, disk_of(vm).capacityInBytes) == (2000, 8 * MIB)


def test_predicted_keys_may_be_refused(lab, client, dc, disks):
    """boot-key: some servers know the keys of a call only after it."""
    vm, ours = client.vm("rdm-01"), copy_of(dc, disks, "predicted")
    lab.switch(refuse_predicted_keys=True)
    try:
        order = boot(bootOrder=[Order.BootableDiskDevice(deviceKey=2001)])
        with refused(lab, "boot-key", vmodl.fault.InvalidArgument):
            client.reconfigure(vm, add(new_disk(1000, 1, ours)), bootOptions=order)
        client.reconfigure(vm, add(new_disk(1000, 1, ours)))
        client.reconfigure(vm, bootOptions=order)
        assert boot_words(vm) == ["disk 2001"]
    finally:
        lab.switch(refuse_predicted_keys=False)


def test_raw_device_moves_and_stays_raw(client):
    vm = client.vm("rdm-01")
    before = disk_of(vm).backing
    assert before.compatibilityMode == "physicalMode"
    client.reconfigure(vm, edit(moved(disk_of(vm), 4)))
    disk = next(d for d in devices(vm, vim.vm.device.VirtualDisk) if d.unitNumber == 4)
    assert (disk.key, disk.backing.lunUuid) == (2004, before.lunUuid)


def test_linked_clone_moves_with_its_parent(lab, client, dc, disks):
    vm = client.vm("clone-01")
    parent = disk_of(vm).backing.parent.fileName
    assert parent == "[shared-01] clone-base/clone-base.vmdk"
    client.reconfigure(vm, edit(moved(disk_of(vm), 4)))
    assert disk_of(vm).backing.parent.fileName == parent
    with refused(lab, "disk-attached", FileLocked):
        wait(disks.DeleteVirtualDisk_Task(parent, dc))


@pytest.mark.parametrize("change", ["move", "remove"])
def test_delta_of_a_snapshot_stays(lab, client, change):
    vm = client.vm("disk-snap-01")
    disk = disk_of(vm)
    assert disk.backing.fileName.endswith("-000001.vmdk")
    with refused(lab, "snapshot-disk", BadOperation):
        client.reconfigure(vm, edit(moved(disk, 1)) if change == "move" else remove(disk))


def test_encrypted_machine_takes_no_plain_disk(lab, client, dc, disks):
    vm, ours = client.vm("crypt-01"), copy_of(dc, disks, "plain")
    with refused(lab, "encrypted-plain", BadOperation):
        client.reconfigure(vm, edit(moved(disk_of(vm), 1)), add(new_disk(1000, 0, ours)))
    assert disk_of(vm).unitNumber == 0
    client.reconfigure(vm, edit(moved(disk_of(vm), 1)))
    assert disk_of(vm).backing.keyId.keyId == "lab-key-1"


def test_fault_tolerant_machine_keeps_its_devices(lab, client):
    vm = client.vm("ft-01")
    assert vm.runtime.faultToleranceState == "enabled"
    with refused(lab, "fault-tolerant", vmodl.fault.NotSupported):
        client.reconfigure(vm, edit(moved(disk_of(vm), 1)))
    client.reconfigure(vm, annotation="a note may change")


def test_suspended_machine_is_neither_on_nor_off(lab, client):
    vm = client.vm("susp-01")
    assert vm.runtime.powerState == "suspended"
    with refused(lab, "destroy-off", vim.fault.InvalidPowerState):
        vm.Destroy_Task()
    with refused(lab, "suspended", vim.fault.InvalidPowerState):
        client.reconfigure(vm, edit(moved(disk_of(vm), 1)))


def test_disk_of_a_running_machine_stays_where_it_is(lab, client, dc, disks):
    vm = client.vm("run-01")
    name = disk_of(vm).backing.fileName
    with refused(lab, "live-slot", vim.fault.InvalidPowerState):
        client.reconfigure(vm, edit(moved(disk_of(vm), 1)))
    target = "[shared-01] own/locked.vmdk"
    for task in (
        lambda: disks.DeleteVirtualDisk_Task(name, dc),
        lambda: disks.MoveVirtualDisk_Task(name, dc, target, dc),
        lambda: disks.CopyVirtualDisk_Task(name, dc, target, dc),  # its writer has it locked
    ):
        with refused(lab, "file-in-use", FileLocked):
            wait(task())
    assert client.file("PUT", "run-01/run-01-flat.vmdk", body=b"x").status == 500
    with refused(lab, "disk-new", vim.fault.FileAlreadyExists):
        wait(disks.CopyVirtualDisk_Task(BOOT, dc, name, dc, None, True))


def test_second_machine_may_have_a_disk_but_not_open_it(lab, client, dc, disks):
    """disk-exclusive (KB 313527): configured, yes; powered on, no; hot-added, no."""
    running, other = client.vm("run-01"), client.vm("iops-01")
    name = disk_of(running).backing.fileName
    client.reconfigure(other, add(new_disk(1000, 9, name)))
    with refused(lab, "disk-exclusive", FileLocked):
        client.power(other, on=True)
    added = next(d for d in devices(other, vim.vm.device.VirtualDisk) if d.unitNumber == 9)
    with refused(lab, "disk-exclusive", FileLocked):
        client.reconfigure(other, remove(added, "destroy"))
    client.reconfigure(other, remove(added))
    client.power(other, on=True)
    with refused(lab, "disk-exclusive", FileLocked):
        client.reconfigure(other, add(new_disk(1000, 9, name)))
    client.power(other, on=False)


def test_machine_cannot_open_one_disk_twice(lab, client):
    """disk-exclusive: the lock that it took the first time is in its way."""
    vm = client.vm("wrong-01")
    name = disk_of(vm).backing.fileName
    client.reconfigure(vm, add(new_disk(1000, 9, name)))
    with refused(lab, "disk-exclusive", FileLocked):
        client.power(vm, on=True)
    client.reconfigure(vm, remove(disk_of(vm, 2)))
    client.power(vm, on=True)
    with refused(lab, "disk-exclusive", FileLocked):
        client.reconfigure(vm, add(new_disk(1000, 9, name)))
    client.power(vm, on=False)


def test_multi_writers_share_a_disk(lab, client):
    one, two = client.vm("mw-01"), client.vm("mw-02")
    assert disk_of(one).backing.fileName == disk_of(two).backing.fileName
    client.power(one, on=True)
    client.power(two, on=True)
    client.power(two, on=False)
    disk = disk_of(two)
    disk.backing.sharing = "sharingNone"
    client.reconfigure(two, edit(disk))
    with refused(lab, "disk-exclusive", FileLocked):
        client.power(two, on=True)
    client.power(one, on=False)


def test_capacity_of_an_existing_disk_is_its_own(lab, client, dc, disks):
    vm, ours = client.vm("wrong-01"), copy_of(dc, disks, "capacity")
    for wrong in (4096, 16384):
        with refused(lab, "disk-capacity", BadDevice):
            client.reconfigure(vm, add(new_disk(1000, 2, ours, kib=wrong)))
    client.reconfigure(vm, add(new_disk(1000, 2, ours, kib=8192)))


@pytest.mark.parametrize("text", ['RW 0 VMFS "boot-flat.vmdk"', 'RW 64 VMFS "zero-flat.vmdk"'])
def test_disk_without_bytes_is_none(lab, client, text):
    """disk-valid"""
    client.file("PUT", "own/zero-flat.vmdk", body=b"")
    client.file("PUT", "own/zero.vmdk", body=f"# Disk DescriptorFile\n{text}\n".encode())
    with refused(lab, "disk-valid", vim.fault.InvalidDiskFormat):
        client.reconfigure(
            client.vm("wrong-01"), add(new_disk(1000, 3, "[shared-01] own/zero.vmdk"))
        )


def test_edit_sets_what_it_leaves_out_to_the_default(client):
    """edit-replaces: an edited device is fully specified; a moved one keeps all that was sent."""
    vm = client.vm("iops-01")
    disk = disk_of(vm)
    allocation = disk.storageIOAllocation
    assert (allocation.limit, allocation.shares.shares) == (500, 1500)
    client.reconfigure(vm, edit(moved(disk, 3)))
    disk = disk_of(vm)
    assert (disk.storageIOAllocation.limit, disk.backing.diskMode) == (
        500,
        "independent_persistent",
    )
    disk.storageIOAllocation = None
    client.reconfigure(vm, edit(moved(disk, 0)))
    assert disk_of(vm).storageIOAllocation is None


def test_policy_is_lost_when_a_disk_is_removed_and_added(lab, client):
    """disk-policy"""
    vm = client.vm("iops-01")
    disk = disk_of(vm)
    name = disk.backing.fileName
    policy = lab.disks()[name].policy
    assert policy
    client.reconfigure(vm, edit(moved(disk, 1)))
    assert lab.disks()[name].policy == policy
    client.reconfigure(vm, remove(disk_of(vm)))
    client.reconfigure(vm, add(new_disk(1000, 0, name)))
    assert not lab.disks()[name].policy


def test_copies_have_size_and_bytes_of_their_source(lab, client, dc, disks):
    name = copy_of(dc, disks, "same")
    found = lab.disks()
    assert found[name].digest == found[BOOT].digest
    assert found[name].capacity == 8 * MIB
    body = client.file("GET", "own/same-flat.vmdk").content
    assert body == b"boot" * (2 * MIB)
    wait(disks.MoveVirtualDisk_Task(name, dc, "[shared-02] same.vmdk", dc))
    found = lab.disks()
    assert name not in found
    assert found["[shared-02] same.vmdk"].digest == found[BOOT].digest


def free(client, name="shared-01"):
    store = next(ds for ds in client.find("/DC1").datastore if ds.name == name)
    return store.summary.freeSpace


def test_space_is_taken_and_given_back(client, dc, disks):
    """space: thin is what is allocated, thick the capacity, a file its size, in blocks of 1 MiB."""
    before = free(client)
    thin, thick = "[shared-01] own/thin.vmdk", "[shared-01] own/thick.vmdk"
    wait(disks.CreateVirtualDisk_Task(thin, dc, file_spec(64 * MIB)))
    assert free(client) == before
    wait(disks.CreateVirtualDisk_Task(thick, dc, file_spec(64 * MIB, "preallocated")))
    assert free(client) == before - 64 * MIB
    name = copy_of(dc, disks, "eight")
    assert free(client) == before - 72 * MIB
    client.file("PUT", "own/some.iso", body=bytes(MIB + 1))
    assert free(client) == before - 74 * MIB
    for path in (thin, thick, name):
        wait(disks.DeleteVirtualDisk_Task(path, dc))
    client.file("DELETE", "own/some.iso")
    assert free(client) == before


def test_datastore_is_full_at_an_exact_copy(lab, client, dc, disks):
    before = free(client)
    lab.datastore("shared-01", free_mib=3 * 8)
    try:
        for number in range(3):
            copy_of(dc, disks, f"fits-{number}")
        with refused(lab, "space", vim.fault.NoDiskSpace):
            copy_of(dc, disks, "one-too-many")
        assert client.file("HEAD", "own/one-too-many.vmdk").status == 404
        assert free(client) == 0
    finally:
        lab.datastore("shared-01", free_mib=before // MIB)


@pytest.mark.parametrize(
    "method",
    [
        "CopyVirtualDisk_Task",
        "MoveVirtualDisk_Task",
        "DeleteVirtualDisk_Task",
        "CreateVirtualDisk_Task",
    ],
)
def test_faults_strike_disk_tasks(lab, client, dc, disks, method):
    lab.reset_counters()
    other = "[shared-01] own/struck.vmdk"
    arguments = {
        "CopyVirtualDisk_Task": (BOOT, dc, other, dc),
        "MoveVirtualDisk_Task": (BOOT, dc, other, dc),
        "DeleteVirtualDisk_Task": (BOOT, dc),
        "CreateVirtualDisk_Task": (other, dc, file_spec(MIB)),
    }[method]
    lab.fault("task-fails", method=method, fault="FileLocked")
    with pytest.raises(FileLocked):
        wait(getattr(disks, method)(*arguments))
    assert client.file("HEAD", "own/struck.vmdk").status == 404
    assert lab.counters().writes[method] == 1


def test_fault_strikes_the_copy_for_one_machine(lab, dc, disks):
    lab.fault("disk-full", method="CopyVirtualDisk_Task", vm="pvs-001")
    wait(disks.CopyVirtualDisk_Task(BOOT, dc, "[shared-01] pvs-003/copy.vmdk", dc))
    copy = (BOOT, dc, "[shared-01] pvs-001/copy.vmdk", dc)
    with pytest.raises(vim.fault.NoDiskSpace):
        wait(disks.CopyVirtualDisk_Task(*copy))
    wait(disks.CopyVirtualDisk_Task(*copy))  # it struck once


def test_extra_config_is_set_and_removed_by_key(client):
    vm = client.vm("pvs-001")
    before = {o.key: o.value for o in vm.config.extraConfig}

    def put(**values):
        options = [
            vim.option.OptionValue(key=k.replace("_", "."), value=v) for k, v in values.items()
        ]
        client.reconfigure(vm, extraConfig=options)

    put(vmboot_media="boot 0123456789ab", another="1")
    now = {o.key: o.value for o in vm.config.extraConfig}
    assert now == {**before, "vmboot.media": "boot 0123456789ab", "another": "1"}
    put(vmboot_media="", another="")
    assert {o.key: o.value for o in vm.config.extraConfig} == before


def test_child_is_not_copied(lab, dc, disks):
    """spec-known: a vCenter would merge it with its parents."""
    child = "[shared-01] clone-01/clone-01-000001.vmdk"
    with refused(lab, "spec-known", vmodl.fault.NotSupported):
        wait(disks.CopyVirtualDisk_Task(child, dc, "[shared-01] own/merged.vmdk", dc))


def test_copies_are_apart(client, dc, disks):
    """What is uploaded onto one copy shows in no other."""
    one, two = copy_of(dc, disks, "apart-1"), copy_of(dc, disks, "apart-2")
    client.file("PUT", "own/apart-1-flat.vmdk", body=bytes(8 * MIB))
    extents = [path.replace(".vmdk", "-flat.vmdk") for path in (one, two)]
    files = client.content.fileManager
    wait(
        files.CopyDatastoreFile_Task(BOOT.replace(".vmdk", "-flat.vmdk"), dc, extents[0], dc, True)
    )
    wait(files.CopyDatastoreFile_Task("[shared-01] own/boot.vmdk", dc, extents[0], dc, True))
    assert client.file("GET", "own/apart-2-flat.vmdk").content == b"boot" * (2 * MIB)
    assert client.file("GET", "own/boot-flat.vmdk").content == b"boot" * (2 * MIB)
