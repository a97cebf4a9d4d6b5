"""Machines as literals, with the words of the tests."""

from __future__ import annotations

from typing import Any

from vmboot.model import Firmware
from vmboot.vsphere.machine import (
    Bus,
    CdBacking,
    Connection,
    Controller,
    Device,
    DeviceKind,
    DiskBacking,
    Hardware,
    Machine,
    Power,
)

IDE0 = Controller(200, Bus.IDE, 0, "VirtualIDEController")
IDE1 = Controller(201, Bus.IDE, 1, "VirtualIDEController")
SCSI = Controller(1000, Bus.SCSI, 0, "ParaVirtualSCSIController")
SCSI1 = Controller(1001, Bus.SCSI, 1, "ParaVirtualSCSIController")
LSI = Controller(1000, Bus.SCSI, 0, "VirtualLsiLogicController")
LSI_SAS = Controller(1000, Bus.SCSI, 0, "VirtualLsiLogicSASController")
LSI1 = Controller(1001, Bus.SCSI, 1, "VirtualLsiLogicController")
NVME = Controller(31000, Bus.NVME, 0, "VirtualNVMEController")
AHCI = Controller(15000, Bus.SATA, 0, "VirtualAHCIController")

OURS = CdBacking("iso", path="[shared-01] vmboot/boot.iso", datastore="datastore-1")
OTHER = CdBacking("iso", path="[shared-01] iso/other.iso", datastore="datastore-1")
EMPTY = CdBacking("remote-passthrough", exclusive=False)
AT_POWER_ON = Connection(start_connected=True)
NEVER = Connection()

GIB = 1024**3
BDM = "[shared-01] a/vmboot-boot-0123456789ab.vmdk"
"""This machine's copy of the BDM disk that the fleet wants."""
BDM_MEDIA = "boot 0123456789ab"
OLD_BDM = "[shared-01] a/vmboot-boot-aaaaaaaaaaaa.vmdk"
"""Its copy of an older one."""
OLD_MEDIA = "boot aaaaaaaaaaaa"
MASTER_UUID = "6000c29a-master"


def cd(
    controller: Controller,
    unit: int = 0,
    *,
    key: int = 3000,
    backing: CdBacking = EMPTY,
    connection: Connection = NEVER,
) -> Device:
    return Device(
        key=key,
        kind=DeviceKind.CDROM,
        controller=controller.key,
        unit=unit,
        label=f"CD/DVD drive {key}",
        model="VirtualCdrom",
        backing=backing,
        connection=connection,
    )


def disk(
    controller: Controller,
    unit: int = 0,
    *,
    key: int = 2000,
    file: str = "",
    uuid: str = "",
    **backing: Any,
) -> Device:
    return Device(
        key=key,
        kind=DeviceKind.DISK,
        controller=controller.key,
        unit=unit,
        label=f"Hard disk {key}",
        model="VirtualDisk",
        file=file or f"[shared-01] vm/{key}.vmdk",
        uuid=uuid,
        disk=DiskBacking(**{"datastore": "datastore-1", "capacity": 16 * GIB, **backing}),
    )


def nic(key: int = 4000) -> Device:
    return Device(
        key=key,
        kind=DeviceKind.NIC,
        controller=100,
        unit=7,
        label=f"Network adapter {key - 3999}",
        model="VirtualVmxnet3",
        connection=Connection(start_connected=True),
        mac=f"00:50:56:00:00:{key % 256:02x}",
    )


def machine(
    *devices: Device,
    controllers: tuple[Controller, ...] = (IDE0, IDE1, SCSI),
    **fields: Any,
) -> Machine:
    """A BIOS machine, powered off, with IDE and SCSI controllers, unless told otherwise."""
    hardware = Hardware(controllers, devices or (disk(SCSI), nic()))
    return Machine(
        **{"moid": "vm-1", "name": "a", "path": "/DC1/vm/a", "hardware": hardware, **fields}
    )


def uefi(*devices: Device, **fields: Any) -> Machine:
    return machine(*devices, **{"firmware": Firmware.UEFI, "hw_version": 19, **fields})


def running(*devices: Device, **fields: Any) -> Machine:
    return machine(*devices, **{"power": Power.ON, **fields})
