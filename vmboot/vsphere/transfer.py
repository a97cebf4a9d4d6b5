"""File contents to and from datastores, over the vCenter's ``/folder``.

An upload never overwrites: bytes go to a temporary name, are read back and compared, and only then
get their name by a move that refuses an existing target. Whole files are never held in memory.
"""

from __future__ import annotations

import hashlib
import http.client
import io
import secrets
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from vmboot.errors import (
    AuthError,
    ConnectError,
    NotFoundError,
    RefusedError,
    RemoteError,
    VmbootError,
)
from vmboot.events import Event, Sink, ignore
from vmboot.vsphere.files import (
    FileInfo,
    delete,
    folder_target,
    list_folder,
    make_directory,
    move,
    stat,
)
from vmboot.vsphere.placement import DatastoreChoice

if TYPE_CHECKING:
    from vmboot.vsphere.hashcache import HashCache
    from vmboot.vsphere.httppool import HttpReply
    from vmboot.vsphere.session import Session

__all__ = [
    "FileInfo",
    "delete",
    "download",
    "holds",
    "list_folder",
    "make_directory",
    "parts_of",
    "put",
    "read_bytes",
    "read_head",
    "removed_on_failure",
    "sha256_of",
    "stat",
    "upload",
    "verify",
]

BLOCK = 1 << 20
PART = ".part"
CORRUPTED = "Corrupted"
"""Our own fault name: what a datastore holds is not what was sent."""
_MEANINGS: Mapping[int, tuple[str, str]] = {
    http.client.INSUFFICIENT_STORAGE: ("NoDiskSpace", "free space there, or choose another one"),
    http.client.CONFLICT: ("FileAlreadyExists", "vmboot never overwrites: delete it, or rename"),
    http.client.NOT_FOUND: ("FileNotFound", "the folder or datastore vanished: run plan again"),
}


def upload(
    session: Session,
    *,
    datastore: DatastoreChoice,
    path: str,
    data: bytes | Path,
    sha256: str,
    cache: HashCache | None = None,
    look_first: bool = True,
    sink: Sink = ignore,
) -> bool:
    """Put a file onto a datastore, unless it is there already with the same bytes.

    :param path: relative to the datastore, ``"vmboot/x.iso"``
    :param sha256: hex digest of ``data``
    :param look_first: false where the caller has just seen that it is not there, which saves a
        search; a file that appeared meanwhile is still never overwritten
    :return: true if it was sent, false if it was there
    :raises RefusedError: another file has this name
    :raises RemoteError: the datastore is full (``NoDiskSpace``), or what arrived is not what was
        sent (``Corrupted``); the temporary file is removed
    """
    size = len(data) if isinstance(data, bytes) else data.stat().st_size
    if look_first and holds(
        session, datastore=datastore, path=path, size=size, sha256=sha256, cache=cache
    ):
        return False
    folder, _, name = path.rpartition("/")
    if folder:
        make_directory(session, datastore=datastore, folder=folder)
    part = f"{folder}/{name}.{secrets.token_hex(4)}{PART}".lstrip("/")

    def remove() -> object:
        return delete(session, datastore=datastore, path=part)

    with removed_on_failure(remove, part=part, left="upload.left", sink=sink):
        put(session, datastore, part, data, size, subject=path, sink=sink)
        verify(session, datastore, part, size, sha256)
        _name_it(session, datastore, part, path, size, sha256)
    return True


def holds(
    session: Session,
    *,
    datastore: DatastoreChoice,
    path: str,
    size: int,
    sha256: str,
    cache: HashCache | None = None,
) -> bool:
    """True if the file is there with these very bytes, false if there is none of this name.

    :param cache: answers for files whose bytes were read before and which are untouched since
    :raises RefusedError: a file of this name is there, with other bytes
    """
    info = stat(session, datastore=datastore, path=path)
    if info is None:
        return False
    known = cache.get(session, datastore, info) if cache and info.size == size else None
    if known is None and info.size == size:
        known = sha256_of(session, datastore=datastore, path=path)
        if cache:
            cache.put(session, datastore, info, known)
    if known != sha256:
        raise RefusedError(
            f"{datastore.path(path)} is there already, but it is another file",
            hint="somebody changed it; vmboot never overwrites: move it away, then run again",
        )
    return True


def download(
    session: Session, *, datastore: DatastoreChoice, path: str, into: BinaryIO, sink: Sink = ignore
) -> int:
    """Copy a file's bytes to ``into``; how many they were.

    :raises NotFoundError: there is no such file
    """
    done = 0
    for block in _blocks(session, datastore, path):
        into.write(block)
        done += len(block)
        sink(Event("download.progress", "", path, {"bytes": done}))
    return done


def read_bytes(session: Session, *, datastore: DatastoreChoice, path: str) -> bytes:
    """A small file whole.

    :raises NotFoundError: there is no such file
    """
    into = io.BytesIO()
    download(session, datastore=datastore, path=path, into=into)
    return into.getvalue()


def read_head(session: Session, *, datastore: DatastoreChoice, path: str, limit: int) -> bytes:
    """The first ``limit`` bytes of a file, or all of a shorter one.

    :raises NotFoundError: there is no such file
    """
    head = b""
    with closing(_blocks(session, datastore, path, block=limit)) as blocks:
        for block in blocks:
            head += block
            if len(head) >= limit:
                break
    return head[:limit]


