"""Where the boot ISO goes: slot 0:0 of the controller the firmware looks at first.

The rules, in order:

1. A CD-ROM drive that sits at IDE 0:0 or SATA 0:0 is used; of two, the one on the bus the firmware
   prefers (BIOS: IDE; UEFI: SATA where the machine has a drive or AHCI controller 0 there).
2. Otherwise a drive is added at 0:0 of the preferred bus, with the controller where it is missing.
   IDE controllers are there by default and cannot be added, so without one it is SATA.
3. A disk at 0:0 moves to the first free unit of the same bus. Its backing is not touched.

At power on ``startConnected`` counts, so ``connected`` is false in everything we change: a running
guest sees nothing new, vMotion is not held up, and the ISO is there at the next power on. Media
that are connected to a running guest may be in use, an installer's for one: they are replaced when
it is off. Only a boot ISO of our own goes at once, as a guest that booted from it is done with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from vmboot.model import Firmware
from vmboot.vsphere.changes import AddCdrom, AddController, Change, MoveDevice, Problem, SetCdrom
from vmboot.vsphere.machine import (
    Bus,
    CdBacking,
    Connection,
    Device,
    DeviceKind,
    Hardware,
    Machine,
    Power,
)
from vmboot.vsphere.sameness import EMPTY_DRIVE, same_backing, words
from vmboot.vsphere.slots import Slot, drives, find_controller, free_slots, occupants, slot_of

OUR_ISO = re.compile(r"vmboot-[a-z0-9][a-z0-9-]*-[0-9a-f]{12}\.iso")
"""The name of every boot ISO that vmboot makes: its own name and 12 digits of its hash."""
AHCI_MODEL = "VirtualAHCIController"
AHCI_HW_VERSION = 10
"""The oldest virtual hardware with SATA (VMware KB 1003746)."""
_NEW_CONTROLLER = -101
_NEW_DRIVE = -102


@dataclass(frozen=True, slots=True)
class SlotPlan:
    """How the ISO gets to slot 0:0.

    :param changes: in the order in which one spec must carry them; empty if nothing is to do
    :param powered_off_only: the changes cannot be made while the machine runs
    :param problems: any that is no ``warning`` means: refused, ``changes`` is empty
    """

    changes: tuple[Change, ...] = ()
    powered_off_only: bool = False
    problems: tuple[Problem, ...] = ()

    @property
    def refused(self) -> bool:
        """True if the machine must not be touched."""
        return any(not problem.warning for problem in self.problems)


def plan_cdrom(machine: Machine, *, iso: CdBacking) -> SlotPlan:
    """The changes that put ``iso`` into slot 0:0, connected at power on."""
    if machine.unavailable or not machine.hardware.controllers:
        return SlotPlan(problems=(out_of_reach(machine),))
    slot = boot_slot(machine)
    held = occupants(machine.hardware).get(slot)
    if held is not None and held.kind is DeviceKind.CDROM:
        changes: tuple[Change, ...] = tuple(_use(held, iso))
    else:
        problems = tuple(_obstacles(machine, slot, held))
        if problems:
            return SlotPlan(problems=problems)
        changes = tuple(_make_room(machine.hardware, slot, held, iso))
    needs_off = machine.power is Power.SUSPENDED or any(
        not isinstance(change, SetCdrom) or _pulls_out(change) for change in changes
    )
    warnings = tuple(_rivals(machine, slot))
    return SlotPlan(changes, powered_off_only=bool(changes) and needs_off, problems=warnings)


def _pulls_out(change: SetCdrom) -> bool:
    """True if a running guest loses media that are not ours."""
    before = change.before
    holds = before.path != "" or before.device != ""
    is_ours = OUR_ISO.fullmatch(before.path.rpartition("/")[2]) is not None
    stays = is_ours or same_backing(before, change.backing)
    return change.before_connection.connected and holds and not stays


def boot_slot(machine: Machine) -> Slot:
    """The slot 0:0 that the boot ISO belongs into."""
    preferred = tuple(Slot(bus, 0, 0) for bus in _buses(machine))
    with_drive = drives(machine.hardware)
    return next((slot for slot in preferred if slot in with_drive), preferred[0])


def _buses(machine: Machine) -> tuple[Bus, ...]:
    """The buses in the order the firmware looks at them."""
    has_ide = find_controller(machine.hardware, Bus.IDE, 0) is not None
    has_ahci = find_controller(machine.hardware, Bus.SATA, 0) is not None
    has_sata_drive = any(slot.bus is Bus.SATA for slot in drives(machine.hardware))
    if machine.firmware is Firmware.UEFI and (has_ahci or has_sata_drive):
        return (Bus.SATA, Bus.IDE)
    return (Bus.IDE, Bus.SATA) if has_ide else (Bus.SATA, Bus.IDE)


def _use(drive: Device, iso: CdBacking) -> Iterator[SetCdrom]:
    connection = drive.connection or Connection()
    if same_backing(drive.backing, iso) and connection.start_connected:
        return
    yield SetCdrom(
        key=drive.key,
        label=drive.label,
        controller=drive.controller or 0,
        unit=drive.unit or 0,
        before=drive.backing or EMPTY_DRIVE,
        before_connection=connection,
        backing=iso,
        connection=Connection(
            start_connected=True,
            connected=connection.connected and same_backing(drive.backing, iso),
            allow_guest_control=connection.allow_guest_control,
        ),
    )


def out_of_reach(machine: Machine) -> Problem:
    """Why nothing can be planned for a machine that the vCenter tells nothing of."""
    if not machine.unavailable:
        return Problem(
            "its devices cannot be read",
            hint="give the user vmboot logs in with System.Read there",
        )
    return Problem(
        f"the vCenter calls it {machine.unavailable}, so it cannot be changed",
        hint="bring back its host or its datastore, or remove it from the inventory",
    )


def _obstacles(machine: Machine, slot: Slot, held: Device | None) -> Iterator[Problem]:
    if held is None:
        has_controller = find_controller(machine.hardware, slot.bus, slot.number) is not None
        if not has_controller and 0 < machine.hw_version < AHCI_HW_VERSION:
            yield Problem(
                f"it needs a SATA controller, which hardware version {machine.hw_version} lacks",
                hint="upgrade its virtual hardware to version 10 or later",
            )
    elif held.kind is not DeviceKind.DISK:
        yield Problem(
            f"{slot} is taken by {held.label or held.model}, which vmboot cannot move",
            hint=f"free {slot} by hand, or leave this machine out",
        )
    elif machine.has_snapshot:
        yield Problem(
            f"{slot} is taken by {held.label}, which cannot move while there are snapshots",
            hint="delete or consolidate the snapshots, then plan again",
        )
    elif next(free_slots(machine.hardware, slot.bus), None) is None:
        yield Problem(
            f"{slot} is taken by {held.label}, and no {slot.bus.upper()} unit is free for it",
            hint=f"move a disk from {slot.bus.upper()} to another controller by hand",
        )


def _make_room(
    hardware: Hardware, slot: Slot, held: Device | None, iso: CdBacking
) -> Iterator[Change]:
    if held is not None:
        yield _moved(hardware, held, next(free_slots(hardware, slot.bus)))
    controller = find_controller(hardware, slot.bus, slot.number)
    if controller is None:
        yield AddController(_NEW_CONTROLLER, slot.bus, slot.number, AHCI_MODEL)
    yield AddCdrom(
        temp_key=_NEW_DRIVE,
        controller=controller.key if controller else _NEW_CONTROLLER,
        unit=slot.unit,
        backing=iso,
        connection=Connection(start_connected=True, connected=False, allow_guest_control=True),
    )


def _moved(hardware: Hardware, device: Device, to: Slot) -> MoveDevice:
    target = find_controller(hardware, to.bus, to.number)
    assert target is not None  # free_slots only names existing controllers
    return MoveDevice(
        key=device.key,
        label=device.label,
        from_controller=device.controller or 0,
        from_unit=device.unit or 0,
        to_controller=target.key,
        to_unit=to.unit,
    )


def _rivals(machine: Machine, slot: Slot) -> Iterator[Problem]:
    """Firmware boots the *first* CD with bootable media: others with media may come first."""
    for device in machine.hardware.devices:
        where = slot_of(machine.hardware, device)
        if device.kind is not DeviceKind.CDROM or where == slot:
            continue
        holds_iso = device.backing is not None and device.backing.kind == "iso"
        if holds_iso and device.connection is not None and device.connection.start_connected:
            yield Problem(
                f"{device.label or 'another CD-ROM'} at {where} holds {words(device.backing)} "
                "and connects at power on as well",
                hint="the firmware may boot it instead; disconnect it if it is bootable",
                warning=True,
            )
