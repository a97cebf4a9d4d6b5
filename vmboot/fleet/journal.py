"""The journal of a run: what was about to be written, on disk before it was written.

One JSON object a line, appended and synced, in ``<state>/runs/<run id>/journal.jsonl``, readable by
its owner only. A machine's line holds its full state before and the changes, so that a run can be
undone from the journal alone, also one that was killed in the middle. Secrets never reach it.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, TypeAlias

from vmboot.dirs import private_dir, state_dir, trusted
from vmboot.errors import RefusedError
from vmboot.fleet.codec import encode
from vmboot.fleet.lock import owner
from vmboot.vsphere.changes import Change
from vmboot.vsphere.effects import machine_after
from vmboot.vsphere.machine import Machine

FILE = "journal.jsonl"
_BLOCK = 4096


@dataclass(frozen=True)
class Started:
    """First line of every journal.

    :param verb: ``apply`` or ``undo``
    :param fleet: absolute path of the fleet document
    :param vcenter_uuid: the vCenter's instance UUID
    :param user: who was logged in to the vCenter
    :param resumes: unfinished runs that this one repairs and continues
    :param undoes: for ``undo``: the runs whose changes are taken back
    :param rollout: id of the rollout it is a wave of, ``""`` if none; ``wave`` is its name there
    """

    kind: ClassVar[str] = "run"
    id: str
    verb: str
    fleet: str
    fleet_sha256: str
    vcenter: str
    vcenter_uuid: str
    user: str
    started: str
    owner: dict[str, Any] = field(default_factory=dict)
    resumes: tuple[str, ...] = ()
    undoes: tuple[str, ...] = ()
    rollout: str = ""
    wave: str = ""


@dataclass(frozen=True)
class Uploading:
    """A boot ISO, or the master of BDM disks, is about to be sent to ``path``.

    :param moid: managed object id of the datastore
    :param servers: the boot server list on it, where vmboot knows that
    """

    kind: ClassVar[str] = "upload"
    path: str
    moid: str
    sha256: str
    servers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Uploaded:
    kind: ClassVar[str] = "uploaded"
    path: str


@dataclass(frozen=True)
class Copying:
    """A machine's copy of a master is about to be made.

    :param moid: managed object id of the machine
    :param source: datastore path of the master
    :param path: datastore path of the copy, on the same datastore
    :param datastore: managed object id of that datastore
    :param size: bytes of the disk, and ``sha256`` their digest; 0 and ``""`` where not known
    """

    kind: ClassVar[str] = "copy"
    moid: str
    source: str
    path: str
    datastore: str
    size: int = 0
    sha256: str = ""


@dataclass(frozen=True)
class Copied:
    kind: ClassVar[str] = "copied"
    path: str


@dataclass(frozen=True)
class Foreign:
    """What was in the way of a copy is not vmboot's: the copy was not made."""

    kind: ClassVar[str] = "copy-foreign"
    path: str


@dataclass(frozen=True)
class Removing:
    """A copy that no machine holds is about to be deleted; ``source`` can make it again.

    The other parameters are those of :class:`Copying`.

    :param failed: a second line of the same path: it could not be deleted
    """

    kind: ClassVar[str] = "remove-copy"
    moid: str
    source: str
    path: str
    datastore: str
    size: int = 0
    sha256: str = ""
    failed: bool = False


@dataclass(frozen=True)
class Certifying:
    """A certificate is about to be put into a machine's folder, for its Secure Boot db.

    :param moid: managed object id of the machine
    :param path: datastore path of the file
    :param datastore: managed object id of its datastore
    :param der: the certificate, base64, so that an undo can be undone
    """

    kind: ClassVar[str] = "certificate"
    moid: str
    path: str
    datastore: str
    der: str


@dataclass(frozen=True)
class Decertifying:
    """The file of a :class:`Certifying` is about to be deleted. The parameters are the same."""

    kind: ClassVar[str] = "remove-certificate"
    moid: str
    path: str
    datastore: str
    der: str


@dataclass(frozen=True)
class Edited:
    """The fleet document was about to be changed by ``media edit``.

    :param before: its whole text
    :param after_sha256: hex digest of its bytes afterwards
    """

    kind: ClassVar[str] = "edited"
    file: str
    before: str
    after_sha256: str


@dataclass(frozen=True)
class Intent:
    """A machine is about to be changed.

    :param before: the machine as it is now; for a template that a crashed run left a VM, as it was
    """

    kind: ClassVar[str] = "intent"
    before: Machine
    changes: tuple[Change, ...]

    @property
    def after(self) -> Machine:
        """What the read-back must find."""
        return machine_after(self.before, self.changes)


@dataclass(frozen=True)
class PoweringOff:
    """Machines are about to be shut down because their change needs it.

    :param before: the same as they are now, so that an undo can find and start them again; journals
        of earlier versions lack it
    """

    kind: ClassVar[str] = "power-off"
    moids: tuple[str, ...]
    before: tuple[Machine, ...] = ()


@dataclass(frozen=True)
class Marked:
    """A template whose round trip is over is a template again."""

    kind: ClassVar[str] = "template-mark"
    moid: str


