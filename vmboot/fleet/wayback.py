"""The pure part of undo: what the journal recorded, what is there now, and the way back.

A machine goes back only if it is as one of the runs left it. If somebody changed it since, it is
refused with the differences named; with ``force`` only what vmboot itself had changed goes back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vmboot.fleet.codec import encode
from vmboot.fleet.journal import Intent
from vmboot.fleet.plan import PowerPolicy, Problem, Verdict
from vmboot.fleet.steps import Step
from vmboot.fleet.words import DiffLine, diff
from vmboot.vsphere.changes import (
    Change,
    DetachDisk,
    MoveDevice,
    SetBootOrder,
    SetCdrom,
    SetExtra,
)
from vmboot.vsphere.devices import defer_boot_order, map_boot_order, plan_restore, same_boot
from vmboot.vsphere.machine import (
    BootEntry,
    Controller,
    Device,
    DeviceKind,
    Hardware,
    Machine,
    Power,
)
from vmboot.vsphere.ourdisks import is_ours, named, our_name, warn_renamed
from vmboot.vsphere.securedb import own_part as own_db
from vmboot.vsphere.securedb import place_of
from vmboot.vsphere.slots import Slot, disks, drives, find_controller, slot_of
from vmboot.vsphere.twins import twin_disks


@dataclass(frozen=True)
class MachineUndo:
    """One machine's way back. Reads like a :class:`~vmboot.fleet.plan.MachinePlan`.

    :param found: as it is; ``None`` if it does not exist any more
    :param now: changes made at once
    :param later: changes that need it powered off first
    :param to_template: it is a template when all is done
    :param power_on: it ran before and was shut down for its change, or runs and is to go down
    :param down: it runs, and is shut down to be restored
    """

    before: Machine
    found: Machine | None
    verdict: Verdict
    now: tuple[Change, ...] = ()
    later: tuple[Change, ...] = ()
    to_template: bool = False
    power_on: bool = False
    down: bool = False
    problems: tuple[Problem, ...] = ()

    @property
    def machine(self) -> Machine:
        return self.found or self.before

    @property
    def make_template(self) -> bool:
        """True if it is a VM now and was a template."""
        return self.to_template and not self.machine.is_template

    @property
    def step(self) -> Step:
        """For :class:`~vmboot.fleet.execute.Execution`."""
        return Step(self.machine, self.now, self.to_template)

    @property
    def diff(self) -> tuple[DiffLine, ...]:
        """Everything that changes, in words."""
        was, then = ("on", "off, then on again") if self.down else ("off", "on")
        power = (DiffLine("power", was, then),) if self.power_on else ()
        return (*diff(self), *power)

    def to_json(self) -> dict[str, Any]:
        return {
            "path": self.machine.path,
            "moid": self.before.moid,
            "verdict": self.verdict.value,
            "diff": [line.to_json() for line in self.diff],
            "problems": encode(self.problems),
        }


def way_back(
    before: Machine,
    intents: Sequence[Intent],
    now: Machine | None,
    *,
    undo_intents: Sequence[Intent] = (),
    force: bool = False,
    was_shut_down: bool = False,
    power: PowerPolicy = "leave",
) -> MachineUndo:
    """How ``now`` gets back to ``before``.

    :param intents: everything vmboot was about to do to it since, the oldest first
    :param undo_intents: what an earlier undo, maybe a killed one, was about to do
    :param was_shut_down: it ran, and was shut down for its change
    :param power: ``off`` plans for it to be shut down where that is needed
    """
    undo = _way_back(before, intents, undo_intents, now, force)
    if power == "off" and undo.later and undo.machine.power is Power.ON:
        return _after_shutdown(undo)
    if undo.verdict not in (Verdict.OK, Verdict.CHANGE) or not was_shut_down:
        return undo
    if undo.machine.power is not Power.OFF or undo.to_template:
        return undo
    return replace(undo, verdict=Verdict.CHANGE, power_on=True)


def _after_shutdown(undo: MachineUndo) -> MachineUndo:
    """It goes down, is restored, and runs again, unless it is a template then."""
    return replace(
        undo,
        verdict=Verdict.CHANGE,
        now=undo.later,
        later=(),
        problems=tuple(problem for problem in undo.problems if problem.warning),
        down=True,
        power_on=not undo.to_template,
    )


def _way_back(
    before: Machine,
    intents: Sequence[Intent],
    undo_intents: Sequence[Intent],
    now: Machine | None,
    force: bool,
) -> MachineUndo:
    if now is None or now.uuid != before.uuid:
        gone = Problem("it does not exist any more", hint="there is nothing to restore")
        return MachineUndo(before, None, Verdict.REFUSED, problems=(gone,))
    if _same(before, now):
        return _restored(before, now, ())
    obstacle = _obstacle(before, now, force=force)
    if obstacle is not None:
        return MachineUndo(before, now, Verdict.REFUSED, problems=(obstacle,))
    if any(_is_after(intent, now) for intent in (*intents, *undo_intents)):
        return _restored(before, now, plan_restore(_as(now, before), before))
    if force:
        return _restored(
            before, now, plan_restore(_as(now, before), own_part(before, intents, now))
        )
    changed = "; ".join(_differences(intents[-1].after, now))
    problem = Problem(
        f"changed since by someone: {changed}",
        hint="look at it; --force restores only what vmboot had changed",
    )
    return MachineUndo(before, now, Verdict.REFUSED, problems=(problem,))


def _obstacle(before: Machine, now: Machine, *, force: bool) -> Problem | None:
    """Why it does not go back, whoever changed it."""
    if now.is_template and not before.is_template:
        return Problem(
            "somebody made it a template since",
            hint="convert it to a virtual machine first, if it is not to stay one; then undo again",
        )
    unknown = _unknown_disk(before, now)
    if force and unknown is not None:
        return Problem(
            f"which disk {unknown.label or unknown.file} of its boot order is now cannot be told",
            hint=f"it was {unknown.file}; put drives and boot order back by hand",
        )
    return None


def _unknown_disk(before: Machine, now: Machine) -> Device | None:
    """A disk of the old boot order without a twin, though one of today's disks may be it."""
    twins = twin_disks(before.hardware, now.hardware)
    known = {twin.key for twin in twins.values()}
    if all(disk.key in known for disk in _strangers(now)):
        return None
    ordered = {entry.key for entry in before.boot_order if entry.kind == "disk"}
    lost = (disk for disk in _strangers(before) if disk.key in ordered)
    return next((disk for disk in lost if disk.key not in twins), None)


