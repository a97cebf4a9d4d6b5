"""``vmboot sweep``: remove boot media of vmboot's own that nothing needs any more.

A file goes only if it has our name with a hash in it, lies in the fleet's folder, is older than an
hour, no machine, template or snapshot of the whole vCenter holds it, and no run that could still
be undone brought it back. So does what an upload or import left that was killed: such a file never
got its name. A master of BDM disks stays while a machine boots from a copy of it; a copy that a
journal knows goes when nobody has it. Whatever is at work elsewhere, the holders are read again
right before each few deletes.
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
from vmboot.fleet.journal import Copying
from vmboot.fleet.lock import sweep_lock
from vmboot.fleet.needed import Needed, look
from vmboot.fleet.runs import Run, load_run, read_runs
from vmboot.fleet.strays import OUT_OF_SIGHT, as_stray, is_held, is_out_of_sight
from vmboot.vsphere.cdrom import OUR_ISO
from vmboot.vsphere.disks import delete_disk, delete_remains, relative
from vmboot.vsphere.flatimport import PART_DISK
from vmboot.vsphere.holders import Holders, read_holders
from vmboot.vsphere.importing import KEPT, Shell, leftovers, remove_leftovers
from vmboot.vsphere.ourdisks import OUR_DISK
from vmboot.vsphere.placement import choice_of
from vmboot.vsphere.storage import Datastore, Storage, read_storage
from vmboot.vsphere.transfer import FileInfo, delete, list_folder

if TYPE_CHECKING:
    from vmboot.fleet.spec import Fleet
    from vmboot.vsphere.session import Session

#: Runs older than this keep no file alive, in days.
KEEP_DAYS = 30
#: How many files are deleted on one look at who holds them.
BATCH = 10
_PART_ISO = re.compile(rf"{OUR_ISO.pattern}\.[0-9a-f]{{8}}\.part")
_NOBODY = "no machine holds it, no undo needs it"
_UNENDED = "an upload that never ended left it"
_FOREIGN_SHELL = (
    "no journal here knows it: an import of somebody else may be at work; remove it in the vSphere "
    "client if not"
)


class Kind(StrEnum):
    """What a file is, and so how it is deleted."""

    ISO = "iso"
    PART = "part"  # of an ISO
    MASTER = "master"
    DISK_PART = "disk-part"  # of a master
    COPY = "copy"
    SHELL = "shell"  # a machine that an import made


class Fate(StrEnum):
    REMOVE = "remove"
    KEEP = "keep"


@dataclass(frozen=True)
class SweepFile:
    """One file of ours, or a machine that an import left.

    :param path: datastore path; of a machine, its name
    :param datastore: managed object id
    :param reason: who needs it, or why nobody does
    """

    path: str
    datastore: str
    size: int
    fate: Fate
    reason: str
    kind: Kind = Kind.ISO

    def to_json(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "size": self.size,
            "kind": self.kind.value,
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


@dataclass(frozen=True)
class _Found:
    """A file that may go.

    :param info: its size is that of all of it
    :param copy: how a journal knows it
    :param hidden: it is beside the files of a machine that is not in the inventory
    """

    datastore: Datastore
    info: FileInfo
    kind: Kind
    copy: Copying | None = None
    hidden: bool = False

    @property
    def path(self) -> str:
        return f"[{self.datastore.name}] {self.info.path}"

    def judged(self, needed: Needed) -> SweepFile:
        if self.copy is not None:
            reason = OUT_OF_SIGHT if self.hidden else needed.reason_of_copy(self.copy, self.info)
        else:
            reason = needed.reason(self.info, self.datastore.name)
        fate = Fate.REMOVE if reason is None else Fate.KEEP
        nobody = _UNENDED if self.kind in (Kind.PART, Kind.DISK_PART) else _NOBODY
        return SweepFile(
            self.path, self.datastore.moid, self.info.size, fate, reason or nobody, self.kind
        )

    def delete(self, session: Session) -> str:
        """What went wrong, in words; empty if nothing did."""
        store = choice_of(self.datastore)
        try:
            match self.kind:
                case Kind.MASTER | Kind.COPY:
                    delete_disk(session, path=self.path, datacenter=store.datacenter_moid)
                case Kind.DISK_PART:
                    delete_remains(session, datastore=store, path=self.info.path)
                case _:
                    delete(session, datastore=store, path=self.info.path)
        except VmbootError as error:
            return error.message
        return ""


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
    runs = _runs_here(session, state)
    files = list(_shells(session, runs))
    found = tuple(_ours(session, fleet, runs))
    if found:
        needed = look(session, keep_days=keep_days, everything=everything, state=state)
        files += [one.judged(needed) for one in found]
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
    """Remove what :func:`plan_sweep` says can go; what cannot be deleted is reported.

    :raises LockedError: an apply, an undo or another sweep is at work on this vCenter
    :raises RefusedError: the configuration of a machine cannot be read
    """
    removed: list[SweepFile] = []
    kept: list[SweepFile] = []
    failed: dict[str, str] = {}
    with sweep_lock(session.about.uuid, state=state):
        runs = _runs_here(session, state)
        found = tuple(_ours(session, fleet, runs))
        for start in range(0, len(found), BATCH):
            needed = look(session, keep_days=keep_days, everything=everything, state=state)
            for one in found[start : start + BATCH]:
                file = one.judged(needed)
                if file.fate is Fate.KEEP:
                    kept.append(file)
                elif error := one.delete(session):
                    failed[file.path] = error
                else:
                    removed.append(file)
                    sink(Event("sweep.removed", "removed", file.path))
        _sweep_shells(session, runs, removed, kept, failed, sink)
    return SweepResult(tuple(removed), tuple(kept), failed)


def _sweep_shells(
    session: Session,
    runs: tuple[Run, ...],
    removed: list[SweepFile],
    kept: list[SweepFile],
    failed: dict[str, str],
    sink: Sink,
) -> None:
    found = leftovers(session)
    shells = {shell.moid: _shell(shell, runs) for shell in found}
    doomed = [shell for shell in found if shells[shell.moid].fate is Fate.REMOVE]
    kept += [file for file in shells.values() if file.fate is Fate.KEEP]
    told: dict[str, str] = {}

    def hear(event: Event) -> None:
        if event.kind == KEPT:
            told[event.subject] = event.message
        sink(event)

    gone = {shell.moid for shell in remove_leftovers(session, doomed, sink=hear)}
    for shell in doomed:
        if shell.moid in gone:
            removed.append(shells[shell.moid])
        else:
            failed[shell.name] = told[shell.name]


def left_by_imports(session: Session, *, state: Path | None = None) -> tuple[SweepFile, ...]:
    """The machines of imports that are in the vCenter, and what a sweep would do with each."""
    return tuple(_shells(session, _runs_here(session, state)))


def _shells(session: Session, runs: tuple[Run, ...]) -> Iterator[SweepFile]:
    return (_shell(shell, runs) for shell in leftovers(session))


def _shell(shell: Shell, runs: tuple[Run, ...]) -> SweepFile:
    """A machine of an import goes if a journal of ours had begun that import."""
    begun = {upload.path for run in runs for upload in run.sent}
    reason = shell.obstacle or ("" if shell.wanted in begun else _FOREIGN_SHELL)
    fate = Fate.KEEP if reason else Fate.REMOVE
    return SweepFile(
        shell.name,
        shell.datastore,
        0,
        fate,
        reason or "an import that never ended left it",
        Kind.SHELL,
    )


def _runs_here(session: Session, state: Path | None) -> tuple[Run, ...]:
    """Every run on this vCenter whose journal can be read; ``look`` refuses where one cannot."""
    uuid = session.about.uuid
    runs = (load_run(summary.id, state=state) for summary in read_runs(state=state).runs)
    return tuple(run for run in runs if run.started.vcenter_uuid == uuid)


def _ours(session: Session, fleet: Fleet, runs: tuple[Run, ...]) -> Iterator[_Found]:
    storage = read_storage(session)
    for datastore in storage.datastores:
        yield from _isos(session, datastore, fleet.media.iso.folder)
        yield from _masters(session, datastore, fleet.media.bdm.folder)
    yield from _copies(session, storage, runs)


def _isos(session: Session, datastore: Datastore, folder: str) -> Iterator[_Found]:
    store = choice_of(datastore)
    for info in list_folder(session, datastore=store, folder=folder, pattern="vmboot-*.iso*"):
        name = info.path.rpartition("/")[2]
        if OUR_ISO.fullmatch(name):
            yield _Found(datastore, info, Kind.ISO)
        elif _PART_ISO.fullmatch(name):
            yield _Found(datastore, info, Kind.PART)


def _masters(session: Session, datastore: Datastore, folder: str) -> Iterator[_Found]:
    store = choice_of(datastore)
    files = list_folder(session, datastore=store, folder=folder, pattern="vmboot-*.vmdk")
    extents = {file.path: file.size for file in files}
    for info in files:
        name = info.path.rpartition("/")[2]
        extent = extents.get(f"{info.path.removesuffix('.vmdk')}-flat.vmdk", 0)
        whole = FileInfo(info.path, info.size + extent, info.modified)
        part = PART_DISK.fullmatch(name)
        if OUR_DISK.fullmatch(name):
            yield _Found(datastore, whole, Kind.MASTER)
        elif part is not None and OUR_DISK.fullmatch(f"{part['stem']}.vmdk"):
            yield _Found(datastore, info, Kind.DISK_PART)


def _copies(session: Session, storage: Storage, runs: tuple[Run, ...]) -> Iterator[_Found]:
    """Copies that journals know, that nobody holds just now, and that still exist."""
    known = _known_copies(runs)
    holders = read_holders(session) if known else Holders()
    stores = {store.moid: store for store in storage.datastores}
    for copy in known.values():
        store = stores.get(copy.datastore)
        if store is not None and not is_held(as_stray(copy), holders):
            folder, _, name = relative(copy.path).rpartition("/")
            for info in list_folder(
                session, datastore=choice_of(store), folder=folder, pattern=name
            ):
                hidden = is_out_of_sight(session, storage, copy, holders)
                yield _Found(store, info, Kind.COPY, copy, hidden)


def _known_copies(runs: tuple[Run, ...]) -> Mapping[str, Copying]:
    known: dict[str, Copying] = {}
    for run in sorted(runs, key=lambda run: run.id):
        known |= run.copies
        known = {path: copy for path, copy in known.items() if path not in run.deleted}
    return known
