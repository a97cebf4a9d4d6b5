"""What a rehearsal needs to know of a machine, from the vCenter and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmboot.errors import AmbiguousError, MediaError, RefusedError
from vmboot.fleet.resolve import one_or_pattern
from vmboot.media.inspect import inspect
from vmboot.model import BootConfig
from vmboot.vsphere.cdrom import boot_slot
from vmboot.vsphere.inventory import read_index, read_machines
from vmboot.vsphere.machine import CdBacking, Machine
from vmboot.vsphere.placement import choice_of
from vmboot.vsphere.slots import Slot, drives
from vmboot.vsphere.storage import read_storage
from vmboot.vsphere.transfer import read_bytes

if TYPE_CHECKING:
    from vmboot.fleet.spec import Fleet
    from vmboot.vsphere.session import Session


@dataclass(frozen=True)
class Subject:
    """The machine to boot.

    :param slot: where its boot CD belongs
    :param iso: the bytes of what that drive holds; ``None`` if it holds no ISO
    :param connected: whether the drive connects at power on
    :param config: what the ISO carries, read back from its bytes; the fleet's if it is not ours
    """

    machine: Machine
    slot: Slot
    iso: bytes | None
    connected: bool
    config: BootConfig


def machine_for(fleet: Fleet, session: Session, name: str) -> Subject:
    """One machine as the vCenter holds it now.

    :param name: name or inventory path
    :raises NotFoundError: there is none
    :raises AmbiguousError: there are several
    :raises RefusedError: its ISO lies on a datastore that is gone, or is no boot ISO at all
    """
    index = read_index(session, datacenter=fleet.vcenter.datacenter)
    entries = one_or_pattern(index, name)
    if len(entries) > 1:
        raise AmbiguousError(
            f"{name!r} matches {len(entries)} machines",
            matches=tuple(entry.path for entry in entries),
            hint="name one of them; a rehearsal boots one machine",
        )
    (machine,) = read_machines(session, [entries[0].moid])
    slot = boot_slot(machine)
    drive = drives(machine.hardware).get(slot)
    backing = drive.backing if drive else None
    iso = _iso(session, backing) if backing and backing.kind == "iso" else None
    return Subject(
        machine=machine,
        slot=slot,
        iso=iso,
        connected=bool(drive and drive.connection and drive.connection.start_connected),
        config=_config(machine, backing, iso) or fleet.boot_config(),
    )


def _config(machine: Machine, backing: CdBacking | None, iso: bytes | None) -> BootConfig | None:
    """What is on the ISO; ``None`` if there is none, or if it is bootable but not vmboot's."""
    if iso is None or backing is None:
        return None
    try:
        return inspect(iso).config
    except MediaError as error:
        raise RefusedError(
            f"{machine.path} holds {backing.path}, which is no boot ISO: {error.message}",
            hint="attach the fleet's boot ISO with 'vmboot apply' first",
        ) from error


def _iso(session: Session, backing: CdBacking) -> bytes:
    name, _, path = backing.path.removeprefix("[").partition("] ")
    stores = read_storage(session).datastores
    found = [ds for ds in stores if ds.moid == backing.datastore or ds.name == name]
    if not found:
        raise RefusedError(
            f"{backing.path} lies on a datastore that cannot be seen", hint="apply again"
        )
    return read_bytes(session, datastore=choice_of(found[0]), path=path)
