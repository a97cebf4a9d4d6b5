"""From a machine in the vCenter to one in QEMU: the join of fleet and lab that neither may know."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from vmboot.dirs import private_dir, state_dir
from vmboot.errors import InputError, NotFoundError, RefusedError
from vmboot.lab.firmware_keys import trusting
from vmboot.lab.rehearsal_machine import BootDevice, RehearsalDisk, RehearsalMachine
from vmboot.model import BootServer
from vmboot.vsphere.devices import nics
from vmboot.vsphere.machine import Bus, Device, Machine
from vmboot.vsphere.slots import Slot, find_controller

if TYPE_CHECKING:
    from vmboot.fleet.rehearse import Subject

_CONTROLLERS: Mapping[str, str] = {
    "ParaVirtualSCSIController": "pvscsi",
    "VirtualLsiLogicController": "lsilogic",
    "VirtualLsiLogicSASController": "lsilogicsas",
    "VirtualBusLogicController": "buslogic",
}
VARIABLES = "variables.fd"
_BOOT_DEVICES = ("cdrom", "disk", "ethernet")


def rehearsal_machine(subject: Subject, *, folder: Path) -> RehearsalMachine:
    """The machine as the lab boots it.

    :param folder: the bytes of the ISO and of BDM disks are put there
    :raises RefusedError: it has no NIC
    """
    machine = subject.machine
    nic = _boot_nic(machine)
    iso = None
    if subject.iso is not None:
        iso = private_dir(folder) / "boot.iso"
        iso.write_bytes(subject.iso)
    order = (entry.kind for entry in machine.boot_order if entry.kind in _BOOT_DEVICES)
    return RehearsalMachine(
        name=machine.name,
        firmware=machine.firmware,
        mac=nic.mac,
        secure_boot=machine.secure_boot,
        nic_type=nic.model.removeprefix("Virtual").lower(),
        boot_order=tuple(cast("BootDevice", kind) for kind in dict.fromkeys(order)),
        iso=iso,
        cd_controller=_cd_controller(subject),
        start_connected=subject.connected,
        disks=tuple(_disks(subject, folder)),
    )


def with_keys(
    machine: RehearsalMachine,
    *,
    db: Sequence[str | Path] = (),
    variables: str | Path | None = None,
    folder: Path,
) -> RehearsalMachine:
    """The machine with other keys in its firmware than the distribution's, if any are given.

    :param db: certificates that it trusts as well, PEM or DER
    :param variables: a variable store to begin with
    :param folder: gets a store of its own where there is a certificate
    :raises NotFoundError: ``variables`` does not exist
    :raises InputError: it is no store, or the machine has no Secure Boot
    :raises MissingToolError: virt-fw-vars is not installed
    """
    if not (db or variables):
        return machine
    if not machine.secure_boot:
        raise InputError(
            f"{machine.name} has no Secure Boot, so its firmware asks for no keys",
            hint="rehearse it without --db and --firmware-variables",
        )
    store = Path(variables) if variables else None
    if store is not None and not store.is_file():
        raise NotFoundError(f"the firmware variables {store} do not exist", hint="check the name")
    if db:
        out = private_dir(folder) / VARIABLES
        store = trusting([Path(each) for each in db], template=store, out=out)
    return replace(machine, variables=store)


def _cd_controller(subject: Subject) -> Literal["ide", "sata"]:
    return "sata" if subject.slot.bus is Bus.SATA else "ide"


def _boot_nic(machine: Machine) -> Device:
    """The NIC that boots: the first in the boot order, else the first there is."""
    found = {nic.key: nic for nic in nics(machine)}
    ordered = [found[e.key] for e in machine.boot_order if e.key in found]
    candidates = [*ordered, *found.values()]
    if not candidates:
        raise RefusedError(
            f"{machine.path} has no NIC, so it reaches no boot server",
            hint="add a network adapter",
        )
    return candidates[0]


def _disks(subject: Subject, folder: Path) -> Iterator[RehearsalDisk]:
    """Each at its slot: BDM disks with their bytes, blank disks for all others."""
    for disk in subject.disks:
        image = None
        if disk.image is not None:
            image = private_dir(folder) / f"bdm-{disk.device.key}.img"
            image.write_bytes(disk.image)
        yield RehearsalDisk(
            controller=_controller(subject.machine, disk.slot),
            image=image,
            number=disk.slot.number,
            unit=disk.slot.unit,
        )


def _controller(machine: Machine, slot: Slot) -> str:
    found = find_controller(machine.hardware, slot.bus, slot.number)
    return _CONTROLLERS.get(found.model if found else "", slot.bus.value)


def dead_servers(servers: Sequence[BootServer], names: Sequence[str]) -> tuple[BootServer, ...]:
    """The boot servers with these names or addresses.

    :raises InputError: there is no such boot server on the media
    """
    by_name = {server.address: server for server in servers}
    by_name |= {server.name: server for server in servers if server.name}
    for name in names:
        if name not in by_name:
            known = ", ".join(server.label for server in servers)
            raise InputError(f"no boot server {name!r} on the media", hint=f"there are: {known}")
    return tuple(by_name[name] for name in names)


def rehearsal_folder(name: str) -> Path:
    """A folder for the evidence of one rehearsal: ``<state>/rehearsals/<name>-<time>``."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", name)
    return private_dir(state_dir() / "rehearsals" / f"{safe}-{datetime.now(UTC):%Y%m%d-%H%M%S}")
