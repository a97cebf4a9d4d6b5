"""Away from method ``bdm``: a machine that is to boot otherwise gives its BDM disk back.

The disk is detached, and the disk that had made room for it goes back to 0:0, so that the machine
finds its own system where a BIOS looks for it. Which disk that was is not recorded in the machine;
it is the first one left on the same controller. The copy's file goes when the run has read back
that nothing holds it. The other way, from ``iso`` to ``bdm``, the CD-ROM drive keeps what it holds:
it stands behind the disk in the boot order, as it does for method ``pxe``. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from vmboot.vsphere.cdrom import SlotPlan
from vmboot.vsphere.changes import Change, DetachDisk, MoveDevice, Problem, SetExtra
from vmboot.vsphere.machine import Device, Machine
from vmboot.vsphere.ourdisks import MEDIA_KEY, is_ours
from vmboot.vsphere.slots import disks, slot_of

_MULTI_WRITER = "sharingMultiWriter"


def leave_bdm(machine: Machine) -> SlotPlan:
    """The changes that take vmboot's BDM disks out of ``machine``; nothing where it has none."""
    ours = [device for device in machine.hardware.devices if is_ours(device, machine)]
    if not ours:
        return SlotPlan()
    why = _obstacle(machine, ours)
    if why:
        names = ", ".join(disk.label or disk.file for disk in ours)
        hint = "it does no harm behind the others in the boot order; plan again when that is over"
        return SlotPlan(problems=(Problem(f"its BDM disk {names} stays: {why}", hint, True),))
    changes: list[Change] = [DetachDisk(disk.key, disk.label, disk.file) for disk in ours]
    changes += _homecoming(machine, ours)
    if machine.media:
        changes.append(SetExtra(MEDIA_KEY, machine.media, ""))
    return SlotPlan(tuple(changes), powered_off_only=True)


def _obstacle(machine: Machine, ours: list[Device]) -> str:
    if machine.has_snapshot:
        return "a disk with snapshots cannot be detached"
    if machine.fault_tolerant:
        return "fault tolerance is on"
    if any(disk.disk is not None and disk.disk.has_parent for disk in ours):
        return "it is a linked clone's"
    return ""


def _homecoming(machine: Machine, ours: list[Device]) -> Iterator[MoveDevice]:
    """The first other disk of that controller to 0:0, unless it must not be moved."""
    hardware = machine.hardware
    for place in ours:
        slot = slot_of(hardware, place)
        if slot is None or (slot.number, slot.unit) != (0, 0):
            continue
        on_it = sorted(disks(hardware).items(), key=lambda item: item[0])
        others = [d for _, d in on_it if d.controller == place.controller and d not in ours]
        if others and _may_move(others[0]):
            yield _moved(others[0], place)


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
