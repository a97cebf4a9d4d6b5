"""Which ISOs and BDM disks the machines of the whole vCenter hold, their snapshots included.

A snapshot keeps its own devices: reverting to it wants the ISO, or the disk, of that time back.
Files are told apart by name alone, as ours carry a hash: one export may have another name in
another datacenter, and a vSAN path may name a directory by its id. A BDM disk has the same name in
every machine's folder, so for those the paths are kept as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from vmboot.vsphere import soap
from vmboot.vsphere.collector import Found, Walk, retrieve
from vmboot.vsphere.dspath import file_name
from vmboot.vsphere.inventory import BATCH, read_index
from vmboot.vsphere.ourdisks import MEDIA_KEY, our_name
from vmboot.vsphere.reader import hardware_of
from vmboot.vsphere.soap import Ref

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session

__all__ = ["Holders", "file_name", "holders_of", "read_holders"]

_DEVICES = "config.hardware.device"
_MEDIA = f'config.extraConfig["{MEDIA_KEY}"]'
_PROPERTIES = {
    "VirtualMachine": ("name", _DEVICES, _MEDIA),
    "VirtualMachineSnapshot": ("vm", _DEVICES),
}
_WALKS = (
    Walk("VirtualMachine", "rootSnapshot", "root-snapshot", ("child-snapshot",)),
    Walk("VirtualMachineSnapshot", "childSnapshot", "child-snapshot", ("child-snapshot",)),
)


@dataclass(frozen=True)
class Holders:
    """Who holds what.

    :param by_file: inventory paths of machines, by the name of the ISO that a drive holds, and by
        the name of the BDM disk that a machine has; a delta counts as the disk it is based on
    :param by_disk: the same, by the datastore path of the BDM disk
    :param by_media: inventory paths of machines whose extraConfig alone names a BDM disk, by that
        disk's name: their own file bears another one, as a clone's does
    :param of_machine: names of the BDM disks of a machine and its snapshots, by managed object id
    :param seen: managed object ids of the machines that were looked at; one that is not among them
        may hold a disk all the same, at another vCenter or out of this login's sight
    :param unreadable: machines whose configuration the vCenter does not tell
    """

    by_file: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unreadable: tuple[str, ...] = ()
    by_disk: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    of_machine: Mapping[str, frozenset[str]] = field(default_factory=dict)
    seen: frozenset[str] = frozenset()
    by_media: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def read_holders(session: Session) -> Holders:
    """One call for the inventory, and one for every 250 machines with their snapshots."""
    paths = {entry.moid: entry.path for entry in read_index(session).entries}
    return holders_of(_read(session, paths), paths)


def holders_of(found: Iterable[Found], paths: Mapping[str, str]) -> Holders:
    """Pure.

    :param found: machines and snapshots with their devices
    :param paths: inventory path by managed object id
    """
    by_file: dict[str, list[str]] = {}
    by_disk: dict[str, list[str]] = {}
    by_media: dict[str, list[str]] = {}
    of_machine: dict[str, frozenset[str]] = {}
    seen: set[str] = set()
    unreadable: list[str] = []
    for one in found:
        who = _who(one, paths)
        seen.add(_moid(one))
        if _DEVICES not in one.props:
            unreadable.append(who)
        disks = tuple(_disks(one))
        if disks:
            of_machine[_moid(one)] = of_machine.get(_moid(one), frozenset()) | {
                *map(our_name, disks)
            }
        named = _named(one)
        if named and named not in map(our_name, disks):
            by_media.setdefault(named, []).append(who)
        for path in disks:
            by_disk.setdefault(path, []).append(who)
        for name in dict.fromkeys((*_isos(one), *map(our_name, disks))):
            by_file.setdefault(name, []).append(who)
    return Holders(
        _frozen(by_file),
        tuple(unreadable),
        _frozen(by_disk),
        of_machine,
        frozenset(seen),
        _frozen(by_media),
    )


def _read(session: Session, moids: Iterable[str]) -> Iterator[Found]:
    pending = iter(moids)
    while batch := tuple(islice(pending, BATCH)):
        starts = [Ref("VirtualMachine", moid) for moid in batch]
        for found in retrieve(session, starts, _PROPERTIES, walks=_WALKS, page=2 * BATCH):
            # One that was removed since has no name either, and holds nothing any more.
            if found.props:
                yield found


def _who(one: Found, paths: Mapping[str, str]) -> str:
    if one.ref.type == "VirtualMachine":
        return paths.get(one.ref.moid, one.text("name"))
    machine = one.ref_to("vm")
    return f"a snapshot of {paths.get(machine.moid, machine.moid) if machine else 'a machine'}"


def _moid(one: Found) -> str:
    machine = one.ref if one.ref.type == "VirtualMachine" else one.ref_to("vm")
    return machine.moid if machine else ""


def _isos(one: Found) -> Iterator[str]:
    for device in hardware_of(one.props.get(_DEVICES)).devices:
        if device.backing is not None and device.backing.kind == "iso":
            yield file_name(device.backing.path)


def _named(one: Found) -> str:
    """The name of the BDM disk that extraConfig says the machine has; ``""`` if none."""
    name, _, digits = soap.text(one.props.get(_MEDIA), "value").rpartition(" ")
    return our_name(f"vmboot-{name}-{digits}.vmdk")


def _disks(one: Found) -> Iterator[str]:
    """Datastore paths of BDM disks, with every disk that a delta is based on."""
    devices = one.props.get(_DEVICES)
    for device in devices if devices is not None else ():
        backing = soap.child(device, "backing") if soap.type_of(device) == "VirtualDisk" else None
        while backing is not None:
            path = soap.text(backing, "fileName")
            if our_name(path):
                yield path
            backing = soap.child(backing, "parent")


def _frozen(by: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {key: tuple(who) for key, who in by.items()}
