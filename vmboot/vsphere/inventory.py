"""The inventory in two stages: everything shallow, then the devices of a few.

Stage 1 (:func:`read_index`) reads five leaf properties of every VM, one page of 500 a call.
Stage 2 (:func:`read_machines`) reads what boot depends on, of the chosen ones only: devices are
ten times the cost of all the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from sys import intern
from typing import TYPE_CHECKING

from vmboot.errors import AmbiguousError, NotFoundError
from vmboot.model import Firmware
from vmboot.vsphere.collector import Found, Walk, retrieve
from vmboot.vsphere.index import Entry, Index
from vmboot.vsphere.machine import Machine, Power
from vmboot.vsphere.paths import PathFinder, encode
from vmboot.vsphere.reader import MACHINE_PROPERTIES, machine_of
from vmboot.vsphere.securedb import PROPERTIES as SECURE_DB_PROPERTIES
from vmboot.vsphere.securedb import secure_db_of
from vmboot.vsphere.soap import Ref

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session

__all__ = ["Entry", "Index", "read_index", "read_machines", "with_secure_db"]

BATCH = 250
"""Machines per stage-2 call: 2 to 5 MB of XML, so that a reply never weighs on memory."""

_PARENTS: dict[str, Sequence[str]] = {
    "Folder": ("name", "parent"),
    "Datacenter": ("name", "parent"),
    "VirtualApp": ("name", "parentFolder", "parent"),
}
_ENTRY_PROPERTIES = (
    "name",
    "parent",
    "parentVApp",
    "config.instanceUuid",
    "config.template",
    "config.firmware",
    "runtime.powerState",
)
_POWER = {"poweredOn": Power.ON, "poweredOff": Power.OFF, "suspended": Power.SUSPENDED}
_POOLED = ("vapp", "vapp-pool", "pool-pool", "pool-vm")
_DOWN = (
    # From the root folder to every VM. A traversal, not a container view: one call, not three.
    Walk("Folder", "childEntity", "folder", ("folder", "datacenter", "vapp", "vapp-pool")),
    Walk("Datacenter", "vmFolder", "datacenter", ("folder",)),
    Walk("VirtualApp", "vm", "vapp", ()),
    # What is in a vApp may be a vApp, or a pool with one in it.
    Walk("VirtualApp", "resourcePool", "vapp-pool", _POOLED),
    Walk("ResourcePool", "resourcePool", "pool-pool", _POOLED),
    Walk("ResourcePool", "vm", "pool-vm", ()),
)
_UP = (
    # From a VM to the root, for its path, and to its host, for its cluster.
    Walk("VirtualMachine", "parent", "vm-parent", ("folder-parent",)),
    Walk("VirtualMachine", "parentVApp", "vm-vapp", ("vapp-folder", "vapp-parent")),
    Walk("VirtualApp", "parentFolder", "vapp-folder", ("folder-parent",)),
    Walk("VirtualApp", "parent", "vapp-parent", ("vapp-folder", "vapp-parent")),
    Walk("Folder", "parent", "folder-parent", ("folder-parent", "datacenter-parent")),
    Walk("Datacenter", "parent", "datacenter-parent", ("folder-parent",)),
    Walk("VirtualMachine", "runtime.host", "vm-host", ()),
)


def read_index(session: Session, *, datacenter: str | None = None) -> Index:
    """Every VM and template there is, shallow.

    :param datacenter: name or path of the only one to look into; relative patterns start there
    :raises NotFoundError: there is no such datacenter
    :raises AmbiguousError: several datacenters have that name
    """
    root = Ref("Folder", session.content.rootFolder._GetMoId())
    finder = PathFinder(root.moid)
    rows: list[tuple[str, str, str, str, bool, Power, Firmware]] = []
    properties = {"VirtualMachine": _ENTRY_PROPERTIES, **_PARENTS}
    for found in retrieve(session, (root,), properties, walks=_DOWN):
        if found.ref.type == "VirtualMachine":
            rows.append(_row(found))
        else:
            finder.add(found)
    entries = (_entry(row, finder) for row in rows)
    return Index(_inside(entries, finder.datacenters(), datacenter), finder.datacenters())


def read_machines(
    session: Session, moids: Iterable[str], *, missing_ok: bool = False
) -> tuple[Machine, ...]:
    """What boot depends on, of the named machines, in the order they were named.

    :param missing_ok: leave out machines that do not exist any more
    :raises NotFoundError: one of them does not exist, or this user may not see it
    """
    pending = iter(moids)
    machines: list[Machine] = []
    while batch := tuple(islice(pending, BATCH)):
        machines.extend(_read_batch(session, batch, missing_ok=missing_ok))
    return tuple(machines)


def with_secure_db(session: Session, machines: Iterable[Machine]) -> tuple[Machine, ...]:
    """The same machines with their settings for Secure Boot's db: a call for every 250 of them.

    Who changes one of them with the change version of ``machines`` is safe from what changed since.
    """
    pending = iter(machines)
    filled: list[Machine] = []
    while batch := tuple(islice(pending, BATCH)):
        starts = (Ref("VirtualMachine", machine.moid) for machine in batch)
        asked = {"VirtualMachine": SECURE_DB_PROPERTIES}
        found = {f.ref.moid: secure_db_of(f) for f in retrieve(session, starts, asked, page=BATCH)}
        filled += [replace(machine, secure_db=found.get(machine.moid)) for machine in batch]
    return tuple(filled)


def _read_batch(session: Session, moids: tuple[str, ...], *, missing_ok: bool) -> Iterator[Machine]:
    finder = PathFinder(session.content.rootFolder._GetMoId())
    properties = {
        "VirtualMachine": MACHINE_PROPERTIES,
        "HostSystem": ("parent",),
        **_PARENTS,
    }
    found_machines: dict[str, Found] = {}
    computes: dict[str, str] = {}
    starts = tuple(Ref("VirtualMachine", moid) for moid in dict.fromkeys(moids))
    # Parents and hosts come along in the same reply, each of them once.
    for found in retrieve(session, starts, properties, walks=_UP, page=8 * BATCH):
        if found.ref.type == "VirtualMachine":
            found_machines[found.ref.moid] = found
        elif found.ref.type == "HostSystem":
            parent = found.ref_to("parent")
            computes[found.ref.moid] = parent.moid if parent else ""
        else:
            finder.add(found)
    missing = [moid for moid in moids if moid not in found_machines]
    if missing and not missing_ok:
        raise NotFoundError(
            f"there is no machine {', '.join(missing[:5])} (any more)",
            hint="it was removed meanwhile, or this user may not see it: run plan again",
        )
    for moid in moids:
        if moid in found_machines:
            yield machine_of(found_machines[moid], finder, computes)


def _row(found: Found) -> tuple[str, str, str, str, bool, Power, Firmware]:
    """Plain strings, so that the page's XML can go."""
    parent = found.ref_to("parent") or found.ref_to("parentVApp")
    return (
        found.ref.moid,
        found.text("name"),
        intern(parent.moid if parent else ""),
        found.text("config.instanceUuid"),
        found.flag("config.template") or False,
        _POWER.get(found.text("runtime.powerState"), Power.OFF),
        Firmware.UEFI if found.text("config.firmware") == "efi" else Firmware.BIOS,
    )


