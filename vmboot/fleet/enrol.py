"""The site's certificate on its way into the Secure Boot db of machines, and back.

Machines that want it are read once more for the settings in question. Its file goes into each
machine's own folder before the setting names it, under a name that its content decides, and is
deleted after an undo has taken the setting back. See :mod:`vmboot.vsphere.enrolment`.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, TypeVar

from vmboot.errors import RefusedError, VmbootError
from vmboot.events import Event, Sink, ignore
from vmboot.fleet.homes import home_of
from vmboot.fleet.journal import Certifying, Decertifying, Journal
from vmboot.fleet.media import FleetMedia
from vmboot.fleet.plan import MachinePlan, Problem, Verdict
from vmboot.fleet.resolve import Wish
from vmboot.fleet.runs import Run
from vmboot.fleet.steps import Step
from vmboot.vsphere.dspath import file_name
from vmboot.vsphere.inventory import with_secure_db
from vmboot.vsphere.machine import Machine
from vmboot.vsphere.placement import DatastoreChoice, choice_of
from vmboot.vsphere.securedb import certificate_in
from vmboot.vsphere.storage import Storage, read_storage
from vmboot.vsphere.transfer import delete, holds, parts_of, stat, upload

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session

AT_ONCE = 8
_Record = Certifying | Decertifying
T = TypeVar("T")
R = TypeVar("R")


# -- planning --------------------------------------------------------------------------------------


def with_settings(
    session: Session, media: FleetMedia, wishes: Iterable[Wish], found: Mapping[str, Machine]
) -> dict[str, Machine]:
    """``found``, those that are to trust the certificate with their settings for it."""
    chosen = (found[w.entry.moid] for w in wishes if media.enrols(w.method, found[w.entry.moid]))
    return {**found, **{machine.moid: machine for machine in with_secure_db(session, chosen)}}


@dataclass(frozen=True)
class Enrolling:
    """The certificate as far as planning goes.

    :param file: its name in the folders of machines
    :param moids: machines that are to trust it
    :param refused: why some of them cannot, by managed object id
    :param missing: those whose settings name the file, but it is not there: clones
    """

    file: str = ""
    moids: frozenset[str] = frozenset()
    refused: Mapping[str, Problem] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()


def look(
    session: Session,
    media: FleetMedia,
    storage: Storage,
    wished: Iterable[tuple[Wish, Machine]],
) -> Enrolling:
    """Where the certificate goes; costs a request for each machine that names it already.

    :param wished: machines as :func:`with_settings` read them
    """
    mine = [machine for wish, machine in wished if media.enrols(wish.method, machine)]
    if not mine:
        return Enrolling()
    name, places = media.certificate_file, _Places(session, storage)
    homes = {machine.moid: home_of(storage, machine) for machine in mine}
    named = [
        Certifying(machine.moid, home.path(name), home.datastore.moid, "")
        for machine in mine
        if machine.secure_db is not None and name in machine.secure_db.files
        if not isinstance(home := homes[machine.moid], Problem)
    ]
    return Enrolling(
        file=name,
        moids=frozenset(homes),
        refused={moid: home for moid, home in homes.items() if isinstance(home, Problem)},
        missing=frozenset(r.moid for r, seen in _each(places.exists, named) if seen is False),
    )


def stores(planned: Iterable[MachinePlan], storage: Storage) -> dict[str, str]:
    """Names of the datastores that the certificate has to be put on, by managed object id."""
    found: dict[str, str] = {}
    for plan in planned:
        if plan.verdict is not Verdict.REFUSED and certificate_in((*plan.now, *plan.later)):
            home = home_of(storage, plan.machine)
            if not isinstance(home, Problem):
                found[home.datastore.moid] = home.datastore.name
    return found


# -- doing it --------------------------------------------------------------------------------------


def ders_of(media: FleetMedia) -> dict[str, bytes]:
    """The fleet's certificate by the name of its file; empty if there is none."""
    certificate = media.certificate
    return {media.certificate_file: certificate.der} if certificate else {}


def put_certificates(
    session: Session,
    journal: Journal,
    steps: Iterable[Step],
    ders: Callable[[], Mapping[str, bytes]],
    *,
    dead: Sequence[Run] = (),
    sink: Sink = ignore,
) -> dict[str, VmbootError]:
    """Put the files there that ``steps`` name in settings. What went wrong, by machine.

    :param ders: certificates by file name; asked only if one is needed
    :param dead: runs that were killed: what their uploads left in the same places is deleted
    """
    wanted = {step.moid: (step.machine, certificate_in(step.changes)) for step in steps}
    wanted = {moid: (machine, name) for moid, (machine, name) in wanted.items() if name}
    if not wanted:
        return {}
    try:
        known, storage = ders(), read_storage(session)
    except VmbootError as error:
        return dict.fromkeys(wanted, error)
    errors: dict[str, VmbootError] = {}
    records: list[Certifying] = []
    for machine, name in wanted.values():
        record = _record(machine, name, known, storage)
        if isinstance(record, Certifying):
            records.append(record)
        else:
            errors[machine.moid] = record
    return errors | _send(session, journal, records, storage, dead, sink)


