"""What a machine looks like after changes, without a vCenter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import reduce

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
    Controller,
    Device,
    DeviceKind,
    DiskBacking,
    Hardware,
    Machine,
)
from vmboot.vsphere.ourdisks import DISPLACED_KEY, MEDIA_KEY
from vmboot.vsphere.securedb import db_after


def apply_changes(
    hardware: Hardware, boot_order: tuple[BootEntry, ...], changes: Iterable[Change]
) -> tuple[Hardware, tuple[BootEntry, ...]]:
    """Hardware and boot order afterwards. New devices carry their negative ``temp_key``."""
    changes = tuple(changes)
    orders = [change.after for change in changes if isinstance(change, SetBootOrder)]
    return reduce(_apply, changes, hardware), orders[-1] if orders else boot_order


def machine_after(machine: Machine, changes: Iterable[Change]) -> Machine:
    """The machine with ``changes`` made."""
    changes = tuple(changes)
    hardware, boot_order = apply_changes(machine.hardware, machine.boot_order, changes)
    extras = {change.name: change.after for change in changes if isinstance(change, SetExtra)}
    db = machine.secure_db and db_after(machine.secure_db, changes)
    return replace(
        machine,
        hardware=hardware,
        boot_order=boot_order,
        media=extras.get(MEDIA_KEY, machine.media),
        displaced=extras.get(DISPLACED_KEY, machine.displaced),
        secure_db=db,
    )


def _apply(hardware: Hardware, change: Change) -> Hardware:
    match change:
        case AddController():
            added = Controller(change.temp_key, change.bus, change.number, change.model)
            return replace(hardware, controllers=(*hardware.controllers, added))
        case AddCdrom():
            return replace(hardware, devices=(*hardware.devices, _new_drive(change)))
        case AddDisk():
            return replace(hardware, devices=(*hardware.devices, _new_disk(change)))
        case RemoveDevice() | DetachDisk():
            return Hardware(
                tuple(c for c in hardware.controllers if c.key != change.key),
                tuple(d for d in hardware.devices if d.key != change.key),
            )
        case MoveDevice() | SetCdrom():
            edited = (_edited(d, change) if d.key == change.key else d for d in hardware.devices)
            return replace(hardware, devices=tuple(edited))
        case SetBootOrder() | SetExtra():
            return hardware


def _new_drive(change: AddCdrom) -> Device:
    return Device(
        key=change.temp_key,
        kind=DeviceKind.CDROM,
        controller=change.controller,
        unit=change.unit,
        model="VirtualCdrom",
        backing=change.backing,
        connection=change.connection,
    )


def _new_disk(change: AddDisk) -> Device:
    return Device(
        key=change.temp_key,
        kind=DeviceKind.DISK,
        controller=change.controller,
        unit=change.unit,
        model="VirtualDisk",
        file=change.file,
        disk=DiskBacking(datastore=change.datastore, mode=change.mode),
    )


def _edited(device: Device, change: MoveDevice | SetCdrom) -> Device:
    if isinstance(change, MoveDevice):
        return replace(device, controller=change.to_controller, unit=change.to_unit)
    return replace(device, backing=change.backing, connection=change.connection)
