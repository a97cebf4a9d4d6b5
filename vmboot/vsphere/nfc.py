"""An NFC lease: the vCenter makes a machine, we send its disk, and both sides say when it is done.

API reference, ``HttpNfcLease``. The lease ends the import by itself when nobody reports progress
for ``leaseTimeout`` seconds, so a thread does while bytes are under way.
"""

from __future__ import annotations

import hashlib
import http.client
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from vmboot.clock import Deadline, poll
from vmboot.errors import AuthError, ConnectError, DeadlineError, RemoteError, VmbootError
from vmboot.events import Sink
from vmboot.vsphere import faults, soap
from vmboot.vsphere.collector import Found, reference, retrieve
from vmboot.vsphere.nfchost import Destination, destination, post
from vmboot.vsphere.soap import Ref
from vmboot.vsphere.transfer import BLOCK, CORRUPTED, Source

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session

READY_DEADLINE_S = 300.0
SEND_DEADLINE_S = 3600.0
_READY_EVERY_S = 0.1
_STREAM_TYPE = "application/x-vnd.vmware-streamVmdk"
_LEASE = ("state", "error", "info")
_ASSUMED_TIMEOUT_S = 300


@dataclass(frozen=True, slots=True)
class DiskUrl:
    """Where one disk's bytes go.

    :param key: names it in the manifest
    :param thumbprint: of the certificate of the URL's host; ``""`` where the vCenter tells none
    """

    key: str
    url: str
    thumbprint: str = ""


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease that is ready.

    :param moid: managed object id
    :param machine: managed object id of the machine that it makes
    :param timeout_s: without progress for so long, the vCenter gives the import up
    """

    moid: str
    machine: str
    timeout_s: int
    disks: tuple[DiskUrl, ...]


def await_lease(session: Session, moid: str, *, deadline_s: float = READY_DEADLINE_S) -> Lease:
    """Wait until the vCenter is ready to take the bytes.

    :raises RemoteError: it will not; the fault says why
    :raises DeadlineError: it did not say in time
    """

    def ready() -> Found | None:
        found = next(
            retrieve(session, (Ref("HttpNfcLease", moid),), {"HttpNfcLease": _LEASE}), None
        )
        if found is None:
            raise _gone(moid)
        return None if found.text("state") == "initializing" else found

    deadline = Deadline.after(deadline_s)
    found = poll(ready, deadline=deadline, every=_READY_EVERY_S, what="the lease for an import")
    error = found.props.get("error")
    if found.text("state") != "ready" or "info" not in found.props:
        fault = soap.fault_of(error) if error is not None else None
        raise faults.error_of(fault) if fault else _gone(moid)
    return lease_of(moid, found.props["info"])


def lease_of(moid: str, info: ET.Element) -> Lease:
    """A ``HttpNfcLeaseInfo`` as a value. Pure."""
    entity = soap.child(info, "entity")
    urls = soap.children(info, "deviceUrl")
    return Lease(
        moid=moid,
        machine=reference(entity).moid if entity is not None else "",
        timeout_s=int(soap.text(info, "leaseTimeout") or _ASSUMED_TIMEOUT_S),
        disks=tuple(
            DiskUrl(soap.text(u, "key"), soap.text(u, "url"), soap.text(u, "sslThumbprint"))
            for u in urls
            if soap.flag(u, "disk") is not False
        ),
    )


def send_disk(session: Session, lease: Lease, data: bytes, *, subject: str, sink: Sink) -> None:
    """Send a streamOptimized VMDK as the one disk of the lease, and compare what arrived.

    :raises ConnectError: the connection broke; the lease is of no use any more
    :raises RemoteError: the vCenter refuses the bytes, or others arrived
    :raises DeadlineError: it took too long
    """
    if len(lease.disks) != 1:
        raise RemoteError(
            f"the vCenter wants {len(lease.disks)} disks for an import of one",
            fault="InvalidState",
            hint="import by the other way: media.bdm.import: flat",
        )
    (disk,) = lease.disks
    where = destination(disk.url, vcenter=session.host, port=session.port)
    source = _Watched(data, Deadline.after(SEND_DEADLINE_S), subject, sink)
    try:
        with _kept_alive(session, lease, source):
            _post(session, where, disk, source)
    except (ConnectError, RemoteError) as error:
        # The lease knows why; the connection often only that it is over.
        raise _why(session, lease) or error from error
    _compare(session, lease, disk, data)


def complete(session: Session, lease: Lease) -> None:
    """Say that all is sent: the machine is whole and ours."""
    session.call(session.ref("HttpNfcLease", lease.moid).HttpNfcLeaseComplete, write=True)


def abort(session: Session, moid: str) -> None:
    """Give an import up; the vCenter removes what it made of the machine."""
    lease = session.ref("HttpNfcLease", moid)
    session.call(lambda: lease.HttpNfcLeaseAbort(None), write=True)


class _Watched:
    """The bytes of an upload, with how far it is and a limit to how long it may take."""

    def __init__(self, data: bytes, deadline: Deadline, subject: str, sink: Sink) -> None:
        self._data = data
        self._deadline = deadline
        self._subject = subject
        self._sink = sink
        self.done = 0

    @property
    def percent(self) -> int:
        return 100 * self.done // max(len(self._data), 1)

    @property
    def size(self) -> int:
        return len(self._data)

    def open(self) -> _Watched:
        """From the start, also when the request is repeated."""
        self._source = Source(io.BytesIO(self._data), self.size, self._subject, self._sink)
        self.done = 0
        return self

    def read(self, size: int = BLOCK) -> bytes:
        if self._deadline.expired:
            raise DeadlineError(
                f"{self.done} of {self.size} bytes were sent within {self._deadline.seconds:g} s",
                hint="look for what slows the way to the vCenter, then run it again",
            )
        block = self._source.read(size)
        self.done += len(block)
        return block


def _post(session: Session, where: Destination, disk: DiskUrl, source: _Watched) -> None:
    headers = {"Content-Length": str(source.size), "Content-Type": _STREAM_TYPE}
    with post(
        session, where, thumbprint=disk.thumbprint, open_body=source.open, headers=headers
    ) as reply:
        said = reply.read(500).decode("utf-8", "replace").strip()
        if reply.status not in (http.client.OK, http.client.CREATED):
            raise _refusal(reply.status, said or reply.reason, where)


def _refusal(status: int, said: str, where: Destination) -> VmbootError:
    if status in (http.client.UNAUTHORIZED, http.client.FORBIDDEN):
        return AuthError(
            f"{where.host} refuses the bytes of an import: {status} {said}",
            hint="the lease may have ended meanwhile: run it again",
        )
    is_full = status == http.client.INSUFFICIENT_STORAGE or "no space left" in said.lower()
    return RemoteError(
        f"{where.host} does not take the disk: {status} {said}",
        fault="NoDiskSpace" if is_full else "HttpError",
        hint="free space on the datastore" if is_full else "see the log of the vCenter, or host",
    )


@contextmanager
def _kept_alive(session: Session, lease: Lease, source: _Watched) -> Iterator[None]:
    """Report progress four times as often as the lease needs it, until the block ends.

    A report that fails is not told by itself: the lease then ends, and the upload fails of it.
    """
    ended = threading.Event()
    handle: Any = session.ref("HttpNfcLease", lease.moid)

    def report() -> None:
        while not ended.wait(max(lease.timeout_s / 4, 0.1)):
            try:
                session.call(lambda: handle.HttpNfcLeaseProgress(source.percent))
            except VmbootError:
                return

    thread = threading.Thread(target=report, name="vmboot-lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _compare(session: Session, lease: Lease, disk: DiskUrl, data: bytes) -> None:
    """What the vCenter says it received; not every release has a manifest for imports."""
    try:
        reply = session.soap("HttpNfcLeaseGetManifest", Ref("HttpNfcLease", lease.moid))
    except RemoteError:
        return
    expected = hashlib.sha1(data, usedforsecurity=False).hexdigest()
    for entry in soap.children(reply, "returnval"):
        found = soap.text(entry, "sha1").lower()
        if soap.text(entry, "key") == disk.key and found and found != expected:
            raise RemoteError(
                "the vCenter received other bytes than were sent",
                fault=CORRUPTED,
                hint="run it again; if it stays so, something in between damages data",
            )


def _why(session: Session, lease: Lease) -> VmbootError | None:
    """What ended a lease in error; ``None`` if it has not ended, or nobody can tell."""
    start = (Ref("HttpNfcLease", lease.moid),)
    try:
        found = next(retrieve(session, start, {"HttpNfcLease": ("state", "error")}), None)
    except VmbootError:
        return None
    error = found.props.get("error") if found else None
    return faults.error_of(soap.fault_of(error)) if error is not None else None


def _gone(moid: str) -> RemoteError:
    return RemoteError(
        f"the vCenter gave the import up (lease {moid})",
        fault="InvalidState",
        hint="run it again; the vCenter's task list tells why",
    )
