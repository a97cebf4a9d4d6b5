"""Changes as API specs: order, completeness, and what must never be sent."""

from __future__ import annotations

import pytest
from pyVmomi import vim

from tests.unit.vsphere.builders import (
    AHCI,
    AT_POWER_ON,
    BDM,
    BDM_MEDIA,
    EMPTY,
    IDE0,
    NEVER,
    OURS,
    SCSI,
    cd,
    disk,
    machine,
)
from vmboot.errors import RefusedError
from vmboot.vsphere.changes import (
    AddCdrom,
    AddController,
    AddDisk,
    DetachDisk,
    MoveDevice,
    RemoveDevice,
    SetBootOrder,
    SetCdrom,
    SetExtra,
)
from vmboot.vsphere.machine import BootEntry, Bus, CdBacking, Connection
from vmboot.vsphere.reconfigure import needs_devices
from vmboot.vsphere.specs import config_spec

CDROM = vim.vm.device.VirtualCdrom
MOVE = MoveDevice(2000, "Hard disk 1", 200, 0, 200, 1)


def live_disk() -> vim.vm.device.VirtualDisk:
    backing = vim.vm.device.VirtualDisk.FlatVer2BackingInfo(
        fileName="[a] x.vmdk", diskMode="persistent"
    )
    return vim.vm.device.VirtualDisk(
        key=2000, controllerKey=200, unitNumber=0, capacityInKB=4096, backing=backing
    )


def test_devices_come_in_the_order_of_the_changes():
    spec = config_spec(
        (
            MOVE,
            AddController(-101, Bus.SATA, 0, "VirtualAHCIController"),
            AddCdrom(-102, -101, 0, OURS, AT_POWER_ON),
            SetBootOrder((), (BootEntry("cdrom"),)),
        ),
        machine=machine(),
        live_devices=[live_disk()],
    )

    assert [
        (type(c.device).__name__.rpartition(".")[2], c.operation) for c in spec.deviceChange
    ] == [
        ("VirtualDisk", "edit"),
        ("VirtualAHCIController", "add"),
        ("VirtualCdrom", "add"),
    ]


def test_no_file_is_ever_created_or_deleted():
    changes = (MOVE, AddCdrom(-102, 200, 0, OURS, AT_POWER_ON), RemoveDevice(3000, ""))
    spec = config_spec(changes, machine=machine(cd(IDE0)), live_devices=[live_disk()])

    assert [change.fileOperation for change in spec.deviceChange] == [None, None, None]


def test_a_moved_disk_keeps_all_it_has():
    spec = config_spec((MOVE,), machine=machine(), live_devices=[live_disk()])
    device = spec.deviceChange[0].device

    assert (device.controllerKey, device.unitNumber) == (200, 1)
    assert (device.capacityInKB, device.backing.fileName) == (4096, "[a] x.vmdk")


def test_an_edit_of_a_drive_is_fully_specified():
    change = SetCdrom(3000, "CD", 200, 0, EMPTY, NEVER, OURS, AT_POWER_ON)
    device = config_spec((change,), machine=machine()).deviceChange[0].device

    assert (device.key, device.controllerKey, device.unitNumber) == (3000, 200, 0)
    assert isinstance(device.backing, CDROM.IsoBackingInfo)
    assert device.backing.fileName == OURS.path
    assert device.backing.datastore._GetMoId() == "datastore-1"
    link = device.connectable
    assert (link.startConnected, link.connected, link.allowGuestControl) == (True, False, True)


@pytest.mark.parametrize(
    ("backing", "kind", "fields"),
    [
        (
            CdBacking("atapi", device="/dev/cd0", auto_detect=True),
            CDROM.AtapiBackingInfo,
            {"deviceName": "/dev/cd0", "useAutoDetect": True},
        ),
        (
            CdBacking("passthrough", device="/dev/cd0", exclusive=True),
            CDROM.PassthroughBackingInfo,
            {"exclusive": True},
        ),
        (
            CdBacking("remote-atapi", device="D:"),
            CDROM.RemoteAtapiBackingInfo,
            {"deviceName": "D:"},
        ),
        (EMPTY, CDROM.RemotePassthroughBackingInfo, {"deviceName": "", "exclusive": False}),
    ],
)
def test_every_kind_of_backing_can_be_put_back(backing: CdBacking, kind: type, fields: dict):
    change = SetCdrom(3000, "CD", 200, 0, OURS, AT_POWER_ON, backing, Connection())
    made = config_spec((change,), machine=machine()).deviceChange[0].device.backing

    assert type(made) is kind
    assert {name: getattr(made, name) for name in fields} == fields