def _strangers(machine: Machine) -> list[Device]:
    """Its disks without BDM disks, which are told by their name."""
    disks_ = (d for d in machine.hardware.devices if d.kind is DeviceKind.DISK)
    return [disk for disk in disks_ if not is_ours(disk, machine)]


def _restored(before: Machine, now: Machine, changes: tuple[Change, ...]) -> MachineUndo:
    warnings = tuple(_warnings(now, changes))
    undo = MachineUndo(
        before, now, Verdict.CHANGE, changes, to_template=before.is_template, problems=warnings
    )
    if not changes and not undo.make_template:
        return replace(undo, verdict=Verdict.OK)
    if now.power is not Power.OFF and (undo.make_template or not _live(now, changes)):
        how = "power it off" if now.power is Power.ON else "resume it or discard its state"
        problem = Problem(
            "it must be powered off for that", f"{how}, then undo again; or undo with --power off"
        )
        pending = replace(undo, verdict=Verdict.PENDING, problems=(problem, *warnings))
        return replace(pending, now=(), later=changes)
    return undo


def _warnings(now: Machine, changes: Sequence[Change]) -> Iterator[Problem]:
    """Of disks that are to go though their names do not say that they are ours."""
    gone = {c.key for c in changes if isinstance(c, DetachDisk) and not our_name(c.file)}
    for disk in now.hardware.devices:
        if disk.key in gone:
            yield warn_renamed(disk, now)


def _live(now: Machine, changes: Sequence[Change]) -> bool:
    edits = all(isinstance(change, SetCdrom | SetExtra | SetBootOrder) for change in changes)
    of_firmware = any(place_of(change) is not None for change in changes)
    return edits and not of_firmware and now.power is Power.ON


def _as(machine: Machine, other: Machine) -> Machine:
    """``machine``, a template or not like ``other``: that is mended on the way."""
    return replace(machine, is_template=other.is_template)


def _differences(one: Machine, now: Machine) -> tuple[str, ...]:
    """In what it boots from. That storage vMotion renamed our disk is none."""
    return same_boot(named(_as(one, now)), named(now))


def _same(one: Machine, now: Machine) -> bool:
    return not _differences(one, now)


def _is_after(intent: Intent, now: Machine) -> bool:
    """True if ``now`` is what ``intent`` led to, or where a crash left it half-way."""
    if _same(intent.after, now):
        return True
    if defer_boot_order(intent.changes, machine=intent.before)[1] is None:
        return False
    as_moved = _same(replace(intent.after, boot_order=()), replace(now, boot_order=()))
    return as_moved and _is_left_order(intent, now)


