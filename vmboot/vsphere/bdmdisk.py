"""Where the BDM disk goes: slot 0:0 of the bus that the firmware looks at.

The rules, in the order of application:

1. The bus is that of the first disk in the boot order; else that of SCSI controller 0, of NVMe
   controller 0, or of SATA controller 0 with a disk on it, in this order. A disk on IDE says
   nothing: 0:0 is for the CD-ROM drive there.
2. The slot is unit 0 of controller 0 of that bus. Where a CD-ROM drive or a device that is no disk
   has it, the next bus of rule 1 is taken: they are not moved.
3. Where no bus is left, SCSI controller 0 is added: a PVSCSI one, which the firmware boots from and
   the guest need not know; on hardware version 6 and older LSI Logic.
4. An older BDM disk of vmboot's, wherever it is, is detached; the very one that is wanted moves
   to the slot if it is elsewhere.
5. A disk of somebody else's at the slot moves to the first free unit of the same controller, then
   of the next controller of the same model, so that the guest has a driver for it: never SCSI 7,
   at most 16 units (PVSCSI from hardware version 14 on: 64), NVMe 15, SATA 30. The live device is
   sent with two numbers changed, so backing, mode, sharing, IOPS limits and storage policy stay.
6. extraConfig ``vmboot.media`` names the BDM disk, ``vmboot.displaced`` the disk that left the slot
   for it, by UUID: another boot method puts that one back.
7. The boot order is the BDM disk, a NIC (not needed with ``efi.quickBoot.enabled`` FALSE), then
   the rest as it was. For PXE on disk the machine's own disk comes before the NIC: the one that
   stood first in the order, else the one at the slot, else the lowest of the slot's bus. A machine
   without work then starts from it at once.

Disks change places only while the machine is off. Refused, each with a reason: a change to a fault
tolerant machine; disks of an encrypted machine or on a shared SCSI bus; to move or detach a disk
with snapshots, of a linked clone, shared between machines, or raw (its SCSI address may be a
cluster's quorum).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from vmboot.errors import InputError
from vmboot.vsphere.bootorder import nics, plan_disk_order
from vmboot.vsphere.cdrom import SlotPlan, out_of_reach
from vmboot.vsphere.changes import (
    AddController,
    AddDisk,
    Change,
    DetachDisk,
    MoveDevice,
    Problem,
    SetBootOrder,
    SetExtra,
)
from vmboot.vsphere.dspath import folder_of
from vmboot.vsphere.effects import machine_after
from vmboot.vsphere.machine import Bus, Device, DeviceKind, Hardware, Machine, Power
from vmboot.vsphere.ourdisks import (
    DISK_BUSES,
    DISPLACED_KEY,
    MEDIA_KEY,
    NOTHING_MOVED,
    OUR_DISK,
    is_apart,
    is_ours,
    media_of,
    media_on,
    our_name,
    warn_renamed,
)
from vmboot.vsphere.slots import (
    PVSCSI_MODEL,
    Slot,
    disks,
    find_controller,
    occupants,
    slot_of,
    units,
)

__all__ = ["LSI_MODEL", "OUR_DISK", "boot_place", "is_ours", "plan_bdm"]

LSI_MODEL = "VirtualLsiLogicController"
PVSCSI_HW_VERSION = 7
"""The oldest virtual hardware with PVSCSI (VMware KB 1010398)."""
MULTI_WRITER = "sharingMultiWriter"
_NEW_CONTROLLER = -301
_NEW_DISK = -302


@dataclass(frozen=True)
class _Layout:
    """What is where, and what is wanted.

    :param slot: where the BDM disk belongs
    :param held: what is there now
    :param wanted: the machine's disk that carries what is wanted already
    :param stale: its other BDM disks
    :param moving: the device that has to leave the slot
    :param new_home: the first free unit for it
    """

    machine: Machine
    slot: Slot
    held: Device | None
    wanted: Device | None
    stale: tuple[Device, ...]
    moving: Device | None
    new_home: Slot | None


def plan_bdm(
    machine: Machine, *, file: str, datastore: str, media: str, disk_next: bool = False
) -> SlotPlan:
    """The changes that put the BDM disk ``file`` into slot 0:0 and first in the boot order.

    :param file: datastore path of this machine's copy; it must exist when the changes are made
    :param datastore: managed object id of the copy's datastore
    :param media: what extraConfig says of it, see :func:`~vmboot.vsphere.ourdisks.media_of`
    :param disk_next: the loader may give back (PXE on disk): the machine's own disk comes next in
        the boot order, before the NIC
    :raises InputError: ``file`` does not have the name of that BDM disk, so that it could not be
        told from other disks afterwards
    """
    if media_of(file) != media or not media:
        raise InputError(
            f"{file} is not named as the BDM disk {media!r}",
            hint="its name is vmboot-<name>-<first 12 digits of its SHA-256>.vmdk",
        )
    if machine.unavailable or not (machine.hardware.controllers or machine.hardware.devices):
        return SlotPlan(problems=(out_of_reach(machine),))
    layout = _layout(machine, media)
    moves = tuple(_disk_changes(layout, file, datastore))
    then = _own_disk(layout) if disk_next else None
    changes: tuple[Change, ...] = (*moves, *_settings(moves, layout, media, then=then))
    problems = tuple(_obstacles(layout, moves, changes))
    if problems:
        return SlotPlan(problems=problems)
    needs_off = bool(moves) or (bool(changes) and machine.power is Power.SUSPENDED)
    return SlotPlan(changes, powered_off_only=needs_off, problems=tuple(_remarks(layout, file)))


def boot_place(machine: Machine) -> Slot:
    """The slot 0:0 that the BDM disk belongs into; its controller may still have to be added."""
    taken = occupants(machine.hardware)
    places = [Slot(bus, 0, 0) for bus in dict.fromkeys(_buses(machine))]
    for place in places:
        if place not in taken or taken[place].kind is DeviceKind.DISK:
            return place
    new = Slot(Bus.SCSI, 0, 0)
    return places[0] if new in taken else new


def _buses(machine: Machine) -> Iterator[Bus]:
    """The buses in the order the firmware looks at them."""
    hardware = machine.hardware
    there = {c.bus for c in hardware.controllers if c.number == 0}
    by_key = {disk.key: slot.bus for slot, disk in disks(hardware).items()}
    ordered = (by_key.get(entry.key or 0) for entry in machine.boot_order if entry.kind == "disk")
    first = next((bus for bus in ordered if bus is not None), None)
    # Boot from SCSI is SCSI 0:0 even where only SCSI controller 1 is there yet.
    if first is Bus.SCSI or (first in there and first in DISK_BUSES):
        yield first
    for bus in (Bus.SCSI, Bus.NVME):
        if bus in there:
            yield bus
    if any((slot.bus, slot.number) == (Bus.SATA, 0) for slot in disks(hardware)):
        yield Bus.SATA


def _layout(machine: Machine, media: str) -> _Layout:
    slot = boot_place(machine)
    held = occupants(machine.hardware).get(slot)
    ours = [device for device in machine.hardware.devices if is_ours(device, machine)]
    fitting = [device for device in ours if media_on(device, machine) == media]
    wanted = held if held in fitting else next(iter(fitting), None)
    stale = tuple(device for device in ours if device is not wanted)
    moving = None if held in (wanted, *stale, None) else held
    new_home = None if moving is None else _free_unit(machine, moving)
    return _Layout(machine, slot, held, wanted, stale, moving, new_home)


def _disk_changes(layout: _Layout, file: str, datastore: str) -> Iterator[Change]:
    """In the order that a server takes: what frees a place comes before what needs it."""
    hardware, slot = layout.machine.hardware, layout.slot
    for disk in layout.stale:
        yield DetachDisk(disk.key, disk.label, disk.file)
    if layout.moving is not None and layout.new_home is not None:
        yield _moved(hardware, layout.moving, layout.new_home)
    controller = find_controller(hardware, slot.bus, slot.number)
    if controller is None:
        yield AddController(_NEW_CONTROLLER, slot.bus, slot.number, _model(layout.machine))
    key = controller.key if controller is not None else _NEW_CONTROLLER
    if layout.wanted is None:
        yield AddDisk(_NEW_DISK, key, slot.unit, file, datastore)
    elif layout.wanted is not layout.held:
        yield _moved(hardware, layout.wanted, slot, to_controller=key)


def _own_disk(layout: _Layout) -> int | None:
    """The key of the disk that the machine starts from without the BDM disk."""
    machine = layout.machine
    not_own = {disk.key for disk in (*layout.stale, layout.wanted) if disk is not None}
    places = disks(machine.hardware).items()
    own = {disk.key: slot for slot, disk in places if disk.key not in not_own}
    listed = (e.key for e in machine.boot_order if e.kind == "disk" and e.key in own)
    # The one at the slot is the lowest, too: a unit 0 of controller 0.
    lowest = sorted(own, key=lambda key: (own[key].bus is not layout.slot.bus, own[key]))
    return next(chain(listed, lowest), None)


def _settings(
    moves: tuple[Change, ...], layout: _Layout, media: str, *, then: int | None
) -> Iterator[SetExtra | SetBootOrder]:
    machine = layout.machine
    if machine.media != media:
        yield SetExtra(MEDIA_KEY, machine.media, media)
    displaced = _displaced(layout)
    if machine.displaced != displaced:
        yield SetExtra(DISPLACED_KEY, machine.displaced, displaced)
    key = _NEW_DISK if layout.wanted is None else layout.wanted.key
    order = plan_disk_order(machine_after(machine, moves), disk=key, then=then)
    if order is not None:
        yield order


def _displaced(layout: _Layout) -> str:
    """What the machine is to say of the disk that made room; kept where only ours changes."""
    if layout.moving is not None:
        return layout.moving.uuid
    ours = {disk.key for disk in (*layout.stale, layout.wanted) if disk is not None}
    others = {disk.uuid for disk in disks(layout.machine.hardware).values()}
    is_known = bool(ours) or not others or layout.machine.displaced in others
    return layout.machine.displaced if is_known else NOTHING_MOVED


def _model(machine: Machine) -> str:
    return LSI_MODEL if 0 < machine.hw_version < PVSCSI_HW_VERSION else PVSCSI_MODEL


def _moved(
    hardware: Hardware, device: Device, to: Slot, *, to_controller: int | None = None
) -> MoveDevice:
    target = find_controller(hardware, to.bus, to.number)
    return MoveDevice(
        key=device.key,
        label=device.label,
        from_controller=device.controller or 0,
        from_unit=device.unit or 0,
        to_controller=target.key if target is not None else to_controller or 0,
        to_unit=to.unit,
    )


def _free_unit(machine: Machine, device: Device) -> Slot | None:
    """The first free unit on the device's controller, or on another one of the same model."""
    own = next(c for c in machine.hardware.controllers if c.key == device.controller)
    alike = (c for c in machine.hardware.controllers if (c.bus, c.model) == (own.bus, own.model))
    taken = occupants(machine.hardware)
    for controller in sorted(alike, key=lambda c: (c is not own, c.number)):
        for unit in units(controller, hw_version=machine.hw_version):
            slot = Slot(controller.bus, controller.number, unit)
            if slot not in taken and not controller.shared:
                return slot
    return None


