"""``vmboot media stale``: which machines still carry which boot server list.

A machine with a BDM disk says so in its extraConfig, so those cost one small property each and no
devices. Machines with a boot ISO show it by the name of the file that their drive holds. Which
servers a name stands for is known from the document, from journals of uploads, and else from the
master on a datastore.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmboot.errors import NotFoundError, VmbootError
from vmboot.events import Event, Sink, ignore
from vmboot.fleet.media import FleetMedia, Medium
from vmboot.fleet.resolve import Wish, limited, resolve
from vmboot.fleet.runs import load_all
from vmboot.fleet.serverwords import other_servers
from vmboot.model import BootMethod
from vmboot.vsphere.cdrom import OUR_ISO, boot_slot
from vmboot.vsphere.collector import retrieve
from vmboot.vsphere.disks import beside, read_descriptor
from vmboot.vsphere.holders import file_name
from vmboot.vsphere.inventory import BATCH, read_index, read_machines
from vmboot.vsphere.machine import Machine
from vmboot.vsphere.ourdisks import MEDIA_KEY, media_of
from vmboot.vsphere.placement import choice_of
from vmboot.vsphere.slots import drives
from vmboot.vsphere.soap import Ref, text
from vmboot.vsphere.storage import read_storage
from vmboot.vsphere.transfer import read_bytes

if TYPE_CHECKING:
    from vmboot.fleet.spec import Fleet
    from vmboot.vsphere.session import Session

_MEDIA = f'config.extraConfig["{MEDIA_KEY}"]'


class Freshness(StrEnum):
    CURRENT = "current"
    STALE = "stale"
    MISSING = "missing"  # it carries no boot media of vmboot's at all


@dataclass(frozen=True)
class Carried:
    """What one machine carries.

    :param media: name and hash, ``"boot 0123456789ab"``; ``""`` where it has none of ours
    :param servers: the list on it, ``None`` where that is not known
    """

    path: str
    method: BootMethod
    media: str
    state: Freshness
    servers: tuple[str, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "method": self.method.value,
            "media": self.media,
            "state": self.state.value,
            "servers": None if self.servers is None else list(self.servers),
        }


@dataclass(frozen=True)
class StaleReport:
    """The whole fleet.

    :param servers: the list on what they should carry; the document's, unless an image of the
        site's own has another
    :param wanted: what machines of each method should carry
    :param notes: how the list on such an image differs from the document's
    """

    fleet: str
    vcenter: str
    servers: tuple[str, ...]
    wanted: Mapping[str, tuple[str, ...]]
    machines: tuple[Carried, ...]
    notes: tuple[str, ...] = ()

    @property
    def stale(self) -> tuple[Carried, ...]:
        """Those that do not carry what they should."""
        return tuple(each for each in self.machines if each.state is not Freshness.CURRENT)

    def to_json(self) -> dict[str, Any]:
        return {
            "fleet": self.fleet,
            "vcenter": self.vcenter,
            "servers": list(self.servers),
            "wanted": {method: list(media) for method, media in self.wanted.items()},
            "machines": [machine.to_json() for machine in self.machines],
            "notes": list(self.notes),
        }


def read_stale(
    fleet: Fleet,
    session: Session,
    *,
    limit: Sequence[str] = (),
    loader_dirs: Sequence[str | Path] = (),
    state: Path | None = None,
    sink: Sink = ignore,
) -> StaleReport:
    """Who carries which list; changes nothing.

    :raises NotFoundError: a pattern matches nothing
    :raises MissingToolError: what the machines should carry cannot be built here
    """
    sink(Event("stale.begin", "reading the inventory", fleet.file.name))
    index = read_index(session, datacenter=fleet.vcenter.datacenter)
    wishes = resolve(fleet, index)
    wishes = limited(wishes, index, limit) if limit else wishes
    wishes = tuple(wish for wish in wishes if wish.method is not BootMethod.PXE)
    media = FleetMedia(fleet, loader_dirs=loader_dirs)
    wanted = {method: media.every(method) for method in dict.fromkeys(w.method for w in wishes)}
    carried = {**_disks(session, wishes), **_isos(session, wishes)}
    every = tuple(medium for found in wanted.values() for medium in found)
    current = {medium.label: medium.servers for medium in every}
    servers = _servers(session, fleet, set(carried.values()) - {""}, current, state)
    return StaleReport(
        fleet=fleet.file.name,
        vcenter=session.host,
        servers=_wanted_servers(fleet, every),
        wanted={m.value: tuple(medium.label for medium in found) for m, found in wanted.items()},
        machines=tuple(
            _carried(wish, carried.get(wish.entry.moid, ""), set(current), servers)
            for wish in wishes
        ),
        notes=tuple(p.message for p in map(partial(other_servers, fleet), every) if p),
    )


def _wanted_servers(fleet: Fleet, media: Iterable[Medium]) -> tuple[str, ...]:
    """The one list on all of ``media``; the document's where they carry several, or none known."""
    lists = {medium.servers for medium in media}
    if len(lists) == 1 and (servers := lists.pop()):
        return servers
    return tuple(server.address for server in fleet.boot_servers)