def _is_left_order(intent: Intent, now: Machine) -> bool:
    """True if the boot order is what a crash before the second reconfigure leaves.

    That is the old one, where a moved disk stands with its old key, with its new one, or not at
    all any more, as a detached one does: the server decides that.
    """
    moved = {c.key for c in intent.changes if isinstance(c, MoveDevice | DetachDisk)}
    twins = twin_disks(named(intent.before).hardware, named(now).hardware)
    new_keys = {twin.key: key for key, twin in twins.items()}

    def meant(entry: BootEntry, key: int | None) -> BootEntry | None:
        is_moved = entry.kind == "disk" and (key is None or key in moved)
        return None if is_moved else replace(entry, key=key)

    old = [meant(entry, entry.key) for entry in intent.before.boot_order]
    found = [
        meant(e, new_keys.get(e.key) if e.kind == "disk" and e.key is not None else e.key)
        for e in now.boot_order
    ]
    return found in (old, [entry for entry in old if entry is not None])


def own_part(before: Machine, intents: Sequence[Intent], now: Machine) -> Machine:
    """``now`` with those parts as in ``before`` that vmboot changed, and everything else kept."""
    recorded, before, now = before, named(before), named(now)
    after = named(intents[-1].after)
    devices = [
        device for device in now.hardware.devices if not _is_added(device, before, after, now)
    ]
    kept = Hardware(now.hardware.controllers, tuple(devices))
    devices = [_own_device(device, before, after, kept) for device in devices]
    devices += _taken_away(recorded, after, Hardware(now.hardware.controllers, tuple(devices)))
    controllers = tuple(_controllers(now.hardware.controllers, devices, before, after))
    media = before.media if now.media == after.media else now.media
    displaced = before.displaced if now.displaced == after.displaced else now.displaced
    db = now.secure_db
    if before.secure_db and after.secure_db and db:
        db = own_db(before.secure_db, after.secure_db, db)
    hardware = Hardware(controllers, tuple(devices))
    wanted = replace(now, hardware=hardware, media=media, displaced=displaced, secure_db=db)
    order = map_boot_order(before.boot_order, of=before, to=named(wanted))
    return replace(wanted, boot_order=order)


def _is_added(device: Device, before: Machine, after: Machine, now: Machine) -> bool:
    """A BDM disk that we attached, or a drive that still holds what we put into it."""
    if is_ours(device, now):
        return _home(device, before, now.hardware) is None and (
            _home(device, after, now.hardware) is not None
        )
    slot = _drive_slot(device, now.hardware)
    if slot is None or slot in drives(before.hardware):
        return False
    ours = drives(after.hardware).get(slot)
    return ours is not None and ours.backing is not None and _path(ours) == _path(device)


def _taken_away(before: Machine, after: Machine, kept: Hardware) -> Iterator[Device]:
    """BDM disks that we detached, with the files they have, if their places are free."""
    held = named(before).hardware
    left, there = (twin_disks(held, other) for other in (after.hardware, kept))
    for slot, disk in disks(before.hardware).items():
        is_gone = disk.key not in left and disk.key not in there
        controller = find_controller(kept, slot.bus, slot.number)
        is_free = controller is not None and slot not in drives(kept) and slot not in disks(kept)
        if is_ours(disk, before) and is_gone and is_free and controller is not None:
            yield replace(disk, controller=controller.key)


def _own_device(device: Device, before: Machine, after: Machine, kept: Hardware) -> Device:
    slot = _drive_slot(device, kept)
    if slot is not None:
        was, ours = drives(before.hardware).get(slot), drives(after.hardware).get(slot)
        touched = was is not None and ours is not None and was != ours
        if touched and was is not None:
            return replace(device, backing=was.backing, connection=was.connection)
        return device
    return _own_disk(device, before, after, kept)


def _own_disk(device: Device, before: Machine, after: Machine, kept: Hardware) -> Device:
    """A disk that we moved goes home, if its place is free."""
    was, ours = _home(device, before, kept), _home(device, after, kept)
    if was is None or ours is None or was == ours or was in drives(kept) or was in disks(kept):
        return device
    controller = find_controller(kept, was.bus, was.number)
    if controller is None:
        return device
    return replace(device, controller=controller.key, unit=was.unit)


def _home(disk: Device, then: Machine, kept: Hardware) -> Slot | None:
    """Where a disk of ``kept`` was ``then``."""
    twins = twin_disks(kept, then.hardware)
    return slot_of(then.hardware, twins[disk.key]) if disk.key in twins else None


def _controllers(
    controllers: Sequence[Controller], devices: Sequence[Device], before: Machine, after: Machine
) -> Iterator[Controller]:
    """Without those that vmboot added and that hold nothing."""
    known = {(c.bus, c.number) for c in before.hardware.controllers}
    added = {(c.bus, c.number) for c in after.hardware.controllers} - known
    used = {device.controller for device in devices}
    for controller in controllers:
        if (controller.bus, controller.number) not in added or controller.key in used:
            yield controller


def _drive_slot(device: Device, hardware: Hardware) -> Slot | None:
    return slot_of(hardware, device) if device.kind is DeviceKind.CDROM else None


def _path(device: Device) -> str:
    return device.backing.path if device.backing is not None else ""
