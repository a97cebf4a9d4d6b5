"""What a rehearsal needs to know of a machine, from the vCenter and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmboot.errors import AmbiguousError, MediaError, NotFoundError, RefusedError
from vmboot.fleet.resolve import one_or_pattern, resolve
from vmboot.media.inspect import inspect
from vmboot.model import BootConfig, BootMethod
from vmboot.vsphere.cdrom import boot_slot
from vmboot.vsphere.disks import beside, read_descriptor, relative
from vmboot.vsphere.inventory import Index, read_index, read_machines
from vmboot.vsphere.machine import CdBacking, Device, Machine
from vmboot.vsphere.ourdisks import is_ours
from vmboot.vsphere.placement import DatastoreChoice, choice_of
from vmboot.vsphere.slots import Slot, disks, drives
from vmboot.vsphere.storage import read_storage
from vmboot.vsphere.transfer import read_bytes

if TYPE_CHECKING:
    from vmboot.fleet.spec import Fleet
    from vmboot.vsphere.session import Session


@dataclass(frozen=True)
class SubjectDisk:
    """A disk of the machine.

    :param image: the raw bytes of a BDM disk; ``None`` for all others, which are not looked into
    """

    slot: Slot
    device: Device
    image: bytes | None = None


@dataclass(frozen=True)
class Subject:
    """The machine to boot.

    :param slot: where its boot CD belongs
    :param iso: the bytes of what that drive holds; ``None`` if it holds no ISO
    :param connected: whether the drive connects at power on
    :param config: what the media that come first carry, read back from their bytes; the fleet's if
        they are not vmboot's
    :param disks: in the order in which the firmware tries them
    """

    machine: Machine
    slot: Slot
    iso: bytes | None
    connected: bool
    config: BootConfig
    disks: tuple[SubjectDisk, ...] = ()


def machine_for(fleet: Fleet, session: Session, name: str) -> Subject:
    """One machine as the vCenter holds it now.

    :param name: name or inventory path
    :raises NotFoundError: there is none
    :raises AmbiguousError: there are several
    :raises RefusedError: its media lie on a datastore that is gone, or are no boot media at all; or
        it is to boot from a BDM disk and holds no media at all
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
    found = tuple(_disks(session, machine))
    if iso is None and not any(disk.image for disk in found):
        _check_method(fleet, index, machine)
    return Subject(
        machine=machine,
        slot=slot,
        iso=iso,
        connected=bool(drive and drive.connection and drive.connection.start_connected),
        config=_config(machine, backing, iso, found) or fleet.boot_config(),
        disks=found,
    )


def _check_method(fleet: Fleet, index: Index, machine: Machine) -> None:
    """:raises RefusedError: a machine without media is to boot from a BDM disk"""
    wishes = resolve(fleet, index, missing=[])
    if any(w.entry.moid == machine.moid and w.method is BootMethod.BDM for w in wishes):
        raise RefusedError(
            f"{machine.path} holds no boot disk yet: apply first",
            hint="run 'vmboot apply'; a rehearsal boots what the vCenter holds",
        )


def in_boot_order(machine: Machine) -> tuple[tuple[Slot, Device], ...]:
    """The disks in the order in which the firmware tries them: as listed, then by slot."""
    listed = [entry.key for entry in machine.boot_order if entry.kind == "disk"]
    placed = sorted(disks(machine.hardware).items())
    ranks = {key: rank for rank, key in enumerate(listed)}
    return tuple(sorted(placed, key=lambda item: ranks.get(item[1].key, len(ranks))))


def _disks(session: Session, machine: Machine) -> Iterator[SubjectDisk]:
    for slot, device in in_boot_order(machine):
        image = _image(session, device) if is_ours(device, machine) else None
        yield SubjectDisk(slot, device, image)


def _config(
    machine: Machine,
    backing: CdBacking | None,
    iso: bytes | None,
    found: tuple[SubjectDisk, ...],
) -> BootConfig | None:
    """What is on the BDM disk, or on the ISO; ``None`` where vmboot made neither."""
    for disk in found:
        if disk.image is not None:
            return _read(machine, disk.device.file, disk.image, "BDM disk")
    if iso is None or backing is None:
        return None
    return _read(machine, backing.path, iso, "boot ISO")


def _read(machine: Machine, path: str, data: bytes, what: str) -> BootConfig | None:
    try:
        return inspect(data).config
    except MediaError as error:
        raise RefusedError(
            f"{machine.path} holds {path}, which is no {what}: {error.message}",
            hint=f"attach the fleet's {what} with 'vmboot apply' first",
        ) from error


def _iso(session: Session, backing: CdBacking) -> bytes:
    datastore = _datastore(session, backing.path, backing.datastore)
    return read_bytes(session, datastore=datastore, path=relative(backing.path))


def _image(session: Session, disk: Device) -> bytes:
    """The bytes of a BDM disk, where its datastore shows them."""
    moid = disk.disk.datastore if disk.disk else ""
    datastore = _datastore(session, disk.file, moid)
    path = relative(disk.file)
    described = read_descriptor(session, datastore=datastore, path=path)
    if described is None or described.flat_file is None:
        raise RefusedError(
            f"{disk.file} cannot be read: the datastore does not show its bytes",
            hint="vSAN and vVol keep them in objects; rehearse a machine on VMFS or NFS, or delete "
            "the snapshots of this one",
        )
    try:
        return read_bytes(session, datastore=datastore, path=beside(path, described.flat_file))
    except NotFoundError as error:
        raise RefusedError(
            f"{disk.file} has lost its extent {described.flat_file}",
            hint="'vmboot apply' cannot mend that: detach the disk, then apply again",
        ) from error


def _datastore(session: Session, path: str, moid: str) -> DatastoreChoice:
    name = path.removeprefix("[").partition("] ")[0]
    stores = read_storage(session).datastores
    found = [ds for ds in stores if ds.moid == moid or ds.name == name]
    if not found:
        raise RefusedError(f"{path} lies on a datastore that cannot be seen", hint="apply again")
    return choice_of(found[0])
