"""The way back: changes that make a machine boot again as a journal recorded it.

Removes what we added, moves back what we moved, puts back what we replaced. Disks are never
removed, and controllers only when they are AHCI, were not there before and hold nothing any more.
"""

from __future__ import annotations

from collections.abc import Iterator

from vmboot.vsphere.bootorder import map_boot_order
from vmboot.vsphere.cdrom import AHCI_MODEL
from vmboot.vsphere.changes import (
    AddCdrom,
    AddController,
    Change,
    MoveDevice,
    RemoveDevice,
    SetBootOrder,
    SetCdrom,
)
from vmboot.vsphere.effects import apply_changes
from vmboot.vsphere.machine import Bus, Connection, Device, Hardware, Machine, Power
from vmboot.vsphere.sameness import EMPTY_DRIVE, same_backing
from vmboot.vsphere.slots import Slot, disks, drives, find_controller
from vmboot.vsphere.twins import twin_disks

_FIRST_TEMP_KEY = -201


def plan_restore(now: Machine, before: Machine) -> tuple[Change, ...]:
    """What brings ``now`` back to ``before``, in the order one spec must carry it.

    Where a moved disk stands in the boot order, :func:`~vmboot.vsphere.bootorder.defer_boot_order`
    applies here too. Empty if nothing is to do.
    """
    changes: list[Change] = [*_remove_drives(now, before), *_move_disks(now, before)]
    changes += _set_drives(now, before)
    changes += _add_drives(now.hardware, before)
    changes += _remove_controllers(now, before, changes)
    order = map_boot_order(before.boot_order, of=before, to=now)
    if order != now.boot_order:
        changes.append(SetBootOrder(before=now.boot_order, after=order))
    return tuple(changes)


def _remove_drives(now: Machine, before: Machine) -> Iterator[RemoveDevice]:
    kept = drives(before.hardware)
    for slot, drive in drives(now.hardware).items():
        if slot not in kept:
            yield RemoveDevice(drive.key, drive.label)


def _move_disks(now: Machine, before: Machine) -> Iterator[MoveDevice]:
    homes = {disk.key: slot for slot, disk in disks(before.hardware).items()}
    places = {disk.key: slot for slot, disk in disks(now.hardware).items()}
    for key, disk in twin_disks(before.hardware, now.hardware).items():
        home = homes.get(key)
        if home is not None and disk.key in places and home != places[disk.key]:
            yield from _move(now.hardware, disk, home)


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


def _add_drives(hardware: Hardware, before: Machine) -> Iterator[Change]:
    """Drives somebody removed since; only a forced undo gets here."""
    present = drives(hardware)
    missing = [item for item in drives(before.hardware).items() if item[0] not in present]
    made: dict[tuple[Bus, int], int] = {}
    temp_key = _FIRST_TEMP_KEY
    for slot, wanted in missing:
        place = (slot.bus, slot.number)
        controller = find_controller(hardware, *place)
        if controller is None and place not in made:
            made[place], temp_key = temp_key, temp_key - 1
            yield AddController(made[place], slot.bus, slot.number, AHCI_MODEL)
        yield AddCdrom(
            temp_key=temp_key,
            controller=controller.key if controller else made[place],
            unit=slot.unit,
            backing=wanted.backing or EMPTY_DRIVE,
            connection=wanted.connection or Connection(),
        )
        temp_key -= 1


def _remove_controllers(
    now: Machine, before: Machine, changes: list[Change]
) -> Iterator[RemoveDevice]:
    kept = {(c.bus, c.number) for c in before.hardware.controllers}
    hardware, _ = apply_changes(now.hardware, (), changes)
    in_use = {device.controller for device in hardware.devices}
    for controller in now.hardware.controllers:
        is_ours = controller.model == AHCI_MODEL and (controller.bus, controller.number) not in kept
        if is_ours and controller.key not in in_use:
            yield RemoveDevice(controller.key, f"SATA controller {controller.number}")