def _entry(row: tuple[str, str, str, str, bool, Power, Firmware], finder: PathFinder) -> Entry:
    moid, name, parent, uuid, is_template, power, firmware = row
    return Entry(
        moid=moid,
        name=encode(name, slash="/"),
        path=f"{finder.path(parent)}/{encode(name)}",
        uuid=uuid,
        is_template=is_template,
        power=power,
        firmware=firmware,
    )


def _inside(
    entries: Iterable[Entry], datacenters: Iterable[str], wanted: str | None
) -> tuple[Entry, ...]:
    ordered = sorted(entries, key=lambda entry: entry.path)
    if wanted is None:
        return tuple(ordered)
    path = one_datacenter(datacenters, wanted)
    return tuple(entry for entry in ordered if entry.path.startswith(f"{path}/"))


def one_datacenter(datacenters: Iterable[str], wanted: str) -> str:
    """The path of the datacenter with this name or path.

    :raises NotFoundError: there is none
    :raises AmbiguousError: several have this name
    """
    paths = tuple(sorted(datacenters))
    found = tuple(path for path in paths if wanted in (path, path.rpartition("/")[2]))
    if not found:
        raise NotFoundError(f"no datacenter {wanted}", hint=f"there are: {', '.join(paths)}")
    if len(found) > 1:
        raise AmbiguousError(
            f"{wanted!r} is the name of {len(found)} datacenters: {', '.join(found)}",
            matches=found,
            hint="set vcenter.datacenter to the path of the one you mean",
        )
    return found[0]
