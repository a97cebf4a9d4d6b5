"""Slots, keys, controllers, disks and media: what the lab refuses and the simulator would not."""

from __future__ import annotations

import pytest
from pyVmomi import vim, vmodl

from tests.lab.sdk import (
    OTHER_ISO,
    add,
    cd_of,
    devices,
    disk_of,
    edit,
    iso,
    moved,
    new_cd,
    new_disk,
    nic_of,
    refused,
    remove,
)
from tests.soap import dump

BadDevice = vim.fault.InvalidDeviceSpec
BadOperation = vim.fault.InvalidDeviceOperation
FileNotFound = vim.fault.FileNotFound
SPARE = "[shared-01] spare/spare.vmdk"


@pytest.fixture(scope="module", autouse=True)
def spare_disk(client):
    """A disk that belongs to no VM."""
    dc = client.find("/DC1")
    client.content.fileManager.MakeDirectory("[shared-01] spare", dc, False)
    client.file("PUT", "spare/spare-flat.vmdk", body=bytes(1 << 20))
    text = '# Disk DescriptorFile\nversion=1\ncreateType="vmfs"\nRW 2048 VMFS "spare-flat.vmdk"\n'
    client.file("PUT", "spare/spare.vmdk", body=text.encode())


@pytest.mark.parametrize("unit", [1, 15, 63])
def test_disk_moves_and_gets_the_key_of_its_slot(client, unit):
    """key-follows-slot: this is no refusal, so its proof is the key."""
    vm = client.vm("pvs-004")  # PVSCSI on hardware version 16: 64 units
    client.reconfigure(vm, edit(moved(disk_of(vm), unit)))
    assert disk_of(vm).unitNumber == unit
    assert disk_of(vm).key != 2000
    client.reconfigure(vm, edit(moved(disk_of(vm), 0)))
    assert disk_of(vm).key == 2000


@pytest.mark.parametrize(
    ("unit", "rule"),
    [(7, "unit-reserved"), (64, "unit-range"), (-1, "unit-range"), (40, "unit-range")],
)
def test_units_that_do_not_exist(lab, client, unit, rule):
    vm = client.vm("pvs-001" if unit == 40 else "pvs-004")  # hardware version 13 has 16 units
    with refused(lab, rule, BadDevice):
        client.reconfigure(vm, edit(moved(disk_of(vm), unit)))


@pytest.mark.parametrize(
    ("controller", "unit"), [(200, 2), (15000, 30), (15000, -7)], ids=["ide", "sata", "negative"]
)
def test_cd_units_end(lab, client, controller, unit):
    vm = client.vm("pvs-013")  # IDE CD, SATA controller with a second CD
    with refused(lab, "unit-range", BadDevice):
        client.reconfigure(vm, edit(moved(cd_of(vm), unit, controller)))


def test_taken_unit_by_edit(lab, client):
    vm = client.vm("pvs-013")
    first = cd_of(vm)
    with refused(lab, "unit-taken", BadDevice):
        client.reconfigure(vm, edit(moved(first, 1, 15000)))


def test_taken_unit_by_add(lab, client):
    vm = client.vm("pvs-001")
    with refused(lab, "unit-taken", BadDevice):
        client.reconfigure(vm, add(new_cd(200, 0)))


def test_taken_unit_of_another_kind(lab, client):
    """A disk takes a slot for a CD-ROM drive, too."""
    vm = client.vm("pvs-009")  # disk at IDE 0:0, CD at 0:1
    with refused(lab, "unit-taken", BadDevice):
        client.reconfigure(vm, add(new_cd(200, 0)))