def _carried(
    wish: Wish, media: str, current: set[str], servers: Mapping[str, tuple[str, ...]]
) -> Carried:
    state = Freshness.CURRENT if media in current else Freshness.STALE
    state = state if media else Freshness.MISSING
    return Carried(wish.entry.path, wish.method, media, state, servers.get(media))


def _disks(session: Session, wishes: Iterable[Wish]) -> Mapping[str, str]:
    """What extraConfig says, by managed object id."""
    moids = [wish.entry.moid for wish in wishes if wish.method is BootMethod.BDM]
    found: dict[str, str] = {}
    for start in range(0, len(moids), 2 * BATCH):
        refs = [Ref("VirtualMachine", moid) for moid in moids[start : start + 2 * BATCH]]
        for one in retrieve(session, refs, {"VirtualMachine": (_MEDIA,)}):
            found[one.ref.moid] = text(one.props.get(_MEDIA), "value")
    return found


def _isos(session: Session, wishes: Iterable[Wish]) -> Mapping[str, str]:
    """What is in the drive that the firmware looks at, by managed object id."""
    moids = [wish.entry.moid for wish in wishes if wish.method is BootMethod.ISO]
    return {m.moid: _iso(m) for m in read_machines(session, moids, missing_ok=True)}


def _iso(machine: Machine) -> str:
    drive = drives(machine.hardware).get(boot_slot(machine))
    name = file_name(drive.backing.path) if drive and drive.backing else ""
    return _label(name) if OUR_ISO.fullmatch(name) else ""


def _label(name: str) -> str:
    """``"boot 0123456789ab"`` of a file name of ours."""
    return media_of(f"{name.rpartition('.')[0]}.vmdk")


def _servers(
    session: Session,
    fleet: Fleet,
    media: set[str],
    current: Mapping[str, tuple[str, ...]],
    state: Path | None,
) -> Mapping[str, tuple[str, ...]]:
    """The server list of each of ``media`` that can be found out."""
    known = {**_from_journals(state), **current}
    for label in sorted(media - known.keys()):
        found = _from_master(session, fleet, label)
        if found:
            known[label] = found
    return known


def _from_journals(state: Path | None) -> Mapping[str, tuple[str, ...]]:
    known: dict[str, tuple[str, ...]] = {}
    for run in load_all(state=state):
        for upload in run.sent:
            if upload.servers:
                known[_label(file_name(upload.path))] = upload.servers
    return known


def _from_master(session: Session, fleet: Fleet, label: str) -> tuple[str, ...]:
    """What the master's own bytes say, from the first datastore that has it and shows them."""
    from vmboot.media.inspect import inspect

    name, _, digest = label.partition(" ")
    path = f"{fleet.media.bdm.folder}/vmboot-{name}-{digest}.vmdk"
    for store in map(choice_of, read_storage(session).datastores):
        try:
            found = read_descriptor(session, datastore=store, path=path)
            if found is not None and found.flat_file is not None:
                flat = beside(path, found.flat_file)
                inspection = inspect(read_bytes(session, datastore=store, path=flat))
                return tuple(server.address for server in inspection.servers)
        except (NotFoundError, VmbootError):
            continue
    return ()


def by_media(report: StaleReport) -> Iterator[tuple[str, tuple[Carried, ...]]]:
    """Machines by what they carry, the wanted media first."""
    groups: dict[str, list[Carried]] = {}
    for machine in report.machines:
        groups.setdefault(machine.media, []).append(machine)
    fresh = {media for found in report.wanted.values() for media in found}
    for media in sorted(groups, key=lambda media: (media not in fresh, media)):
        yield media, tuple(groups[media])
