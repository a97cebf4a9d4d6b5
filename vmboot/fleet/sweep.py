"""``vmboot sweep``: remove boot ISOs of vmboot's own that nothing needs any more.

A file goes only if it has our name with a hash in it, lies in the fleet's folder, is older than an
hour, no machine, template or snapshot of the whole vCenter holds it, and no run that could still
be undone brought it back. So does what an upload left that was killed: such a file never got its
name. Whatever is at work elsewhere, the holders are read again right before each few deletes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmboot.errors import VmbootError
from vmboot.events import Event, Sink, ignore
from vmboot.fleet.lock import sweep_lock
from vmboot.fleet.needed import Needed, look
from vmboot.vsphere.cdrom import OUR_ISO
from vmboot.vsphere.placement import choice_of
from vmboot.vsphere.storage import Datastore, read_storage
from vmboot.vsphere.transfer import FileInfo, delete, list_folder

if TYPE_CHECKING:
    from vmboot.fleet.spec import Fleet
    from vmboot.vsphere.session import Session

#: Runs older than this keep no file alive, in days.
KEEP_DAYS = 30
#: How many files are deleted on one look at who holds them.
BATCH = 10
_OURS = re.compile(rf"{OUR_ISO.pattern}(?P<part>\.[0-9a-f]{{8}}\.part)?")
_NOBODY = "no machine holds it, no undo needs it"


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
    :raises RefusedError: the configuration of a machine cannot be read, so what it holds is unknown
    """
    found = tuple(_ours(session, fleet.media.iso.folder))
    if not found:
        return SweepPlan(())
    needed = look(session, keep_days=keep_days, everything=everything, state=state)
    return SweepPlan(tuple(_judged(datastore, info, needed) for datastore, info in found))


def sweep(
    fleet: Fleet,
    session: Session,
    *,
    keep_days: float = KEEP_DAYS,
    everything: bool = False,
    state: Path | None = None,
    sink: Sink = ignore,
) -> SweepResult:
    """Remove what :func:`plan_sweep` says can go; what cannot be deleted is reported.

    :raises LockedError: an apply, an undo or another sweep is at work on this vCenter
    :raises RefusedError: the configuration of a machine cannot be read
    """
    with sweep_lock(session.about.uuid, state=state):
        found = tuple(_ours(session, fleet.media.iso.folder))
        removed: list[SweepFile] = []
        kept: list[SweepFile] = []
        failed: dict[str, str] = {}
        for start in range(0, len(found), BATCH):
            needed = look(session, keep_days=keep_days, everything=everything, state=state)
            for datastore, info in found[start : start + BATCH]:
                file = _judged(datastore, info, needed)
                if file.fate is Fate.KEEP:
                    kept.append(file)
                elif error := _delete(session, datastore, info):
                    failed[file.path] = error
                else:
                    removed.append(file)
                    sink(Event("sweep.removed", "removed", file.path))
    return SweepResult(tuple(removed), tuple(kept), failed)


def _delete(session: Session, datastore: Datastore, info: FileInfo) -> str:
    """What went wrong, in words; empty if nothing did."""
    try:
        delete(session, datastore=choice_of(datastore), path=info.path)
    except VmbootError as error:
        return error.message
    return ""


def _judged(datastore: Datastore, info: FileInfo, needed: Needed) -> SweepFile:
    reason = needed.reason(info)
    fate = Fate.REMOVE if reason is None else Fate.KEEP
    nobody = "an upload that never ended left it" if _is_part(info) else _NOBODY
    path = f"[{datastore.name}] {info.path}"
    return SweepFile(path, datastore.moid, info.size, fate, reason or nobody)


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