def test_swap_order_matters(lab, client):
    vm = client.vm("pvs-009")
    disk, cd = disk_of(vm, 1), cd_of(vm)
    disk.controllerKey, disk.unitNumber = 201, 0
    with refused(lab, "unit-taken", BadDevice):
        client.reconfigure(vm, edit(moved(cd, 0)), edit(disk))
    client.reconfigure(vm, edit(disk), edit(moved(cd, 0)))
    assert (cd_of(vm).key, disk_of(vm, 1).key) == (3000, 3002)
    client.reconfigure(vm, edit(moved(cd_of(vm), 1)), edit(moved(disk_of(vm, 1), 0, 200)))
    assert (cd_of(vm).key, disk_of(vm, 1).key) == (3001, 3000)


def test_new_cd_and_sata_controller_in_one_spec(client):
    vm = client.vm("pvs-008")  # UEFI without CD and without SATA
    sata = vim.vm.device.VirtualAHCIController(key=-9, busNumber=0)
    client.reconfigure(vm, add(sata), add(new_cd(-9, 0, OTHER_ISO)))
    cd = cd_of(vm)
    assert (cd.key, cd.controllerKey, cd.unitNumber) == (16000, 15000, 0)
    assert cd.deviceInfo.label == "CD/DVD drive 1"
    assert cd.backing.datastore.name == "shared-01"
    client.reconfigure(vm, remove(cd), remove(devices(vm, vim.vm.device.VirtualAHCIController)[0]))
    assert not devices(vm, vim.vm.device.VirtualAHCIController)


@pytest.mark.parametrize("controller", [1000, 100, 4711, -9], ids=["scsi", "pci", "none", "new"])
def test_cd_needs_a_controller_of_its_kind(lab, client, controller):
    with refused(lab, "controller-exists", BadDevice):
        client.reconfigure(client.vm("pvs-007"), add(new_cd(controller, 3)))


@pytest.mark.parametrize("number", [0, 4], ids=["taken", "range"])
def test_bus_numbers(lab, client, number):
    sata = vim.vm.device.VirtualAHCIController(key=-9, busNumber=number)
    with refused(lab, "bus-taken", BadDevice):
        client.reconfigure(client.vm("pvs-004"), add(sata))


def test_base_controllers_stay(lab, client):
    vm = client.vm("pvs-007")
    ide = vim.vm.device.VirtualIDEController
    with refused(lab, "base-controller", BadDevice):
        client.reconfigure(vm, add(ide(key=-9, busNumber=2)))
    with refused(lab, "base-controller", BadDevice):
        client.reconfigure(vm, remove(devices(vm, ide)[1]))


def test_controller_with_devices_stays(lab, client):
    vm = client.vm("pvs-004")
    with refused(lab, "controller-in-use", BadOperation):
        client.reconfigure(vm, remove(devices(vm, vim.vm.device.VirtualAHCIController)[0]))


@pytest.mark.parametrize("operation", [edit, remove])
def test_device_exists(lab, client, operation):
    vm = client.vm("pvs-001")
    cd = cd_of(vm)
    cd.key = 3003
    with refused(lab, "device-exists", BadDevice):
        client.reconfigure(vm, operation(cd))


@pytest.mark.parametrize("lacks", ["controllerKey", "unitNumber", "backing"])
def test_edit_is_fully_specified(lab, client, lacks):
    vm = client.vm("pvs-001")
    cd = cd_of(vm)
    setattr(cd, lacks, None)
    with refused(lab, "edit-complete", BadDevice):
        client.reconfigure(vm, edit(cd))


def test_edit_keeps_the_type(lab, client):
    vm = client.vm("pvs-001")
    disk = new_disk(1000, 0, SPARE)
    disk.key = cd_of(vm).key
    with refused(lab, "edit-same-type", BadDevice):
        client.reconfigure(vm, edit(disk))


def test_nic_edit_keeps_address_and_slot(client):
    vm = client.vm("pvs-001")
    nic = nic_of(vm)
    mac, nic.macAddress, nic.connectable.startConnected = nic.macAddress, None, False
    client.reconfigure(vm, edit(nic))
    assert (nic_of(vm).macAddress, nic_of(vm).key) == (mac, 4000)
    assert not nic_of(vm).connectable.startConnected