def _obstacles(
    layout: _Layout, moves: tuple[Change, ...], changes: tuple[Change, ...]
) -> Iterator[Problem]:
    """Why the machine is left alone. One that is right already is never refused."""
    machine = layout.machine
    if changes and machine.fault_tolerant:
        yield Problem(
            "fault tolerance is on, and its disks and boot order cannot be changed",
            hint="turn fault tolerance off for the change, or leave this machine out",
        )
    if not moves:
        return
    if machine.encrypted:
        yield Problem(
            "it is encrypted, and the BDM disk is not: the two do not go together",
            hint="decrypt it, or use method iso or pxe",
        )
    yield from _slot_obstacles(layout)
    for disk in _touched(layout):
        yield from _disk_obstacles(disk, layout)


def _slot_obstacles(layout: _Layout) -> Iterator[Problem]:
    slot, held = layout.slot, layout.held
    controller = find_controller(layout.machine.hardware, slot.bus, slot.number)
    if controller is not None and controller.shared:
        yield Problem(
            f"{slot} is on a SCSI bus that other machines share",
            hint="boot from a controller without bus sharing, or leave this machine out",
        )
    if held is not None and held.kind is not DeviceKind.DISK:
        yield Problem(
            f"{slot} is taken by {held.label or held.model}, which vmboot cannot move",
            hint=f"free {slot} by hand, or leave this machine out",
        )
    elif layout.moving is not None and layout.new_home is None:
        yield Problem(
            f"{slot} is taken by {layout.moving.label}, and no {slot.bus.upper()} unit is free "
            "for it",
            hint=f"move a disk from {slot.bus.upper()} to another controller by hand",
        )


