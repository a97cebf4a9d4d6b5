"""Boot ISOs onto their datastores, and what a killed upload left there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from vmboot.errors import RefusedError, VmbootError
from vmboot.events import Event, Sink
from vmboot.fleet.journal import Journal, Uploaded, Uploading
from vmboot.fleet.plan import Upload
from vmboot.fleet.runs import Run
from vmboot.media.iso import BootIso
from vmboot.vsphere.placement import DatastoreChoice, choice_of
from vmboot.vsphere.storage import Storage, read_storage
from vmboot.vsphere.transfer import delete, parts_of, stat, upload

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session


def send_isos(
    session: Session,
    journal: Journal,
    uploads: Sequence[Upload],
    *,
    build: Callable[[], BootIso],
    sink: Sink,
) -> dict[str, VmbootError]:
    """Send what is missing. What went wrong, by datastore path.

    :param build: makes the ISO; called once, and only if something is missing
    """
    errors: dict[str, VmbootError] = {}
    try:
        missing = _missing(session, uploads)
        if not missing:
            return {}
        iso, storage = build(), read_storage(session)
    except VmbootError as error:
        return {one.path: error for one in uploads}
    for one in missing:
        try:
            _send(session, journal, one, iso, storage, sink)
        except VmbootError as error:
            errors[one.path] = error
            sink(Event("upload.failed", error.message, one.path))
    return errors


def _send(
    session: Session, journal: Journal, one: Upload, iso: BootIso, storage: Storage, sink: Sink
) -> None:
    if iso.sha256 != one.sha256:
        raise RefusedError(
            "the boot ISO is not the one that was planned: a loader changed meanwhile",
            hint="plan again",
        )
    datastore = _choice(storage, one.moid)
    if datastore is None:
        raise RefusedError(f"datastore {one.datastore} is gone", hint="plan again")
    journal.write(Uploading(one.path, one.moid, one.sha256))
    upload(
        session,
        datastore=datastore,
        path=one.file,
        data=iso.data,
        sha256=iso.sha256,
        look_first=False,
        sink=sink,
    )
    journal.write(Uploaded(one.path))


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


def remove_leftovers(session: Session, runs: Sequence[Run]) -> None:
    """Delete the temporary files of uploads that ``runs`` did not finish."""
    begun = {(one.moid, one.path) for run in runs for one in run.uploads}
    if not begun:
        return
    storage = read_storage(session)
    for moid, path in sorted(begun):
        datastore = _choice(storage, moid)
        if datastore is not None:
            for part in parts_of(session, datastore=datastore, path=path.partition("] ")[2]):
                delete(session, datastore=datastore, path=part.path)


def _choice(storage: Storage, moid: str) -> DatastoreChoice | None:
    found = next((ds for ds in storage.datastores if ds.moid == moid), None)
    return choice_of(found) if found else None