@pytest.mark.parametrize("name", ["iso/missing.iso", "iso"], ids=["missing", "directory"])
def test_iso_exists(lab, client, name):
    vm = client.vm("pvs-001")
    cd = cd_of(vm)
    cd.backing = iso(f"[shared-01] {name}")
    with refused(lab, "iso-exists", FileNotFound):
        client.reconfigure(vm, edit(cd))
    with refused(lab, "iso-exists", FileNotFound):
        client.reconfigure(client.vm("pvs-007"), add(new_cd(200, 0, f"[shared-01] {name}")))


@pytest.mark.parametrize("datastore", ["local-a1", "nowhere"])
def test_iso_is_on_a_datastore_of_the_host(lab, client, datastore):
    with refused(lab, "iso-reachable", vim.fault.InvalidDatastore):
        vm = client.vm("pvs-007")  # on esx-b1.lab
        client.reconfigure(vm, add(new_cd(200, 0, f"[{datastore}] iso/local-tools.iso")))


def test_iso_of_an_inaccessible_mount(lab, client):
    vm = client.vm("pvs-007")
    for state in ({"accessible": False}, {"mounted": False}):
        lab.datastore("shared-01", host="esx-b1.lab", **state)
        with refused(lab, "iso-reachable", vim.fault.InvalidDatastore):
            client.reconfigure(vm, add(new_cd(200, 0, OTHER_ISO)))
        lab.datastore("shared-01", host="esx-b1.lab", **dict.fromkeys(state, True))
    client.reconfigure(vm, add(new_cd(200, 0, OTHER_ISO)))
    client.reconfigure(vm, remove(cd_of(vm)))


def test_existing_disk_is_attached_at_its_capacity(client):
    vm = client.vm("pvs-004")
    client.reconfigure(vm, add(new_disk(1000, None, SPARE)))
    added = disk_of(vm, 1)
    assert (added.unitNumber, added.capacityInBytes) == (1, 1 << 20)
    client.reconfigure(vm, remove(added))
    assert client.file("HEAD", "spare/spare.vmdk").status == 200  # without destroy, the file stays


def test_new_disk_is_made_and_destroyed(client):
    vm = client.vm("pvs-004")
    name = "[shared-01] spare/made.vmdk"
    client.reconfigure(vm, add(new_disk(1000, 1, name, kib=4096), "create"))
    assert client.file("HEAD", "spare/made-flat.vmdk").getheader("Content-Length") == str(4 << 20)
    client.reconfigure(vm, remove(disk_of(vm, 1), "destroy"))
    assert client.file("HEAD", "spare/made.vmdk").status == 404


@pytest.mark.parametrize(
    ("name", "fault"),
    [(SPARE, vim.fault.FileAlreadyExists), ("[shared-01] nodir/x.vmdk", FileNotFound)],
)
def test_new_disk_overwrites_nothing(lab, client, name, fault):
    with refused(lab, "disk-new", fault):
        client.reconfigure(client.vm("pvs-004"), add(new_disk(1000, 1, name, kib=64), "create"))


def test_existing_disk_exists(lab, client):
    with refused(lab, "disk-exists", FileNotFound):
        client.reconfigure(client.vm("pvs-004"), add(new_disk(1000, 1, "[shared-01] no/x.vmdk")))


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"KDMV" + bytes(508), vim.fault.InvalidDiskFormat),
        (bytes(4096), vim.fault.InvalidDiskFormat),
        (b'# Disk DescriptorFile\nRW 9999 VMFS "spare-flat.vmdk"\n', vim.fault.InvalidDiskFormat),
        (b'# Disk DescriptorFile\nRW 8 VMFS "gone-flat.vmdk"\n', FileNotFound),
        (b"# Disk DescriptorFile\n", vim.fault.InvalidDiskFormat),
    ],
    ids=["streamOptimized", "raw", "short extent", "no extent file", "no extents"],
)
def test_disk_is_one(lab, client, content, fault):
    client.file("PUT", "spare/bad.vmdk", body=content)
    with refused(lab, "disk-valid", fault):
        client.reconfigure(
            client.vm("pvs-004"), add(new_disk(1000, 1, "[shared-01] spare/bad.vmdk"))
        )


