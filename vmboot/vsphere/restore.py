"""The way back: changes that make a machine boot again as a journal recorded it.

Removes what we added, moves back what we moved, puts back what we replaced. Of disks only BDM disks
of vmboot's are detached, and attached again where they were recorded; controllers are removed only
when they are of a model that we add, were not there before and hold nothing any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from vmboot.vsphere.bdmdisk import LSI_MODEL
from vmboot.vsphere.bootorder import map_boot_order
from vmboot.vsphere.cdrom import AHCI_MODEL
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
from vmboot.vsphere.effects import apply_changes, machine_after
from vmboot.vsphere.machine import (
    Connection,
    Device,
    DeviceKind,
    DiskBacking,
    Hardware,
    Machine,
    Power,
)
from vmboot.vsphere.ourdisks import DISPLACED_KEY, MEDIA_KEY, is_ours, named
from vmboot.vsphere.sameness import EMPTY_DRIVE, same_backing
from vmboot.vsphere.securedb import changes_between
from vmboot.vsphere.slots import PVSCSI_MODEL, Slot, disks, drives, find_controller, occupants
from vmboot.vsphere.twins import twin_disks

_FIRST_CONTROLLER_KEY = -151
_FIRST_DEVICE_KEY = -201
_MODELS_WE_ADD = (AHCI_MODEL, PVSCSI_MODEL, LSI_MODEL)


def plan_restore(now: Machine, before: Machine) -> tuple[Change, ...]:
    """What brings ``now`` back to ``before``, in the order one spec must carry it.

    Where a moved disk stands in the boot order, :func:`~vmboot.vsphere.bootorder.defer_boot_order`
    applies here too. Empty if nothing is to do. A BDM disk that storage vMotion renamed since is
    known all the same.
    """
    return tuple(_stored(change, now, before) for change in _planned(named(now), named(before)))


def _planned(now: Machine, before: Machine) -> tuple[Change, ...]:
    changes: list[Change] = [*_remove_drives(now, before), *_detach_disks(now, before)]
    added = tuple(_add_controllers(now, before))
    changes += added
    there = apply_changes(now.hardware, (), added)[0]
    changes += _in_order(_move_disks(there, before), now.hardware, changes)
    changes += _set_drives(now, before)
    changes += _add_missing(there, before)
    changes += _remove_controllers(now, before, changes)
    if now.media != before.media:
        changes.append(SetExtra(MEDIA_KEY, now.media, before.media))
    if now.displaced != before.displaced:
        changes.append(SetExtra(DISPLACED_KEY, now.displaced, before.displaced))
    if now.secure_db is not None and before.secure_db is not None:
        changes += changes_between(now.secure_db, before.secure_db)
    order = map_boot_order(before.boot_order, of=before, to=machine_after(now, changes))
    if order != now.boot_order:
        changes.append(SetBootOrder(before=now.boot_order, after=order))
    return tuple(changes)


def _stored(change: Change, now: Machine, before: Machine) -> Change:
    """The change with the file that a renamed BDM disk has on the datastore."""
    if isinstance(change, DetachDisk):
        held = (disk.file for disk in now.hardware.devices if disk.key == change.key)
        return replace(change, file=next(held, change.file))
    if isinstance(change, AddDisk):
        pairs = zip(named(before).hardware.devices, before.hardware.devices, strict=True)
        recorded = (disk.file for known, disk in pairs if known.file == change.file)
        return replace(change, file=next(recorded, change.file))
    return change


def _remove_drives(now: Machine, before: Machine) -> Iterator[RemoveDevice]:
    kept = drives(before.hardware)
    for slot, drive in drives(now.hardware).items():
        if slot not in kept:
            yield RemoveDevice(drive.key, drive.label)


def _detach_disks(now: Machine, before: Machine) -> Iterator[DetachDisk]:
    """BDM disks that were not there."""
    twins = {disk.key for disk in twin_disks(before.hardware, now.hardware).values()}
    for disk in now.hardware.devices:
        if is_ours(disk, now) and disk.key not in twins:
            yield DetachDisk(disk.key, disk.label, disk.file)


def _in_order(
    moves: Iterable[MoveDevice], hardware: Hardware, done: Iterable[Change]
) -> Iterator[MoveDevice]:
    """The moves to free places first: a server takes a spec's changes one after the other."""
    waiting = list(moves)
    while waiting:
        after, _ = apply_changes(hardware, (), done)
        taken = {(device.controller, device.unit) for device in occupants(after).values()}
        free = [m for m in waiting if (m.to_controller, m.to_unit) not in taken]
        move = (free or waiting)[0]
        waiting.remove(move)
        done = (*done, move)
        yield move


