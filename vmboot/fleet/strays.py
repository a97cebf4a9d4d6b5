"""Copies of the BDM disk that no machine holds any more: found, and deleted.

A copy goes only if its name is one of ours, a journal says that vmboot made or detached it, and no
machine, template or snapshot of the whole vCenter holds it, linked clones included. Beside the
configuration of a machine that is not in the inventory it stays. What cannot be deleted is told,
and a sweep finds it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from vmboot.errors import VmbootError
from vmboot.events import Event, Sink, ignore
from vmboot.fleet.journal import Copying, Journal, Removing
from vmboot.fleet.runs import Run
from vmboot.vsphere.changes import Change, DetachDisk
from vmboot.vsphere.disks import delete_disk_job, disk_exists, relative
from vmboot.vsphere.dspath import folder_of
from vmboot.vsphere.files import list_folder
from vmboot.vsphere.holders import Holders, file_name, read_holders
from vmboot.vsphere.machine import Machine
from vmboot.vsphere.ourdisks import our_name
from vmboot.vsphere.placement import DatastoreChoice, choice_of
from vmboot.vsphere.storage import Datastore, Storage, read_storage
from vmboot.vsphere.tasks import run_window

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session


OUT_OF_SIGHT = "its machine is not in this inventory, but its .vmx is there"
"""Why a copy stays that nobody is seen to hold."""
#: Files that configure a machine, or a template.
_CONFIGURATION = "*.vm*x"
#: How far the clocks of vCenter and this machine may be apart.
_SKEW = timedelta(minutes=1)


@dataclass(frozen=True)
class Cleared:
    """What was deleted, and what was not and why, in words."""

    removed: tuple[Removing, ...] = ()
    notes: tuple[str, ...] = ()


def as_stray(copy: Copying | Removing) -> Removing:
    """The record with which a copy that was made is deleted."""
    return Removing(copy.moid, copy.source, copy.path, copy.datastore, copy.size, copy.sha256)


def detached(
    changed: Iterable[tuple[Machine, Sequence[Change]]], folder: str = ""
) -> Iterator[Removing]:
    """BDM disks that were taken out of machines, out of their own folders.

    One of another folder may be the master of some document, or another machine's, that somebody
    had attached itself.

    :param changed: machines as they were, and what was done to them
    :param folder: where masters are, on the same datastore; no disk there is named
    """
    for machine, changes in changed:
        disks = {device.key: device for device in machine.hardware.devices}
        for change in changes:
            name = file_name(change.file) if isinstance(change, DetachDisk) else ""
            if (
                isinstance(change, DetachDisk)
                and our_name(change.file) == name
                and relative(folder_of(change.file)) == relative(machine.home)
            ):
                device = disks.get(change.key)
                store = device.disk.datastore if device and device.disk else ""
                source = f"{change.file.partition(']')[0]}] {folder}/{name}"
                if change.file != source:
                    yield Removing(machine.moid, source, change.file, store)


@dataclass
class Strays:
    """Collects what may be left, and clears it away in one go.

    :param made: copies that vmboot made, whoever holds them now
    :param dropped: disks that were detached; one goes only if its master is there, so that an undo
        can make it again
    :param doubtful: when copies were begun whose end nobody saw, by path: an older file of that
        name is somebody's
    """

    made: list[Removing] = field(default_factory=list)
    dropped: list[Removing] = field(default_factory=list)
    doubtful: dict[str, datetime] = field(default_factory=dict)

    def add_run(self, run: Run) -> None:
        """What a run that is over made."""
        self.made += map(as_stray, run.copies.values())
        begun = datetime.fromisoformat(run.started.started)
        self.doubtful |= dict.fromkeys(run.copies.keys() - run.copied, begun)

    def __bool__(self) -> bool:
        return bool(self.made or self.dropped)

    def clear(self, session: Session, journal: Journal, *, sink: Sink = ignore) -> Cleared:
        """Delete what nobody holds.

        :raises RefusedError: the journal cannot be written
        """
        try:
            storage, holders = read_storage(session), read_holders(session)
            if holders.unreadable:
                return Cleared(notes=(_unknown(holders, len(self.made) + len(self.dropped)),))
            found = {stray.path: stray for stray in (*self.made, *self.dropped)}
            free = [stray for stray in found.values() if not is_held(stray, holders)]
            free = [stray for stray in free if not self._is_somebodys(session, storage, stray)]
            hidden = [stray for stray in free if is_out_of_sight(session, storage, stray, holders)]
            free = [stray for stray in free if stray not in hidden]
            without = self._without_master(session, storage, free)
        except VmbootError as error:
            return Cleared(notes=(f"copies that nobody holds may be left: {error.message}",))
        ready = [stray for stray in free if stray.path not in without]
        cleared = delete_copies(session, journal, ready, storage, sink=sink)
        unseen = tuple(f"{stray.path} stays: {OUT_OF_SIGHT}" for stray in hidden)
        kept = tuple(f"{path} stays: its master is gone, and an undo needs it" for path in without)
        return Cleared(cleared.removed, (*cleared.notes, *unseen, *kept))

    def _is_somebodys(self, session: Session, storage: Storage, stray: Removing) -> bool:
        begun = self.doubtful.get(stray.path)
        store = next((s for s in storage.datastores if s.moid == stray.datastore), None)
        if begun is None or store is None:
            return False
        return is_older(session, choice_of(store), relative(stray.path), than=begun)

    def _without_master(
        self, session: Session, storage: Storage, free: Sequence[Removing]
    ) -> frozenset[str]:
        """Paths of detached disks that could not be made again."""
        made = {stray.path for stray in self.made}
        asked = [stray for stray in free if stray.path not in made]
        masters = {stray.path: _master(storage, stray) for stray in asked}
        there = {
            key: disk_exists(session, datastore=choice_of(key[0]), path=relative(key[1]))
            for key in set(masters.values())
            if key is not None
        }
        return frozenset(path for path, key in masters.items() if key is None or not there[key])


def _master(storage: Storage, stray: Removing) -> tuple[Datastore, str] | None:
    """Where a copy's master is: on its own datastore, or on that which it was made on."""
    own = next((s for s in storage.datastores if s.moid == stray.datastore), None)
    for store in storage.datastore(stray.source[1:].partition("] ")[0]):
        if own is not None and store.datacenter_moid == own.datacenter_moid:
            return store, stray.source
    return None


