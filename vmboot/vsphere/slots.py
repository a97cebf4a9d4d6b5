"""Where devices sit: bus, controller number and unit. Keys may change, places do not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from vmboot.vsphere.machine import Bus, Controller, Device, DeviceKind, Hardware

UNITS: Mapping[Bus, int] = {Bus.IDE: 2, Bus.SATA: 30, Bus.SCSI: 16, Bus.NVME: 15}
"""Units of one controller (VMware "Configuration Maximums"); SCSI's own unit is not counted out."""


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


def free_slots(hardware: Hardware, bus: Bus) -> Iterator[Slot]:
    """Free places on the bus's controllers, lowest first."""
    taken = occupants(hardware)
    for controller in sorted(hardware.controllers, key=lambda c: c.number):
        if controller.bus is bus:
            places = (Slot(bus, controller.number, unit) for unit in range(UNITS[bus]))
            yield from (slot for slot in places if slot not in taken)


def _of_kind(hardware: Hardware, kind: DeviceKind) -> dict[Slot, Device]:
    return {slot: dev for slot, dev in occupants(hardware).items() if dev.kind is kind}
