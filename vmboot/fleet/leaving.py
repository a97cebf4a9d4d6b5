"""Away from method ``bdm``: a machine that is to boot otherwise gives its BDM disk back.

The disk is detached, and the disk that had made room for it goes back to 0:0, so that the machine
finds its own system where a BIOS looks for it. Which disk that was, extraConfig
``vmboot.displaced`` says; where it does not, as after a run of an older vmboot, or where that disk
is gone, the one that the boot order names first is taken, else the lowest "Hard disk N", and the
plan says so. A machine that only says it has such a disk gets rid of the word. The copy's file
goes when the run has read back
that nothing holds it. The other way, from ``iso`` to ``bdm``, the CD-ROM drive keeps what it holds:
it stands behind the disk in the boot order, as it does for method ``pxe``. Pure.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

from vmboot.vsphere.cdrom import SlotPlan
from vmboot.vsphere.changes import Change, DetachDisk, MoveDevice, Problem, SetExtra
from vmboot.vsphere.machine import Controller, Device, Machine
from vmboot.vsphere.ourdisks import (
    DISPLACED_KEY,
    MEDIA_KEY,
    NOTHING_MOVED,
    is_ours,
    lookalikes,
    our_name,
    warn_renamed,
)
from vmboot.vsphere.slots import disks, slot_of

_MULTI_WRITER = "sharingMultiWriter"


def leave_bdm(machine: Machine) -> SlotPlan:
    """The changes that take vmboot's BDM disks out of ``machine``; nothing where it has none."""
    ours = [device for device in machine.hardware.devices if is_ours(device, machine)]
    if not ours:
        return SlotPlan(tuple(_forgotten(machine)))
    why = _obstacle(machine, ours)
    if why:
        names = ", ".join(disk.label or disk.file for disk in ours)
        hint = "it does no harm behind the others in the boot order; plan again when that is over"
        return SlotPlan(problems=(Problem(f"its BDM disk {names} stays: {why}", hint, True),))
    changes: list[Change] = [DetachDisk(disk.key, disk.label, disk.file) for disk in ours]
    place = next((disk for disk in ours if _is_first_place(disk, machine)), None)
    home = _comes_home(machine, place, ours) if place is not None else None
    problems = tuple(warn_renamed(disk, machine) for disk in ours if not our_name(disk.file))
    if place is not None and home is not None and _may_move(home):
        changes.append(_moved(home, place))
        if home.uuid != machine.displaced or not home.uuid:
            problems = (*problems, _guessed(machine, home, place))
    changes += _without_words(machine)
    return SlotPlan(tuple(changes), powered_off_only=True, problems=problems)


def _forgotten(machine: Machine) -> Iterator[SetExtra]:
    """What a machine says of a disk that is gone; kept where that cannot be known for sure."""
    is_known = not machine.unavailable and machine.hardware.devices and not lookalikes(machine)
    if is_known and not machine.fault_tolerant:
        yield from _without_words(machine)


def _without_words(machine: Machine) -> Iterator[SetExtra]:
    for name, value in ((MEDIA_KEY, machine.media), (DISPLACED_KEY, machine.displaced)):
        if value:
            yield SetExtra(name, value, "")


def _obstacle(machine: Machine, ours: list[Device]) -> str:
    if machine.has_snapshot:
        return "a disk with snapshots cannot be detached"
    if machine.fault_tolerant:
        return "fault tolerance is on"
    if any(disk.disk is not None and disk.disk.has_parent for disk in ours):
        return "it is a linked clone's"
    return ""


def _is_first_place(disk: Device, machine: Machine) -> bool:
    slot = slot_of(machine.hardware, disk)
    return slot is not None and (slot.number, slot.unit) == (0, 0)


def _comes_home(machine: Machine, place: Device, ours: list[Device]) -> Device | None:
    """The disk that made room at ``place``, of those the guest would find there; else a guess."""
    if machine.displaced == NOTHING_MOVED:
        return None
    others = [disk for disk in _on_alike(machine, place) if disk not in ours]
    known = (disk for disk in others if disk.uuid and disk.uuid == machine.displaced)
    return next(known, None) or _first(machine, others)


def _on_alike(machine: Machine, place: Device) -> Iterator[Device]:
    """Disks on the controllers that ``plan_bdm`` may have moved one to, by slot."""
    controllers = {controller.key: controller for controller in machine.hardware.controllers}
    placed = sorted(disks(machine.hardware).items(), key=lambda item: item[0])
    wanted = _model(controllers[place.controller or 0])
    for _, disk in placed:
        if _model(controllers[disk.controller or 0]) == wanted:
            yield disk


def _model(controller: Controller) -> tuple[str, str]:
    return controller.bus, controller.model


def _first(machine: Machine, others: list[Device]) -> Device | None:
    """Which the machine starts from, as far as can be told."""
    by_key = {disk.key: disk for disk in others}
    keys = (entry.key for entry in machine.boot_order if entry.kind == "disk")
    listed = (by_key[key] for key in keys if key in by_key)
    return next(listed, None) or min(others, key=_label_number, default=None)


def _label_number(disk: Device) -> int:
    number = re.search(r"\d+$", disk.label)
    return int(number[0]) if number else sys.maxsize


def _guessed(machine: Machine, disk: Device, place: Device) -> Problem:
    known = "is gone" if machine.displaced else "is not recorded"
    name = disk.label or disk.file
    return Problem(
        f"which disk made room for the BDM disk {known}: {name} goes to "
        f"{slot_of(machine.hardware, place)}",
        hint=f"look whether the machine starts from {name}; 'vmboot undo' puts all disks back",
        warning=True,
    )


def _may_move(disk: Device) -> bool:
    backing = disk.disk
    return backing is None or not (
        backing.kind == "rdm" or backing.has_parent or backing.sharing == _MULTI_WRITER
    )


def _moved(disk: Device, place: Device) -> MoveDevice:
    return MoveDevice(
        key=disk.key,
        label=disk.label,
        from_controller=disk.controller or 0,
        from_unit=disk.unit or 0,
        to_controller=place.controller or 0,
        to_unit=place.unit or 0,
    )
