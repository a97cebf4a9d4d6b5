"""Changes and states in words: what a person reads in a plan, a diff or a status.

Data out, no layout: the CLI and the Ansible module decide how a line looks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

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
from vmboot.vsphere.dspath import file_name
from vmboot.vsphere.effects import apply_changes
from vmboot.vsphere.machine import (
    BootEntry,
    CdBacking,
    Connection,
    Device,
    DeviceKind,
    Hardware,
    Machine,
)
from vmboot.vsphere.ourdisks import our_name
from vmboot.vsphere.sameness import words
from vmboot.vsphere.securedb import place_of

_MASTERS = "vmboot"  # the usual media.bdm.folder
_KINDS = {"cdrom": "CD", "disk": "disk", "ethernet": "network", "floppy": "floppy"}


@dataclass(frozen=True)
class DiffLine:
    """One difference, before and after, in words.

    :param later: it waits for the machine's next power off
    """

    what: str
    before: str
    after: str
    later: bool = False

    def to_json(self) -> dict[str, Any]:
        return {"what": self.what, "before": self.before, "after": self.after, "later": self.later}


class Planned(Protocol):
    """What a machine's plan, and its way back, have in common."""

    @property
    def machine(self) -> Machine: ...
    @property
    def now(self) -> tuple[Change, ...]: ...
    @property
    def later(self) -> tuple[Change, ...]: ...
    @property
    def make_template(self) -> bool: ...


def diff(plan: Planned) -> tuple[DiffLine, ...]:
    """Everything a plan changes about one machine, in the order it is done."""
    lines = [*changes_in_words(plan.now, plan.machine.hardware)]
    lines += changes_in_words(plan.later, plan.machine.hardware, later=True)
    if plan.make_template:
        lines.append(DiffLine("kind", "VM (left so by an unfinished run)", "template"))
    return tuple(lines)


def changes_in_words(
    changes: Iterable[Change], hardware: Hardware, *, later: bool = False
) -> tuple[DiffLine, ...]:
    """``changes`` to ``hardware``, one line each; a BDM disk for another at its place is one.

    What reads the same before and after, as a boot order in which only device keys change, is left
    out, unless nothing else would be left to say.
    """
    changes = tuple(changes)
    slots = Slots(hardware, changes)
    replaced = [slots.replaced(change) for change in changes if isinstance(change, AddDisk)]
    shown = (change for change in changes if change not in replaced)
    lines = tuple(DiffLine(*_line(change, slots), later) for change in shown)
    return tuple(line for line in lines if line.before != line.after) or lines


def _line(change: Change, slots: Slots) -> tuple[str, str, str]:
    match change:
        case AddController():
            return f"{change.bus.upper()} controller {change.number}", "none", change.model
        case AddCdrom():
            slot = slots.name(change.controller, change.unit)
            return f"CD/DVD drive at {slot}", "none", drive(change.backing, change.connection)
        case SetCdrom():
            return (
                f"{change.label or 'CD/DVD drive'} ({slots.name(change.controller, change.unit)})",
                drive(change.before, change.before_connection),
                drive(change.backing, change.connection),
            )
        case AddDisk() | DetachDisk() | MoveDevice():
            return _disk_line(change, slots)
        case RemoveDevice():
            return change.label or f"device {change.key}", "there", "removed"
        case SetExtra() | SetBootOrder():
            return _setting_line(change, slots)


def _disk_line(change: AddDisk | DetachDisk | MoveDevice, slots: Slots) -> tuple[str, str, str]:
    match change:
        case AddDisk():
            old = slots.replaced(change)
            slot = slots.name(change.controller, change.unit)
            return f"boot disk at {slot}", old.file if old else "none", change.file
        case DetachDisk():
            file = "its file deleted" if _is_copy(change.file) else "file kept"
            return f"boot disk at {slots.place(change.key)}", change.file, f"detached, {file}"
        case MoveDevice():
            return (
                change.label or f"device {change.key}",
                slots.name(change.from_controller, change.from_unit),
                slots.name(change.to_controller, change.to_unit),
            )


def _is_copy(file: str) -> bool:
    """True for a copy that a run deletes when nobody holds it: no master, no snapshot's delta.

    A renamed disk, as a clone's, stays too. Where masters are in a folder of another name, one
    that somebody attached by hand is taken for a copy here; it stays all the same.
    """
    name = file_name(file)
    return our_name(file) == name != "" and not file.endswith(f"] {_MASTERS}/{name}")


def _setting_line(change: SetExtra | SetBootOrder, slots: Slots) -> tuple[str, str, str]:
    if isinstance(change, SetExtra):
        if place_of(change) is not None:
            what = f"certificate for Secure Boot ({change.name})"
            before = "its file is missing" if change.before == change.after else change.before
            return what, before or "none", change.after or "none"
        return change.name, change.before or "none", change.after or "none"
    return "boot order", slots.order(change.before), slots.order_after(change.after)


class Slots:
    """Names for device keys of one machine, those of added controllers included."""

    def __init__(self, hardware: Hardware, changes: Iterable[Change] = ()) -> None:
        self._buses = {c.key: (str(c.bus.upper()), c.number) for c in hardware.controllers}
        changes = tuple(changes)
        for change in changes:
            if isinstance(change, AddController):
                self._buses[change.temp_key] = (str(change.bus.upper()), change.number)
        after, _ = apply_changes(hardware, (), changes)
        self._devices = {device.key: device for device in hardware.devices}
        self._devices_after = {device.key: device for device in after.devices}
        self._detached = [change for change in changes if isinstance(change, DetachDisk)]

    def name(self, controller: int | None, unit: int | None) -> str:
        """``"IDE 0:0"``: bus, controller number, unit."""
        bus, number = self._buses.get(controller or 0, ("controller", controller))
        return f"{bus} {number}:{unit}"

    def place(self, key: int) -> str:
        """Where a device is before the changes."""
        device = self._devices.get(key)
        return self.name(device.controller, device.unit) if device else f"key {key}"

    def replaced(self, new: AddDisk) -> DetachDisk | None:
        """The disk that is detached to make room for ``new``."""
        slot = self.name(new.controller, new.unit)
        return next((old for old in self._detached if self.place(old.key) == slot), None)

    def order(self, entries: tuple[BootEntry, ...]) -> str:
        """``"CD, disk SCSI 0:0, Network adapter 1"``, with the places before the changes."""
        return self._order(entries, self._devices)

    def order_after(self, entries: tuple[BootEntry, ...]) -> str:
        """The same with the places after the changes."""
        return self._order(entries, self._devices_after)

    def _order(self, entries: tuple[BootEntry, ...], devices: Mapping[int, Device]) -> str:
        return ", ".join(self._entry(entry, devices) for entry in entries) or "the firmware's own"

    def _entry(self, entry: BootEntry, devices: Mapping[int, Device]) -> str:
        kind = _KINDS.get(entry.kind, entry.kind)
        device = devices.get(entry.key) if entry.key is not None else None
        if device is None:
            return kind if entry.key is None else f"{kind} (key {entry.key})"
        if device.kind is DeviceKind.NIC:
            return device.label or device.mac
        return f"{kind} {self.name(device.controller, device.unit)}"


def drive(backing: CdBacking | None, connection: Connection | None) -> str:
    """What a CD/DVD drive holds: ``"[shared-01] vmboot/x.iso, connects at power on"``."""
    held = words(backing)
    start = connection is not None and connection.start_connected
    guest = "" if connection is None or connection.allow_guest_control else ", not by the guest"
    return f"{held}, {'connects at power on' if start else 'not connected at power on'}{guest}"