def sha256_of(session: Session, *, datastore: DatastoreChoice, path: str) -> str:
    """Hex digest of a file's bytes, read through once.

    :raises NotFoundError: there is no such file
    """
    return _size_and_sha256(session, datastore, path)[1]


def parts_of(session: Session, *, datastore: DatastoreChoice, path: str) -> tuple[FileInfo, ...]:
    """What uploads of ``path`` that were killed have left beside it."""
    folder, _, name = path.rpartition("/")
    return list_folder(session, datastore=datastore, folder=folder, pattern=f"{name}.*{PART}")


def _size_and_sha256(session: Session, datastore: DatastoreChoice, path: str) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    for block in _blocks(session, datastore, path):
        digest.update(block)
        size += len(block)
    return size, digest.hexdigest()


def _blocks(
    session: Session, datastore: DatastoreChoice, path: str, *, block: int = BLOCK
) -> Generator[bytes, None, None]:
    with session.http("GET", folder_target(datastore, path)) as reply:
        if reply.status == http.client.NOT_FOUND:
            raise NotFoundError(f"there is no {datastore.path(path)}")
        if reply.status != http.client.OK:
            raise _refusal(reply, datastore.path(path))
        while data := reply.read(block):
            yield data


def put(
    session: Session,
    datastore: DatastoreChoice,
    part: str,
    data: bytes | Path,
    size: int,
    *,
    subject: str,
    sink: Sink,
) -> None:
    """Send bytes under a name that nobody else uses; see :func:`upload` for all others.

    One PUT; once more where the connection broke, as an expired session looks like that too.
    """
    with ExitStack() as stack:

        def opened() -> Source:
            source: BinaryIO = io.BytesIO(data) if isinstance(data, bytes) else data.open("rb")
            return Source(stack.enter_context(source), size, subject, sink)

        def send() -> None:
            headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
            target = folder_target(datastore, part)
            with session.http("PUT", target, open_body=opened, headers=headers) as reply:
                if reply.status not in (http.client.OK, http.client.CREATED):
                    raise _refusal(reply, datastore.path(part))
                reply.read()

        try:
            send()
        except ConnectError:
            session.check()
            send()


class Source:
    """A file that tells how far it was read. ``http.client`` asks for a block at a time."""

    def __init__(self, file: BinaryIO, total: int, subject: str, sink: Sink) -> None:
        self._file = file
        self._total = total
        self._subject = subject
        self._sink = sink
        self._done = 0

    def read(self, size: int = BLOCK) -> bytes:
        block = self._file.read(size)
        self._done += len(block)
        facts = {"bytes": self._done, "total": self._total}
        self._sink(Event("upload.progress", "", self._subject, facts))
        return block


def verify(session: Session, datastore: DatastoreChoice, part: str, size: int, sha256: str) -> None:
    """Read every byte back. No search for the size first: that is a task, and far slower.

    :raises RemoteError: ``Corrupted``
    """
    arrived, digest = _size_and_sha256(session, datastore, part)
    if (arrived, digest) == (size, sha256):
        return
    raise RemoteError(
        f"the upload to {datastore.name} did not arrive whole: {arrived} of {size} bytes"
        if arrived != size
        else f"the upload to {datastore.name} arrived with other bytes than were sent",
        fault=CORRUPTED,
        hint="run it again; if it stays so, something between here and the vCenter damages data",
    )


def _name_it(
    session: Session, datastore: DatastoreChoice, part: str, path: str, size: int, sha256: str
) -> None:
    """The final name. Another run may have been faster with the same bytes: then ours goes."""
    try:
        move(session, datastore=datastore, source=part, target=path)
    except RemoteError as error:
        if error.fault != "FileAlreadyExists":
            raise
        holds(session, datastore=datastore, path=path, size=size, sha256=sha256)
        delete(session, datastore=datastore, path=part)


@contextmanager
def removed_on_failure(
    remove: Callable[[], object], *, part: str, left: str, sink: Sink
) -> Iterator[None]:
    """Call ``remove`` when what is done meanwhile fails.

    :param part: what is removed, relative to the datastore
    :param left: kind of the event that tells that it could not be
    """
    try:
        yield
    except BaseException:  # Ctrl-C too must not leave a part behind
        try:
            remove()
        except VmbootError as error:
            sink(Event(left, f"{part} could not be removed: {error.message}", part))
        raise


def _refusal(reply: HttpReply, path: str) -> VmbootError:
    """What an HTTP status of ``/folder`` means."""
    said = reply.read(500).decode("utf-8", "replace").strip()
    if reply.status in (http.client.FORBIDDEN, http.client.UNAUTHORIZED):
        return AuthError(
            f"the vCenter refuses file access to {path}",
            hint="grant Datastore.Browse and Datastore.FileManagement on the datastore",
        )
    fault, hint = _MEANINGS.get(reply.status, ("HttpError", "see the vCenter's log"))
    # A full VMFS or NFS volume shows as a plain 500 with the operating system's words.
    if "no space left" in said.lower():
        fault, hint = _MEANINGS[http.client.INSUFFICIENT_STORAGE]
    return RemoteError(f"{path}: {reply.status} {said or reply.reason}", fault=fault, hint=hint)
