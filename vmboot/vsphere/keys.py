"""Device keys as a vCenter gives them: the key of a disk or drive follows from its slot.

vSphere documents keys as opaque, and every release so far has made them so. They are therefore a
prediction: good enough to put the boot order into the same reconfigure as the disk it names, and
always compared with what is read back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from vmboot.vsphere.changes import AddCdrom, AddController, AddDisk, Change, MoveDevice
from vmboot.vsphere.machine import Bus, Controller, Machine

_FIRST: Mapping[Bus, tuple[int, int]] = {
    Bus.IDE: (3000, 2),
    Bus.SCSI: (2000, 16),
    Bus.SATA: (16000, 30),
    Bus.NVME: (32000, 15),
}
"""Key of unit 0 of controller 0, and how far the next controller's is."""
_HIGH_SCSI = (131072, 64)
"""The same for units from 16 on, which only PVSCSI has."""


def predicted_key(controller: Controller, unit: int) -> int | None:
    """The key a disk or drive gets at a unit of ``controller``; ``None`` for an impossible unit."""
    first, step = _FIRST[controller.bus]
    if controller.bus is Bus.SCSI and unit >= step:
        first, step = _HIGH_SCSI
    return first + step * controller.number + unit if 0 <= unit < step else None


def predicted_keys(changes: Iterable[Change], machine: Machine) -> dict[int, int | None]:
    """The keys that ``changes`` lead to, by temporary key or by the key before a move."""
    controllers = {controller.key: controller for controller in machine.hardware.controllers}
    keys: dict[int, int | None] = {}
    for change in changes:
        match change:
            case AddController(temp_key, bus, number, model):
                controllers[temp_key] = Controller(temp_key, bus, number, model)
            case AddDisk(temp_key, at, unit) | AddCdrom(temp_key, at, unit):
                keys[temp_key] = _key(controllers.get(at), unit)
            case MoveDevice(key=key, to_controller=at, to_unit=unit):
                keys[key] = _key(controllers.get(at), unit)
    return keys


def _key(controller: Controller | None, unit: int) -> int | None:
    return predicted_key(controller, unit) if controller is not None else None