def _touched(layout: _Layout) -> Iterator[Device]:
    """The disks that would move or go."""
    yield from layout.stale
    if layout.moving is not None and layout.moving.kind is DeviceKind.DISK:
        yield layout.moving
    if layout.wanted is not None and layout.wanted is not layout.held:
        yield layout.wanted


def _disk_obstacles(disk: Device, layout: _Layout) -> Iterator[Problem]:
    machine, backing = layout.machine, disk.disk
    name = f"{disk.label or disk.file} at {slot_of(machine.hardware, disk)}"
    if machine.has_snapshot:
        yield Problem(
            f"{name} cannot change its place while there are snapshots",
            hint="delete or consolidate the snapshots, then plan again",
        )
    elif backing is not None and backing.has_parent:
        yield Problem(
            f"{name} is a linked clone's, and depends on the disk it was cloned from",
            hint="make it a full clone, or leave this machine out",
        )
    if backing is not None and backing.sharing == MULTI_WRITER:
        yield Problem(
            f"{name} is shared with other machines (multi-writer), which expect it there",
            hint="leave this machine out, or move the disk by hand on all of them",
        )
    if backing is not None and backing.kind == "rdm":
        yield Problem(
            f"{name} is a raw device mapping, whose SCSI address a cluster may rely on",
            hint="move it by hand, or leave this machine out",
        )


def _remarks(layout: _Layout, file: str) -> Iterator[Problem]:
    """What a person should know, though it stands in nobody's way."""
    # A BDM disk at the wrong place does not boot.
    wrong = [disk for disk in (*layout.stale, layout.wanted) if disk not in (None, layout.held)]
    for disk in wrong:
        assert disk is not None
        place = slot_of(layout.machine.hardware, disk)
        yield Problem(
            f"the BDM disk sits at {place}; the firmware boots only {layout.slot}", warning=True
        )
    for ours in (*layout.stale, layout.wanted):
        if ours is not None and not our_name(ours.file):
            yield warn_renamed(ours, layout.machine)
    held = layout.wanted.file if layout.wanted is not None else ""
    if our_name(held) and is_apart(held, folder_of(file)):
        yield Problem(
            f"its BDM disk {held} is not in its own folder: a master, or another "
            "machine's copy, which only one machine can use at a time",
            hint="take it out of the machine by hand and keep its file: the next apply gives the "
            "machine a copy of its own",
            warning=True,
        )
    if not nics(layout.machine):
        yield Problem(
            "it has no network card, so its loader reaches no boot server",
            hint="add one, or leave this machine out",
            warning=True,
        )
