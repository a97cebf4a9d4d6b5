"""Boot media onto their datastores, and what a killed upload left there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from vmboot.errors import RefusedError, VmbootError
from vmboot.events import Event, Sink
from vmboot.fleet.journal import Journal, Uploaded, Uploading
from vmboot.fleet.media import Medium
from vmboot.fleet.plan import Upload
from vmboot.fleet.runs import Run
from vmboot.vsphere.disks import delete_remains
from vmboot.vsphere.hashcache import HashCache
from vmboot.vsphere.importing import Way, leftovers, parts_of_disk
from vmboot.vsphere.importing import remove_leftovers as remove_shells
from vmboot.vsphere.importmany import import_disks
from vmboot.vsphere.placement import DatastoreChoice, choice_of
from vmboot.vsphere.storage import Storage, read_storage
from vmboot.vsphere.transfer import delete, parts_of, stat, upload

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session


def send_media(
    session: Session,
    journal: Journal,
    uploads: Sequence[Upload],
    *,
    find: Callable[[Upload], Medium],
    way: Way = "auto",
    sink: Sink,
) -> dict[str, VmbootError]:
    """Send ISOs and import masters that are missing. What went wrong, by datastore path.

    :param find: the medium that was planned; asked only for what is missing
    :param way: how masters get onto a datastore
    """
    errors: dict[str, VmbootError] = {}
    try:
        missing = _missing(session, uploads)
        if not missing:
            return {}
        storage = read_storage(session)
    except VmbootError as error:
        return {one.path: error for one in uploads}
    for one in (each for each in missing if each.kind == "iso"):
        try:
            _send(session, journal, one, find(one), storage, sink)
        except VmbootError as error:
            errors[one.path] = error
            sink(Event("upload.failed", error.message, one.path))
    by_hash: dict[str, list[Upload]] = defaultdict(list)
    for one in (each for each in missing if each.kind == "bdm"):
        by_hash[one.sha256].append(one)
    for masters in by_hash.values():
        errors |= _import(session, journal, masters, find, storage, way, sink)
    return errors


def _send(
    session: Session,
    journal: Journal,
    one: Upload,
    medium: Medium,
    storage: Storage,
    sink: Sink,
) -> None:
    datastore = _choice(storage, one.moid)
    if datastore is None:
        raise _gone(one)
    journal.write(Uploading(one.path, one.moid, one.sha256, medium.servers))
    upload(
        session,
        datastore=datastore,
        path=one.file,
        data=medium.data,
        sha256=medium.sha256,
        look_first=False,
        sink=sink,
    )
    journal.write(Uploaded(one.path))


def _import(
    session: Session,
    journal: Journal,
    masters: Sequence[Upload],
    find: Callable[[Upload], Medium],
    storage: Storage,
    way: Way,
    sink: Sink,
) -> dict[str, VmbootError]:
    """The same disk onto several datastores at once."""
    from vmboot.media.vmdk import stream_optimized

    try:
        medium = find(masters[0])
    except VmbootError as error:
        return {one.path: error for one in masters}
    stores = {one.moid: _choice(storage, one.moid) for one in masters}
    errors: dict[str, VmbootError] = {
        one.path: _gone(one) for one in masters if stores[one.moid] is None
    }
    ready = {one.moid: one for one in masters if stores[one.moid] is not None}
    journal.write(
        *(Uploading(one.path, one.moid, one.sha256, medium.servers) for one in ready.values())
    )
    for ended in import_disks(
        session,
        [store for store in stores.values() if store is not None],
        path=masters[0].file,
        raw=medium.data,
        stream=lambda: stream_optimized(medium.data),
        sha256=medium.sha256,
        way=way,
        cache=HashCache(),
        sink=sink,
    ):
        one = ready[ended.datastore.moid]
        if ended.error is None:
            journal.write(Uploaded(one.path))
        else:
            errors[one.path] = ended.error
            sink(Event("upload.failed", ended.error.message, one.path))
    return errors


def _gone(one: Upload) -> RefusedError:
    return RefusedError(f"datastore {one.datastore} is gone", hint="plan again")


def _missing(session: Session, uploads: Sequence[Upload]) -> list[Upload]:
    """Those to be sent: between plan and apply a sweep may have removed what nobody held."""
    seen = [one for one in uploads if one.present]
    storage = read_storage(session) if seen else None
    gone = set()
    for one in seen:
        datastore = _choice(storage, one.moid) if storage else None
        if datastore is None or stat(session, datastore=datastore, path=one.file) is None:
            gone.add(one.path)
    return [one for one in uploads if not one.present or one.path in gone]


def remove_leftovers(session: Session, runs: Sequence[Run], *, sink: Sink) -> None:
    """Delete the temporary files, and the shells of imports, that ``runs`` left unfinished."""
    begun = {(one.moid, one.path) for run in runs for one in run.uploads}
    if not begun:
        return
    storage = read_storage(session)
    masters = {path for _, path in begun if path.endswith(".vmdk")}
    if masters:
        shells = [shell for shell in leftovers(session) if shell.wanted in masters]
        remove_shells(session, shells, sink=sink)
    for moid, path in sorted(begun):
        datastore = _choice(storage, moid)
        if datastore is not None:
            _remove_parts(session, datastore, path.partition("] ")[2])


def _remove_parts(session: Session, datastore: DatastoreChoice, path: str) -> None:
    if path.endswith(".vmdk"):
        for part in parts_of_disk(session, datastore=datastore, path=path):
            delete_remains(session, datastore=datastore, path=part.path)
    else:
        for part in parts_of(session, datastore=datastore, path=path):
            delete(session, datastore=datastore, path=part.path)


def _choice(storage: Storage, moid: str) -> DatastoreChoice | None:
    found = next((ds for ds in storage.datastores if ds.moid == moid), None)
    return choice_of(found) if found else None