@dataclass(frozen=True)
class Settled:
    """A machine was read back, and this came of it."""

    kind: ClassVar[str] = "outcome"
    moid: str
    path: str
    verdict: str
    error: str = ""


@dataclass(frozen=True)
class Ended:
    """The run knows the outcome of everything it began; nothing is in flight.

    :param open: managed object ids of templates that could not be made templates again
    """

    kind: ClassVar[str] = "end"
    ended: str
    counts: dict[str, int]
    interrupted: bool = False
    open: tuple[str, ...] = ()


@dataclass(frozen=True)
class Closed:
    """Added later: run ``by`` repaired what this one had left."""

    kind: ClassVar[str] = "closed"
    by: str


@dataclass(frozen=True)
class Undone:
    """Added later: run ``by`` took back the changes of this one."""

    kind: ClassVar[str] = "undone"
    by: str
    complete: bool


Record: TypeAlias = (
    Started
    | Uploading
    | Uploaded
    | Copying
    | Copied
    | Foreign
    | Removing
    | Certifying
    | Decertifying
    | Edited
    | Intent
    | PoweringOff
    | Marked
    | Settled
    | Ended
    | Closed
    | Undone
)


def runs_dir(state: Path | None = None) -> Path:
    """Where the runs are: ``<state>/runs``.

    :raises RefusedError: others can write there, so what it says cannot be believed
    """
    return trusted((state or state_dir()) / "runs")


def timestamp() -> str:
    """Now, as the journal writes it: UTC, ISO 8601, microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


class Journal:
    """An open journal. Every :meth:`write` is on disk when it returns.

    A line that a crash or a full disk tore is cut off before the next is written: it was never
    acted upon, and the two together would be one that nobody can read.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
        extra = os.O_CREAT | os.O_EXCL if create else 0
        self._descriptor = os.open(path, flags | extra, 0o600)
        self._lock = threading.Lock()
        self.run_id = path.parent.name

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)

    def write(self, *records: Record) -> None:
        """Append ``records`` and wait until the disk has them.

        :raises RefusedError: the disk does not take them; nothing may be written to the vCenter
        """
        if not records:
            return
        text = b"".join(_line(record) for record in records)
        try:
            with self._lock, _whole_lines(self._descriptor):
                _write_all(self._descriptor, text)
                os.fsync(self._descriptor)
        except OSError as error:
            raise RefusedError(
                f"cannot write the journal of run {self.run_id}: {error.strerror}",
                hint="without a journal nothing is changed; make room, or set VMBOOT_STATE",
            ) from error


def _line(record: Record) -> bytes:
    data = {"kind": record.kind, **encode(record)}
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


@contextmanager
def _whole_lines(descriptor: int) -> Iterator[None]:
    """The file ends after a whole line before what is written, and again if that fails."""
    size = os.fstat(descriptor).st_size
    whole = _end_of_lines(descriptor, size)
    if whole < size:
        os.ftruncate(descriptor, whole)
    try:
        yield
    except OSError:
        with suppress(OSError):  # if it cannot be cut now, it is before the next line
            os.ftruncate(descriptor, whole)
        raise


def _end_of_lines(descriptor: int, size: int) -> int:
    """Where the last whole line ends, looking back from ``size``."""
    end = size
    while end:
        start = max(0, end - _BLOCK)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def _write_all(descriptor: int, text: bytes) -> None:
    view = memoryview(text)
    while view:
        view = view[os.write(descriptor, view) :]


def begin(
    *,
    verb: str,
    fleet: str,
    fleet_sha256: str,
    vcenter: str,
    vcenter_uuid: str,
    user: str,
    resumes: tuple[str, ...] = (),
    undoes: tuple[str, ...] = (),
    rollout: str = "",
    wave: str = "",
    state: Path | None = None,
) -> Journal:
    """Open the journal of a new run and write its first line."""
    try:
        folder = _new_folder(private_dir(runs_dir(state)))
        journal = Journal(folder / FILE, create=True)
        _sync_folder(folder)
    except OSError as error:
        raise RefusedError(
            f"the journal of a new run cannot be made in {runs_dir(state)}: {error.strerror}",
            hint="without a journal nothing is changed; make room, or set VMBOOT_STATE",
        ) from error
    journal.write(
        Started(
            id=folder.name,
            verb=verb,
            fleet=fleet,
            fleet_sha256=fleet_sha256,
            vcenter=vcenter,
            vcenter_uuid=vcenter_uuid,
            user=user,
            started=timestamp(),
            owner=owner(),
            resumes=resumes,
            undoes=undoes,
            rollout=rollout,
            wave=wave,
        )
    )
    return journal


def _new_folder(runs: Path) -> Path:
    """``20261121-2210-ab12``: date, time, and the millisecond of the minute, so that ids sort."""
    now = datetime.now(UTC)
    tick = now.second * 1000 + now.microsecond // 1000
    while True:
        folder = runs / f"{now:%Y%m%d-%H%M}-{tick:04x}"
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            tick += 1
        else:
            return folder


def _sync_folder(folder: Path) -> None:
    for path in (folder, folder.parent):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def append(run_id: str, record: Record, *, state: Path | None = None) -> None:
    """Add a line to the journal of an earlier run."""
    with Journal(runs_dir(state) / run_id / FILE) as journal:
        journal.write(record)