def test_only_the_order_of_the_boot_options_is_set():
    entries = (
        BootEntry("cdrom"),
        BootEntry("ethernet", 4000),
        BootEntry("disk", 2000),
        BootEntry("floppy"),
    )
    options = config_spec((SetBootOrder((), entries),), machine=machine()).bootOptions

    assert [getattr(entry, "deviceKey", None) for entry in options.bootOrder] == [
        None,
        4000,
        2000,
        None,
    ]
    assert options.bootDelay is None
    assert options.efiSecureBootEnabled is None


def test_one_bare_entry_clears_the_order():
    order = config_spec((SetBootOrder((), ()),), machine=machine()).bootOptions.bootOrder

    assert [type(entry) for entry in order] == [vim.vm.BootOptions.BootableDevice]


@pytest.mark.parametrize(("guard", "sent"), [(True, "2026-1"), (False, None)])
def test_the_change_version_lets_the_server_refuse(guard: bool, sent: str | None):
    found = machine(change_version="2026-1")

    assert config_spec((), machine=found, guard=guard).changeVersion == sent


def test_our_drive_and_controller_can_be_removed():
    found = machine(cd(AHCI, key=16000), controllers=(IDE0, AHCI))
    spec = config_spec((RemoveDevice(16000, ""), RemoveDevice(15000, "")), machine=found)

    assert [(change.operation, change.device.key) for change in spec.deviceChange] == [
        ("remove", 16000),
        ("remove", 15000),
    ]


@pytest.mark.parametrize("key", [2000, 4711], ids=["a disk", "a device that is gone"])
def test_nothing_else_can_be_removed(key: int):
    with pytest.raises(RefusedError, match=f"no device with key {key}"):
        config_spec(
            (RemoveDevice(key, ""),), machine=machine(disk(IDE0)), live_devices=[live_disk()]
        )


def test_a_moved_disk_must_still_be_there():
    assert needs_devices((MOVE,))
    with pytest.raises(RefusedError, match="no device with key 2000"):
        config_spec((MOVE,), machine=machine())


def test_our_disk_is_attached_as_the_file_it_is():
    spec = config_spec(
        (
            AddController(-301, Bus.SCSI, 0, "ParaVirtualSCSIController"),
            AddDisk(-302, -301, 0, BDM, "datastore-1"),
            SetExtra("vmboot.media", "", BDM_MEDIA),
            SetBootOrder((), (BootEntry("disk", 2000),)),
        ),
        machine=machine(),
    )
    controller, attached = (change.device for change in spec.deviceChange)

    assert [change.operation for change in spec.deviceChange] == ["add", "add"]
    assert (controller.busNumber, controller.sharedBus) == (0, "noSharing")
    assert (attached.key, attached.controllerKey, attached.unitNumber) == (-302, -301, 0)
    assert (attached.backing.fileName, attached.backing.diskMode) == (BDM, "persistent")
    assert attached.backing.datastore._GetMoId() == "datastore-1"
    assert not attached.capacityInBytes
    assert spec.deviceChange[1].fileOperation is None
    assert [(option.key, option.value) for option in spec.extraConfig] == [
        ("vmboot.media", BDM_MEDIA)
    ]


@pytest.mark.parametrize("mode", ["independent_persistent", "independent_nonpersistent"])
def test_our_disk_goes_and_comes_in_the_mode_it_had(mode: str):
    held = machine(disk(SCSI, file=BDM, mode=mode))
    changes = (DetachDisk(2000, "", BDM), AddDisk(-201, 1000, 0, BDM, "datastore-1", mode))
    spec = config_spec(changes, machine=held)

    assert [change.device.backing.diskMode for change in spec.deviceChange] == [mode, mode]


def test_our_disk_is_detached_and_its_file_kept():
    change = DetachDisk(2000, "Hard disk 2", BDM)
    (made,) = config_spec((change,), machine=machine(disk(SCSI, file=BDM))).deviceChange

    assert (made.operation, made.fileOperation) == ("remove", None)
    assert (made.device.key, made.device.backing.fileName) == (2000, BDM)


def test_a_disk_that_is_another_one_by_now_is_not_detached():
    change = DetachDisk(2000, "Hard disk 2", BDM)

    with pytest.raises(RefusedError, match="no device with key 2000"):
        config_spec((change,), machine=machine(disk(SCSI)))


def test_an_extra_key_is_removed_by_an_empty_value():
    spec = config_spec((SetExtra("vmboot.media", BDM_MEDIA, ""),), machine=machine())

    assert [(option.key, option.value) for option in spec.extraConfig] == [("vmboot.media", "")]
    assert not spec.deviceChange
