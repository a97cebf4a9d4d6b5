"""QEMU's arguments for a VM's disks: each at its controller and unit. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmboot.lab.rehearsal_machine import SCSI, RehearsalDisk
from vmboot.model import Firmware

BLANK_DISK_BYTES = 1 << 30
_VIRTIO = "virtio-scsi"
_DRIVERS = {
    "pvscsi": "pvscsi",
    "lsilogic": "lsi53c895a",
    "lsilogicsas": "mptsas1068",
    _VIRTIO: "virtio-scsi-pci",
}
_NAMES = {"pvscsi": "PVSCSI", "buslogic": "BusLogic"}
_NAMES |= {"lsilogic": "LSI Logic", "lsilogicsas": "LSI Logic SAS"}
_UNITS = {"lsilogic": 7, "lsilogicsas": 8, "sata": 6, "ide": 2}  # as many as QEMU's have


@dataclass(frozen=True)
class DiskArguments:
    """``differences`` name, in plain words, where the disks are not like the VM's."""

    arguments: tuple[str, ...]
    differences: tuple[str, ...] = ()


def disk_arguments(
    disks: Sequence[RehearsalDisk], *, firmware: Firmware, first_index: int
) -> DiskArguments:
    """Controllers and disks, in the order in which the firmware tries them.

    :param first_index: boot index of the first disk; the others count on from there
    """
    arguments: list[str] = []
    differences: list[str] = []
    made: set[str] = set()
    for position, disk in enumerate(disks):
        kind = _played(disk.controller, firmware)
        if kind != disk.controller:
            differences.append(_other_controller(disk, firmware))
        if disk.unit >= _UNITS.get(kind, 64):
            differences.append(f"the disk at {disk.slot} is left out: QEMU has no such unit")
            continue
        bus = f"{kind.replace('-', '')}{disk.number}"
        if bus not in made and kind != "nvme":
            made.add(bus)
            arguments += device(driver=_DRIVERS.get(kind, "ich9-ahci"), id=bus)
        arguments += _backing(disk.image, f"disk{position}")
        arguments += device(
            **_place(kind, bus, disk.unit),
            drive=f"disk{position}",
            bootindex=first_index + position,
        )
    return DiskArguments(tuple(arguments), tuple(dict.fromkeys(differences)))


def device(**properties: Any) -> Iterator[str]:
    """One ``-device``; properties that are ``None`` are left out."""
    yield "-device"
    yield json.dumps({key: value for key, value in properties.items() if value is not None})


def blockdev(**properties: Any) -> Iterator[str]:
    """One ``-blockdev``."""
    yield "-blockdev"
    yield json.dumps(properties)


def quoted(path: Path) -> str:
    """QEMU's option syntax doubles a comma inside a value."""
    return str(path).replace(",", ",,")


def _played(controller: str, firmware: Firmware) -> str:
    """The controller that is put in: distributions' UEFI for QEMU drives none of VMware's SCSI."""
    if controller in SCSI and firmware is Firmware.UEFI:
        return _VIRTIO
    if controller in _DRIVERS:
        return controller
    return controller if controller in ("sata", "ide", "nvme") else "pvscsi"


def _other_controller(disk: RehearsalDisk, firmware: Firmware) -> str:
    name = _NAMES.get(disk.controller, disk.controller)
    if disk.controller in SCSI and firmware is Firmware.UEFI:
        return f"the disks at {name} are at VirtIO SCSI here: QEMU's UEFI drives no other"
    return f"the disks at {name} are at PVSCSI here: QEMU has no {name}"


def _backing(image: Path | None, node: str) -> Iterator[str]:
    if image is None:
        blank = {"driver": "null-co", "size": BLANK_DISK_BYTES, "read-zeroes": True}
        yield from blockdev(**blank, **{"node-name": node})
    else:  # what the machine writes is thrown away
        yield "-drive"
        yield f"if=none,id={node},format=raw,snapshot=on,file={quoted(image)}"


def _place(kind: str, bus: str, unit: int) -> dict[str, Any]:
    if kind == "nvme":
        return {"driver": "nvme", "serial": f"{bus}-{unit}"}
    if kind in ("ide", "sata"):
        return {"driver": "ide-hd", "bus": f"{bus}.{unit}"}
    return {"driver": "scsi-hd", "bus": f"{bus}.0", "scsi-id": unit, "lun": 0}
