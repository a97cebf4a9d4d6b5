"""Where devices sit: bus, controller number and unit. Keys may change, places do not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from vmboot.vsphere.machine import Bus, Controller, Device, DeviceKind, Hardware

UNITS: Mapping[Bus, int] = {Bus.IDE: 2, Bus.SATA: 30, Bus.SCSI: 16, Bus.NVME: 15}
"""Units of one controller (VMware "Configuration Maximums"); SCSI's own unit is not counted out."""
SCSI_OWN_UNIT = 7
"""The unit of a SCSI controller itself (vSphere API, ``scsiCtlrUnitNumber``)."""
PVSCSI_MODEL = "ParaVirtualSCSIController"
PVSCSI_UNITS = 64
PVSCSI_UNITS_HW_VERSION = 14
"""From this hardware version on a PVSCSI controller has 64 units (vSphere 6.7 "What's New")."""


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    """A place for a device, e.g. ``Slot(Bus.IDE, 0, 0)``."""

    bus: Bus
    number: int
    unit: int

    def __str__(self) -> str:
        return f"{self.bus.upper()} {self.number}:{self.unit}"


def find_controller(hardware: Hardware, bus: Bus, number: int) -> Controller | None:
    """The controller ``number`` of a bus."""
    return next((c for c in hardware.controllers if (c.bus, c.number) == (bus, number)), None)


def slot_of(hardware: Hardware, device: Device) -> Slot | None:
    """Where a device sits; ``None`` for one without a controller of a known bus."""
    controller = next((c for c in hardware.controllers if c.key == device.controller), None)
    if controller is None or device.unit is None:
        return None
    return Slot(controller.bus, controller.number, device.unit)


def occupants(hardware: Hardware) -> dict[Slot, Device]:
    """The devices on controllers, by slot."""
    placed = ((slot_of(hardware, device), device) for device in hardware.devices)
    return {slot: device for slot, device in placed if slot is not None}


def drives(hardware: Hardware) -> dict[Slot, Device]:
    """The CD-ROM drives, by slot."""
    return _of_kind(hardware, DeviceKind.CDROM)


def disks(hardware: Hardware) -> dict[Slot, Device]:
    """The disks, by slot."""
    return _of_kind(hardware, DeviceKind.DISK)


def units(controller: Controller, *, hw_version: int = 0) -> Iterator[int]:
    """The units of a controller that a device may have, lowest first."""
    is_big = controller.model == PVSCSI_MODEL and hw_version >= PVSCSI_UNITS_HW_VERSION
    for unit in range(PVSCSI_UNITS if is_big else UNITS[controller.bus]):
        if controller.bus is not Bus.SCSI or unit != SCSI_OWN_UNIT:
            yield unit


def free_slots(hardware: Hardware, bus: Bus, *, hw_version: int = 0) -> Iterator[Slot]:
    """Free places on the bus's controllers, lowest first."""
    taken = occupants(hardware)
    for controller in sorted(hardware.controllers, key=lambda c: c.number):
        if controller.bus is bus:
            for unit in units(controller, hw_version=hw_version):
                slot = Slot(bus, controller.number, unit)
                if slot not in taken:
                    yield slot


def _of_kind(hardware: Hardware, kind: DeviceKind) -> dict[Slot, Device]:
    return {slot: dev for slot, dev in occupants(hardware).items() if dev.kind is kind}
