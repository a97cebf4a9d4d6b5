"""Which disk of one view of a machine is which of another view of it.

A disk keeps its UUID when it moves to another datastore, and when a snapshot puts a new file on top
of it. Its file and its key do not stay, so they decide only where a UUID is missing, or where two
disks of a machine have the same one, as copies may.

BDM disks of vmboot's are told by their name, which holds the hash of their content: copies of one
master may have its UUID, and so may a newer one that takes the place of an older.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from vmboot.vsphere.machine import Device, DeviceKind, Hardware
from vmboot.vsphere.ourdisks import our_name


def _same_uuid(one: Device, two: Device) -> bool:
    return one.uuid != "" and one.uuid == two.uuid


def _same_name(one: Device, two: Device) -> bool:
    return our_name(one.file) != "" and our_name(one.file) == our_name(two.file)


def _may_be(one: Device, two: Device) -> bool:
    """False for two BDM disks with different content."""
    names = {our_name(one.file), our_name(two.file)} - {""}
    return len(names) <= 1


_RULES: tuple[Callable[[Device, Device], bool], ...] = (
    lambda one, two: _same_uuid(one, two) and one.file == two.file,
    lambda one, two: _same_uuid(one, two) and one.key == two.key,
    lambda one, two: _same_name(one, two) and one.file == two.file,
    _same_name,
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
            alike = (other for other in free if _may_be(disk, other) and is_twin(disk, other))
            twin = next(alike, None)
            if disk.key not in twins and twin is not None:
                twins[disk.key] = twin
                free.remove(twin)
    return twins


def _disks(hardware: Hardware) -> list[Device]:
    return [device for device in hardware.devices if device.kind is DeviceKind.DISK]