def is_older(session: Session, store: DatastoreChoice, path: str, *, than: datetime) -> bool:
    """True if a file was last changed before a moment, or if the datastore does not tell when.

    :param path: relative to the datastore
    """
    folder, _, name = path.rpartition("/")
    files = list_folder(session, datastore=store, folder=folder, pattern=name)
    return any(was_before(info.modified, than) for info in files)


def was_before(modified: str, than: datetime) -> bool:
    """True if a file's time, as the vCenter spells it, is before a moment, or tells nothing."""
    try:
        changed = datetime.fromisoformat(modified)
    except ValueError:
        return True
    return changed.tzinfo is None or changed < than - _SKEW


def is_out_of_sight(
    session: Session, storage: Storage, stray: Copying | Removing, holders: Holders
) -> bool:
    """True if a copy's machine was not looked at, but lies where the copy does.

    Removed from the inventory with its files kept, registered at another vCenter, or where this
    login sees nothing: it may boot from the copy.
    """
    store = next((s for s in storage.datastores if s.moid == stray.datastore), None)
    if stray.moid in holders.seen or store is None:
        return False
    folder = relative(stray.path).rpartition("/")[0]
    return bool(
        list_folder(session, datastore=choice_of(store), folder=folder, pattern=_CONFIGURATION)
    )


def is_held(stray: Removing, holders: Holders) -> bool:
    """True if a machine has the file, or if its own machine has one of that name anywhere."""
    own = holders.of_machine.get(stray.moid, frozenset())
    return stray.path in holders.by_disk or file_name(stray.path) in own


def delete_copies(
    session: Session,
    journal: Journal,
    strays: Sequence[Removing],
    storage: Storage,
    *,
    sink: Sink = ignore,
) -> Cleared:
    """Delete files that were seen to be held by nobody; one that is not there is fine.

    :raises RefusedError: the journal cannot be written
    """
    where = {store.moid: store.datacenter_moid for store in storage.datastores}
    by_path = {stray.path: stray for stray in strays if stray.datastore in where}
    jobs = (
        delete_disk_job(path, path=path, datacenter=where[stray.datastore])
        for path, stray in by_path.items()
    )
    removed: list[Removing] = []
    notes: list[str] = []
    outcomes = run_window(
        session,
        jobs,
        before_start=lambda paths: journal.write(*(by_path[path] for path in paths)),
        sink=sink,
    )
    for outcome in outcomes:
        if outcome.error is None:
            removed.append(by_path[outcome.subject])
            sink(Event("copy.removed", "removed", outcome.subject))
        else:
            journal.write(replace(by_path[outcome.subject], failed=True))
            notes.append(f"{outcome.subject} could not be deleted: {outcome.error.message}")
            sink(Event("copy.left", outcome.error.message, outcome.subject))
    return Cleared(tuple(removed), tuple(notes))


def _unknown(holders: Holders, count: int) -> str:
    named = ", ".join(holders.unreadable[:5])
    return (
        f"up to {count} copies of BDM disks may be left that nobody needs: what {named} holds "
        "cannot be read; 'vmboot sweep' removes them when it can"
    )
