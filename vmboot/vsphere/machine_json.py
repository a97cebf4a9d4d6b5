"""Machines and changes as JSON and back, without loss. For journals and plan files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from enum import Enum
from typing import Any

from vmboot.errors import InputError
from vmboot.model import Firmware
from vmboot.vsphere.changes import (
    AddCdrom,
    AddController,
    AddDisk,
    Change,
    DetachDisk,
    MoveDevice,
    RemoveDevice,
    SetBootOrder,
    SetCdrom,
    SetExtra,
)
from vmboot.vsphere.machine import (
    BootEntry,
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
    SecureDb,
)

Json = dict[str, Any]
_CHANGES: Mapping[str, type[Change]] = {
    "add-controller": AddController,
    "add-cdrom": AddCdrom,
    "set-cdrom": SetCdrom,
    "move-device": MoveDevice,
    "add-disk": AddDisk,
    "detach-disk": DetachDisk,
    "remove-device": RemoveDevice,
    "set-extra": SetExtra,
    "set-boot-order": SetBootOrder,
}
_NAMES = {kind: name for name, kind in _CHANGES.items()}


def machine_to_json(machine: Machine) -> Json:
    """A machine as a JSON object with the field names of :class:`Machine`."""
    return dict(_plain(asdict(machine)))


def machine_from_json(data: Mapping[str, Any]) -> Machine:
    """The machine that :func:`machine_to_json` wrote.

    :raises InputError: ``data`` is not such an object
    """
    try:
        given = dict(data)
        hardware = given.pop("hardware")
        order = given.pop("boot_order")
        given["power"] = Power(given["power"])
        given["firmware"] = Firmware(given["firmware"])
        if given.get("secure_db") is not None:
            db = given["secure_db"]
            given["secure_db"] = SecureDb(**{**db, "files": tuple(db["files"])})
        return Machine(**given, hardware=_hardware(hardware), boot_order=_entries(order))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"this is not a machine as vmboot records it: {error!r}") from error


def change_to_json(change: Change) -> Json:
    """A change as a JSON object; ``kind`` tells which."""
    return {"kind": _NAMES[type(change)], **_plain(asdict(change))}


def change_from_json(data: Mapping[str, Any]) -> Change:
    """The change that :func:`change_to_json` wrote.

    :raises InputError: ``data`` is not such an object
    """
    try:
        given = dict(data)
        kind = _CHANGES[given.pop("kind")]
        return kind(**{name: _value(name, value) for name, value in given.items()})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"this is not a change as vmboot records it: {error!r}") from error


def _value(name: str, value: Any) -> Any:
    """One field of a change: the names say the types."""
    if isinstance(value, list):
        return _entries(value)
    if isinstance(value, dict):
        return Connection(**value) if "connection" in name else CdBacking(**value)
    return Bus(value) if name == "bus" else value


def _plain(value: Any) -> Any:
    """Enums as their values, tuples as lists."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.value if isinstance(value, Enum) else value


def _hardware(data: Mapping[str, Any]) -> Hardware:
    controllers = ({**c, "bus": Bus(c["bus"])} for c in data["controllers"])
    return Hardware(
        controllers=tuple(Controller(**c) for c in controllers),
        devices=tuple(_device(d) for d in data["devices"]),
    )


def _device(data: Mapping[str, Any]) -> Device:
    given = {**data, "kind": DeviceKind(data["kind"])}
    if given["backing"] is not None:
        given["backing"] = CdBacking(**given["backing"])
    if given["connection"] is not None:
        given["connection"] = Connection(**given["connection"])
    if given.get("disk") is not None:
        given["disk"] = DiskBacking(**given["disk"])
    return Device(**given)


def _entries(data: Any) -> tuple[BootEntry, ...]:
    return tuple(BootEntry(**entry) for entry in data)