def test_edit_does_not_swap_the_file_of_a_disk(lab, client):
    vm = client.vm("pvs-004")
    disk = disk_of(vm)
    disk.backing.fileName = SPARE
    with refused(lab, "disk-backing", BadOperation):
        client.reconfigure(vm, edit(disk))


def test_disk_does_not_shrink(lab, client):
    vm = client.vm("pvs-004")
    disk = disk_of(vm)
    disk.capacityInBytes, disk.capacityInKB = 1 << 20, 1 << 10
    with refused(lab, "disk-backing", BadOperation):
        client.reconfigure(vm, edit(disk))


@pytest.mark.parametrize("change", ["move", "remove"])
def test_disk_of_a_snapshot_stays(lab, client, change):
    vm = client.vm("snap-01")
    disk = disk_of(vm, 1)
    spec = edit(moved(disk, 1)) if change == "move" else remove(disk)
    with refused(lab, "snapshot-disk", BadOperation):
        client.reconfigure(vm, spec)


def test_disk_added_after_the_snapshot_may_go(client):
    vm = client.vm("snap-01")
    client.reconfigure(vm, add(new_disk(1000, 5, SPARE)))
    client.reconfigure(
        vm,
        remove(
            next(d for d in devices(vm, vim.vm.device.VirtualDisk) if d.backing.fileName == SPARE)
        ),
    )


def test_disk_of_a_snapshot_keeps_its_mode(lab, client):
    vm = client.vm("snap-01")
    disk = disk_of(vm)
    disk.backing.diskMode = "independent_persistent"
    with refused(lab, "snapshot-disk-mode", vim.fault.DisallowedDiskModeChange):
        client.reconfigure(vm, edit(disk))


def test_full_datastore_takes_no_disk(lab, client):
    lab.datastore("shared-01", free_mib=1)
    try:
        with refused(lab, "space", vim.fault.NoDiskSpace):
            spec = add(new_disk(1000, 1, "[shared-01] spare/big.vmdk", kib=4096), "create")
            client.reconfigure(client.vm("pvs-004"), spec)
    finally:
        lab.datastore("shared-01", free_mib=1 << 20)


def test_refused_reconfigure_changes_nothing(lab, client):
    """atomic: the first changes of a spec are undone by the refusal of its last."""
    vm = client.vm("pvs-009")
    before = dump(lab)
    made = new_disk(1000, 1, "[shared-01] spare/never.vmdk", kib=64)
    with refused(lab, "unit-reserved", BadDevice):
        client.reconfigure(
            vm,
            edit(moved(cd_of(vm), 0, 201)),
            add(made, "create"),
            edit(moved(disk_of(vm), 7)),
            annotation="never",
            bootOptions=vim.vm.BootOptions(bootDelay=777),
            extraConfig=[vim.option.OptionValue(key="never", value="1")],
        )
    assert dump(lab) == before
    assert client.file("HEAD", "spare/never.vmdk").status == 404


def test_unknown_fields_are_refused(lab, client):
    with refused(lab, "spec-known", vmodl.fault.NotSupported):
        client.reconfigure(client.vm("pvs-001"), vAppConfigRemoved=True)


def test_calls_without_rules_are_refused(lab, client):
    """What the simulator would do to devices without any rule of ours."""
    with refused(lab, "spec-known", vmodl.fault.NotSupported):
        store = client.vm("pvs-001").datastore[0]
        client.vm("pvs-001").AttachDisk_Task(vim.vslm.ID(id="x"), store, 1000, 1)