def _record(
    machine: Machine, name: str, ders: Mapping[str, bytes], storage: Storage
) -> Certifying | VmbootError:
    if name not in ders:
        return RefusedError(
            "the site's certificate is not the one that was planned", hint="plan again"
        )
    home = home_of(storage, machine)
    if isinstance(home, Problem):
        return RefusedError(home.message, hint=home.hint)
    der = b64encode(ders[name]).decode()
    return Certifying(machine.moid, home.path(name), home.datastore.moid, der)


def _send(
    session: Session,
    journal: Journal,
    records: Sequence[Certifying],
    storage: Storage,
    dead: Sequence[Run],
    sink: Sink,
) -> dict[str, VmbootError]:
    places = _Places(session, storage)
    left = {path for run in dead for path in run.certificates}
    looked = _each(lambda record: places.is_there(record, clear=record.path in left), records)
    errors = {r.moid: seen for r, seen in looked if isinstance(seen, VmbootError)}
    missing = [record for record, seen in looked if seen is False]
    if missing:
        journal.write(*missing)
        sink(Event("certificate.begin", "sending the certificate", data={"count": len(missing)}))
    for record, sent in _each(places.put, missing):
        if isinstance(sent, VmbootError):
            errors[record.moid] = sent
            sink(Event("upload.failed", sent.message, record.path))
    return errors


# -- taking it back --------------------------------------------------------------------------------


def left_certificates(
    session: Session, records: Iterable[Certifying], before: Mapping[str, Machine]
) -> tuple[Certifying, ...]:
    """Those files that are there and that their machines did not name before.

    :param before: machines that go back, as they were; those that were not begun, as they are
    """
    mine = [r for r in records if r.moid in before and not _named(r, before[r.moid])]
    if not mine:
        return ()
    places = _Places(session, read_storage(session))
    return tuple(record for record, seen in _each(places.exists, mine) if seen is True)


def _named(record: _Record, machine: Machine) -> bool:
    return machine.secure_db is not None and file_name(record.path) in machine.secure_db.files


def remove_certificates(
    session: Session, journal: Journal, records: Sequence[Certifying], *, sink: Sink = ignore
) -> tuple[str, ...]:
    """Delete the files; what could not be deleted, in words.

    :raises RefusedError: the journal cannot be written
    """
    if not records:
        return ()
    try:
        places = _Places(session, read_storage(session))
    except VmbootError as error:
        return (f"files with the certificate are left: {error.message}",)
    journal.write(*(Decertifying(r.moid, r.path, r.datastore, r.der) for r in records))
    notes = []
    for record, ended in _each(places.remove, records):
        if isinstance(ended, VmbootError):
            notes.append(f"{record.path} could not be deleted: {ended.message}")
            sink(Event("certificate.left", ended.message, record.path))
    return tuple(notes)


class _Places:
    """Where certificates' files are, and what can be done to one."""

    def __init__(self, session: Session, storage: Storage) -> None:
        self._session = session
        self._stores = {store.moid: choice_of(store) for store in storage.datastores}

    def _store(self, record: _Record) -> DatastoreChoice:
        if record.datastore not in self._stores:
            raise RefusedError(f"the datastore of {record.path} is gone", hint="plan again")
        return self._stores[record.datastore]

    def is_there(self, record: Certifying, *, clear: bool) -> bool:
        """True if it is there with the same bytes.

        :param clear: delete what a killed upload has left of it
        """
        der, store, path = b64decode(record.der), self._store(record), _relative(record.path)
        for part in parts_of(self._session, datastore=store, path=path) if clear else ():
            delete(self._session, datastore=store, path=part.path)
        digest = sha256(der).hexdigest()
        return holds(self._session, datastore=store, path=path, size=len(der), sha256=digest)

    def exists(self, record: _Record) -> bool:
        store = self._store(record)
        return stat(self._session, datastore=store, path=_relative(record.path)) is not None

    def put(self, record: Certifying) -> bool:
        der = b64decode(record.der)
        return upload(
            self._session,
            datastore=self._store(record),
            path=_relative(record.path),
            data=der,
            sha256=sha256(der).hexdigest(),
            look_first=False,
        )

    def remove(self, record: _Record) -> bool:
        store = self._store(record)
        return delete(self._session, datastore=store, path=_relative(record.path))


def _relative(path: str) -> str:
    return path.partition("] ")[2]


def _each(work: Callable[[T], R], items: Sequence[T]) -> list[tuple[T, R | VmbootError]]:
    """``work`` on several at once: its result, or what it failed with, beside each."""

    def one(item: T) -> R | VmbootError:
        try:
            return work(item)
        except VmbootError as error:
            return error

    if not items:
        return []
    with ThreadPoolExecutor(min(AT_ONCE, len(items)), thread_name_prefix="vmboot-files") as pool:
        return list(zip(items, pool.map(one, items), strict=True))
