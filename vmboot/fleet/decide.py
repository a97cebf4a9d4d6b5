"""The pure part of planning: one machine, what is wished of it, and what follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vmboot.errors import RefusedError
from vmboot.fleet.leaving import leave_bdm
from vmboot.fleet.plan import MachinePlan, PowerPolicy, Problem, Verdict
from vmboot.model import BootMethod, Firmware
from vmboot.vsphere.bdmdisk import plan_bdm
from vmboot.vsphere.cdrom import SlotPlan
from vmboot.vsphere.changes import Change
from vmboot.vsphere.devices import (
    machine_after,
    nic_key,
    plan_boot_order,
    plan_cdrom,
    plan_enrolment,
)
from vmboot.vsphere.machine import CdBacking, Machine, Power


@dataclass(frozen=True)
class IsoWish:
    """The boot ISO as far as planning goes.

    :param firmwares: those it boots
    :param secure: its UEFI loader is signed
    :param insecure: what to say to machines with Secure Boot where it is not; ``None``: the usual
    :param image: it is the site's own
    """

    backing: CdBacking
    firmwares: frozenset[Firmware]
    secure: bool = False
    insecure: Problem | None = None
    image: bool = False


@dataclass(frozen=True)
class BdmWish:
    """One machine's copy of the BDM disk as far as planning goes. See :class:`IsoWish`.

    :param file: datastore path of the copy
    :param datastore: managed object id of its datastore
    :param media: what the machine's extraConfig is to say of it
    :param disk_next: a machine without work goes on to its own disk (PXE on disk)
    """

    file: str
    datastore: str
    media: str
    firmwares: frozenset[Firmware]
    secure: bool = False
    insecure: Problem | None = None
    image: bool = False
    disk_next: bool = False


@dataclass(frozen=True)
class Wanted:
    """What the fleet wants of one machine.

    :param iso: for method ``iso``; ``None`` if there is none for this machine, see ``problem``
    :param bdm: the same for method ``bdm``
    :param nic: for method ``pxe``, counted from 1
    :param make_template: it was left a VM by an unfinished run
    :param certificate: name of the file in its folder that its Secure Boot settings are to name
    :param certificate_missing: they name it, but the file is not there
    :param problem: why it must not be touched, found before its devices were looked at
    """

    method: BootMethod
    iso: IsoWish | None = None
    nic: int = 1
    group: int = 0
    make_template: bool = False
    problem: Problem | None = None
    bdm: BdmWish | None = None
    certificate: str = ""
    certificate_missing: bool = False

    @property
    def media(self) -> IsoWish | BdmWish | None:
        """What it is to boot from, if not from the network card."""
        return self.iso or self.bdm


# To power it off would throw away the memory that it was suspended to keep.
_SUSPENDED = Problem(
    "it is suspended, and a change needs it powered off",
    hint="resume it or discard its state, then plan again",
)


@dataclass(frozen=True)
class _Changes:
    changes: tuple[Change, ...]
    powered_off_only: bool = False
    warnings: tuple[Problem, ...] = ()


def plan_machine(machine: Machine, wanted: Wanted, *, power: PowerPolicy = "leave") -> MachinePlan:
    """What has to be done to ``machine``, if anything, and what stands against it."""
    obstacles = obstacles_of(machine, wanted)
    if obstacles:
        return _refused(machine, wanted, obstacles)
    found = _changes(machine, wanted)
    if not isinstance(found, _Changes):
        return _refused(machine, wanted, found)
    if machine.power is Power.SUSPENDED and found.changes:
        return _refused(machine, wanted, (_SUSPENDED,))
    now, later = _when(machine, found)
    return MachinePlan(
        machine=machine,
        method=wanted.method,
        verdict=_verdict(now, later, wanted, power),
        now=now,
        later=later,
        problems=found.warnings,
        iso=wanted.iso.backing.path if wanted.iso else "",
        bdm=wanted.bdm.file if wanted.bdm else "",
        group=wanted.group,
        make_template=wanted.make_template,
    )


def obstacles_of(machine: Machine, wanted: Wanted) -> tuple[Problem, ...]:
    """Why a machine is refused whatever its devices look like."""
    if wanted.problem is not None:
        return (wanted.problem,)
    found = []
    if wanted.make_template and machine.power is not Power.OFF:
        found.append(
            Problem(
                "an unfinished run left this template a VM, and it has been powered on since",
                hint="power it off, then apply again",
            )
        )
    if wanted.media is not None:
        found += _firmware_obstacles(machine, wanted.media)
    return tuple(found)


def _firmware_obstacles(machine: Machine, media: IsoWish | BdmWish) -> list[Problem]:
    if machine.firmware not in media.firmwares:
        return [_wrong_firmware(machine, media)]
    if machine.secure_boot and not media.secure:
        return [
            media.insecure or _insecure("boot ISO" if isinstance(media, IsoWish) else "BDM disk")
        ]
    return []


def _wrong_firmware(machine: Machine, media: IsoWish | BdmWish) -> Problem:
    name, key = machine.firmware.name, f"bootstrap.{machine.firmware.value}"
    if media.image:
        return Problem(
            f"its firmware is {name}, which the fleet's image does not boot",
            hint="name an image that does, or leave this machine out",
        )
    return Problem(
        f"its firmware is {name}, and the fleet has no {key}",
        hint=f"add {key} to the fleet document, or leave this machine out",
    )


def _insecure(what: str) -> Problem:
    return Problem(
        f"Secure Boot is on, and the loader on the {what} is not signed",
        hint="import a signed loader with 'vmboot loaders import', turn Secure Boot off, "
        "or use method pxe with a signed bootstrap",
    )


def _changes(machine: Machine, wanted: Wanted) -> _Changes | tuple[Problem, ...]:
    try:
        slots = (_enrolment(machine, wanted), *_slots(machine, wanted))
    except RefusedError as error:
        return (Problem(error.message, error.hint),)
    against = next((slot.problems for slot in slots if slot.refused), None)
    return _of(*slots) if against is None else against


def _slots(machine: Machine, wanted: Wanted) -> tuple[SlotPlan, ...]:
    """Devices and boot order."""
    if wanted.bdm is not None:
        return (_bdm(machine, wanted.bdm),)
    left = leave_bdm(machine)
    return left, _others(machine_after(machine, left.changes), wanted)


def _enrolment(machine: Machine, wanted: Wanted) -> SlotPlan:
    if not wanted.certificate or machine.secure_db is None:
        return SlotPlan()
    is_there = not wanted.certificate_missing
    return plan_enrolment(machine, machine.secure_db, file=wanted.certificate, is_there=is_there)


def _bdm(machine: Machine, wish: BdmWish) -> SlotPlan:
    return plan_bdm(
        machine,
        file=wish.file,
        datastore=wish.datastore,
        media=wish.media,
        disk_next=wish.disk_next,
    )


def _of(*slots: SlotPlan) -> _Changes:
    """Several plans for one machine as one, in this order."""
    return _Changes(
        tuple(change for slot in slots for change in slot.changes),
        any(slot.powered_off_only for slot in slots),
        tuple(problem for slot in slots for problem in slot.problems),
    )


def _others(machine: Machine, wanted: Wanted) -> SlotPlan:
    """For the methods ``iso`` and ``pxe``."""
    if wanted.iso is None:
        order = plan_boot_order(machine, first=nic_key(machine, index=wanted.nic))
        return SlotPlan((order,) if order else ())
    slot = plan_cdrom(machine, iso=wanted.iso.backing)
    if slot.refused:
        return slot
    order = plan_boot_order(machine_after(machine, slot.changes), first="cdrom")
    return replace(slot, changes=(*slot.changes, order)) if order else slot


def _when(machine: Machine, found: _Changes) -> tuple[tuple[Change, ...], tuple[Change, ...]]:
    """Now or later. A boot order waits with the drive it is about."""
    off = machine.power is Power.OFF
    live = machine.power is Power.ON and not found.powered_off_only
    return (found.changes, ()) if off or live else ((), found.changes)


def _verdict(
    now: Sequence[Change], later: Sequence[Change], wanted: Wanted, power: PowerPolicy
) -> Verdict:
    if later and power == "leave":
        return Verdict.PENDING
    return Verdict.CHANGE if now or later or wanted.make_template else Verdict.OK


def _refused(machine: Machine, wanted: Wanted, problems: tuple[Problem, ...]) -> MachinePlan:
    return MachinePlan(
        machine=machine,
        method=wanted.method,
        verdict=Verdict.REFUSED,
        problems=problems,
        group=wanted.group,
        make_template=wanted.make_template,
    )
