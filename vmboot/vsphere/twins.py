"""Which disk of one view of a machine is which of another view of it.

A disk keeps its UUID when it moves to another datastore, and when a snapshot puts a new file on top
of it. Its file and its key do not stay, so they decide only where a UUID is missing, or where two
disks of a machine have the same one, as copies may.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from vmboot.vsphere.machine import Device, DeviceKind, Hardware


def _same_uuid(one: Device, two: Device) -> bool:
    return one.uuid != "" and one.uuid == two.uuid


_RULES: tuple[Callable[[Device, Device], bool], ...] = (
    lambda one, two: _same_uuid(one, two) and one.file == two.file,
    lambda one, two: _same_uuid(one, two) and one.key == two.key,
    _same_uuid,
    lambda one, two: not (one.uuid and two.uuid) and one.file == two.file,
)
"""The surest first; each disk is matched once."""


def twin_disks(of: Hardware, to: Hardware) -> Mapping[int, Device]:
    """The disks of ``to`` by the key that each has in ``of``; those without a twin are left out."""
    wanted, free = _disks(of), _disks(to)
    twins: dict[int, Device] = {}
    for is_twin in _RULES:
        for disk in wanted:
            twin = next((other for other in free if is_twin(disk, other)), None)
            if disk.key not in twins and twin is not None:
                twins[disk.key] = twin
                free.remove(twin)
    return twins


def _disks(hardware: Hardware) -> list[Device]:
    return [device for device in hardware.devices if device.kind is DeviceKind.DISK]