def _add_controllers(now: Machine, before: Machine) -> Iterator[AddController]:
    """Those that something has to come back to."""
    wanted = [*_missing_drives(now.hardware, before), *_missing_disks(now.hardware, before)]
    homes = [*(slot for slot, _ in wanted), *(slot for _, slot in _strays(now.hardware, before))]
    places = dict.fromkeys((slot.bus, slot.number) for slot in homes)
    missing = (place for place in places if find_controller(now.hardware, *place) is None)
    for count, (bus, number) in enumerate(missing):
        controller = find_controller(before.hardware, bus, number)
        if controller is not None:
            yield AddController(_FIRST_CONTROLLER_KEY - count, bus, number, controller.model)


def _strays(now: Hardware, before: Machine) -> Iterator[tuple[Device, Slot]]:
    """Disks that are somewhere else now, with their home."""
    homes = {disk.key: slot for slot, disk in disks(before.hardware).items()}
    places = {disk.key: slot for slot, disk in disks(now).items()}
    for key, disk in twin_disks(before.hardware, now).items():
        home = homes.get(key)
        if home is not None and disk.key in places and home != places[disk.key]:
            yield disk, home


def _move_disks(now: Hardware, before: Machine) -> Iterator[MoveDevice]:
    for disk, home in _strays(now, before):
        yield from _move(now, disk, home)


def _move(hardware: Hardware, disk: Device, home: Slot) -> Iterator[MoveDevice]:
    controller = find_controller(hardware, home.bus, home.number)
    if controller is not None:
        yield MoveDevice(
            key=disk.key,
            label=disk.label,
            from_controller=disk.controller or 0,
            from_unit=disk.unit or 0,
            to_controller=controller.key,
            to_unit=home.unit,
        )


def _set_drives(now: Machine, before: Machine) -> Iterator[SetCdrom]:
    present = drives(now.hardware)
    for slot, wanted in drives(before.hardware).items():
        drive = present.get(slot)
        if drive is not None and not _is_restored(drive, wanted):
            yield SetCdrom(
                key=drive.key,
                label=drive.label,
                controller=drive.controller or 0,
                unit=slot.unit,
                before=drive.backing or EMPTY_DRIVE,
                before_connection=drive.connection or Connection(),
                backing=wanted.backing or EMPTY_DRIVE,
                connection=_connection(wanted, now, before),
            )


def _is_restored(drive: Device, wanted: Device) -> bool:
    one, two = drive.connection or Connection(), wanted.connection or Connection()
    return same_backing(drive.backing, wanted.backing) and (
        (one.start_connected, one.allow_guest_control)
        == (two.start_connected, two.allow_guest_control)
    )


def _connection(wanted: Device, now: Machine, before: Machine) -> Connection:
    """``connected`` means something only where the machine ran then and runs now."""
    recorded = wanted.connection or Connection()
    runs = now.power is Power.ON and before.power is Power.ON
    return Connection(
        start_connected=recorded.start_connected,
        connected=recorded.connected and runs,
        allow_guest_control=recorded.allow_guest_control,
    )


def _add_missing(now: Hardware, before: Machine) -> Iterator[AddDisk | AddCdrom]:
    """BDM disks that we replaced, and drives that somebody removed since."""
    missing = (*_missing_drives(now, before), *_missing_disks(now, before))
    for count, (slot, wanted) in enumerate(missing):
        controller = find_controller(now, slot.bus, slot.number)
        if controller is not None:
            yield _added(_FIRST_DEVICE_KEY - count, controller.key, slot.unit, wanted)


def _missing_drives(now: Hardware, before: Machine) -> Iterator[tuple[Slot, Device]]:
    """Only a forced undo gets here."""
    present = drives(now)
    yield from (item for item in drives(before.hardware).items() if item[0] not in present)


def _missing_disks(now: Hardware, before: Machine) -> Iterator[tuple[Slot, Device]]:
    twins = twin_disks(before.hardware, now)
    for slot, disk in disks(before.hardware).items():
        if is_ours(disk, before) and disk.key not in twins:
            yield slot, disk


def _added(temp_key: int, controller: int, unit: int, wanted: Device) -> AddDisk | AddCdrom:
    if wanted.kind is DeviceKind.DISK:
        backing = wanted.disk or DiskBacking()
        return AddDisk(temp_key, controller, unit, wanted.file, backing.datastore, backing.mode)
    return AddCdrom(
        temp_key=temp_key,
        controller=controller,
        unit=unit,
        backing=wanted.backing or EMPTY_DRIVE,
        connection=wanted.connection or Connection(),
    )


def _remove_controllers(
    now: Machine, before: Machine, changes: Sequence[Change]
) -> Iterator[RemoveDevice]:
    kept = {(c.bus, c.number) for c in before.hardware.controllers}
    hardware, _ = apply_changes(now.hardware, (), changes)
    in_use = {device.controller for device in hardware.devices}
    for controller in now.hardware.controllers:
        is_new = (controller.bus, controller.number) not in kept
        if is_new and controller.model in _MODELS_WE_ADD and controller.key not in in_use:
            label = f"{controller.bus.upper()} controller {controller.number}"
            yield RemoveDevice(controller.key, label)
