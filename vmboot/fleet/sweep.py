"""``vmboot sweep``: remove boot ISOs of vmboot's own that nothing needs any more.

A file goes only if it has our name with a hash in it, lies in the fleet's folder, no machine or
template of the whole vCenter holds it, and no run that could still be undone brought it back. So
does what an upload left that was killed: such a file never got its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmboot.errors import VmbootError
from vmboot.events import Event, Sink, ignore
from vmboot.fleet.runs import list_runs, load_run
from vmboot.vsphere.inventory import read_index, read_machines
from vmboot.vsphere.machine import Machine
from vmboot.vsphere.placement import choice_of
from vmboot.vsphere.storage import Datastore, read_storage
from vmboot.vsphere.transfer import FileInfo, delete, list_folder

if TYPE_CHECKING:
    from vmboot.fleet.spec import Fleet
    from vmboot.vsphere.session import Session

#: Runs older than this keep no file alive, in days.
KEEP_DAYS = 30
#: A part of a file that grew this lately may belong to an upload at work.
PART_AGE = timedelta(hours=1)
_OURS = re.compile(r"vmboot-[a-z0-9][a-z0-9-]*-[0-9a-f]{12}\.iso(?P<part>\.[0-9a-f]{8}\.part)?")


class Fate(StrEnum):
    REMOVE = "remove"
    KEEP = "keep"


@dataclass(frozen=True)
class SweepFile:
    """One ISO of ours.

    :param path: datastore path
    :param datastore: managed object id
    :param reason: who needs it, or why nobody does
    """

    path: str
    datastore: str
    size: int
    fate: Fate
    reason: str

    def to_json(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "size": self.size,
            "fate": self.fate.value,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class SweepPlan:
    """What a sweep would do."""

    files: tuple[SweepFile, ...]

    @property
    def to_remove(self) -> tuple[SweepFile, ...]:
        return tuple(file for file in self.files if file.fate is Fate.REMOVE)

    def to_json(self) -> dict[str, Any]:
        return {"files": [file.to_json() for file in self.files]}


@dataclass(frozen=True)
class SweepResult:
    """What a sweep did.

    :param failed: datastore path and reason
    """

    removed: tuple[SweepFile, ...]
    kept: tuple[SweepFile, ...]
    failed: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        return {
            "removed": [file.to_json() for file in self.removed],
            "kept": [file.to_json() for file in self.kept],
            "failed": dict(self.failed),
        }


def plan_sweep(
    fleet: Fleet,
    session: Session,
    *,
    keep_days: float = KEEP_DAYS,
    everything: bool = False,
    state: Path | None = None,
) -> SweepPlan:
    """Look at every datastore's folder of ours, and at every machine of the vCenter.

    :param keep_days: files that a run of the last days needs for its undo stay
    :param everything: remove those too; files that a machine holds stay in any case
    """
    holders = _holders(read_machines(session, (e.moid for e in read_index(session).entries)))
    undoable = {} if everything else _needed_by_undo(keep_days, state)
    files = []
    for datastore, info in _ours(session, fleet.media.iso.folder):
        path = f"[{datastore.name}] {info.path}"
        if _is_part(info):
            fate, reason = _fate_of_part(info)
        else:
            fate, reason = _fate(path, holders, undoable)
        files.append(SweepFile(path, datastore.moid, info.size, fate, reason))
    return SweepPlan(tuple(files))


def sweep(
    fleet: Fleet,
    session: Session,
    *,
    keep_days: float = KEEP_DAYS,
    everything: bool = False,
    state: Path | None = None,
    sink: Sink = ignore,
) -> SweepResult:
    """Remove what :func:`plan_sweep` says can go; what cannot be deleted is reported."""
    plan = plan_sweep(fleet, session, keep_days=keep_days, everything=everything, state=state)
    stores = {store.moid: store for store in read_storage(session).datastores}
    removed, failed = [], {}
    for file in plan.to_remove:
        try:
            inside = file.path.partition("] ")[2]
            delete(session, datastore=choice_of(stores[file.datastore]), path=inside)
        except VmbootError as error:
            failed[file.path] = error.message
        else:
            removed.append(file)
            sink(Event("sweep.removed", "removed", file.path))
    kept = tuple(file for file in plan.files if file.fate is Fate.KEEP)
    return SweepResult(tuple(removed), kept, failed)


def _fate(
    path: str, holders: Mapping[str, Sequence[str]], undoable: Mapping[str, str]
) -> tuple[Fate, str]:
    if path in holders:
        first, *others = holders[path]
        more = f" and {len(others)} more" if others else ""
        return Fate.KEEP, f"{first}{more} hold it"
    if path in undoable:
        return Fate.KEEP, f"undo of run {undoable[path]} needs it; --all removes it all the same"
    return Fate.REMOVE, "no machine holds it, no undo needs it"


def _fate_of_part(info: FileInfo) -> tuple[Fate, str]:
    grown = datetime.fromisoformat(info.modified) if info.modified else None
    if grown is None or grown.tzinfo is None or datetime.now(UTC) - grown < PART_AGE:
        return Fate.KEEP, "an upload may be at work on it"
    return Fate.REMOVE, "an upload that never ended left it"


def _is_part(info: FileInfo) -> bool:
    match = _OURS.fullmatch(info.path.rpartition("/")[2])
    return match is not None and match["part"] is not None


def _ours(session: Session, folder: str) -> Iterator[tuple[Datastore, FileInfo]]:
    for datastore in read_storage(session).datastores:
        files = list_folder(
            session, datastore=choice_of(datastore), folder=folder, pattern="vmboot-*.iso*"
        )
        for info in files:
            if _OURS.fullmatch(info.path.rpartition("/")[2]):
                yield datastore, info


def _holders(machines: Iterable[Machine]) -> Mapping[str, Sequence[str]]:
    """Paths of machines by the ISO that one of their drives holds."""
    holders: dict[str, list[str]] = {}
    for machine in machines:
        for iso in _held(machine):
            holders.setdefault(iso, []).append(machine.path)
    return holders


def _held(machine: Machine) -> Iterator[str]:
    for device in machine.hardware.devices:
        if device.backing is not None and device.backing.kind == "iso":
            yield device.backing.path


def _needed_by_undo(keep_days: float, state: Path | None) -> Mapping[str, str]:
    """ISOs that machines held before a run that can still be undone, by path."""
    oldest = (datetime.now(UTC) - timedelta(days=keep_days)).isoformat()
    needed: dict[str, str] = {}
    for summary in list_runs(state=state):
        # What an undo had taken away, an apply uploads again.
        if summary.verb == "apply" and summary.undoable and summary.started >= oldest:
            for intents in load_run(summary.id, state=state).intents.values():
                for iso in _held(intents[0].before):
                    needed.setdefault(iso, summary.id)
    return needed
