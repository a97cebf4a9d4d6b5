"""A streamOptimized VMDK becomes a disk by way of a shell machine: on every kind of datastore.

The order is what keeps a master safe: the disk is detached from the shell and its bytes are read
back before it gets its name, and the shell is removed when nothing is in it. So whatever fails,
a removed shell takes at most its own half-made disk with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmboot.errors import RefusedError, RemoteError, VmbootError
from vmboot.events import Event, Sink, ignore
from vmboot.vsphere.disks import disk_size, move_disk, relative, same_disk
from vmboot.vsphere.files import make_directory
from vmboot.vsphere.importplace import ImportPlace
from vmboot.vsphere.nfc import Lease, abort, await_lease, complete, send_disk
from vmboot.vsphere.onetask import run_task
from vmboot.vsphere.placement import DatastoreChoice
from vmboot.vsphere.reconfigure import read_devices
from vmboot.vsphere.shells import leftovers, new_name, notes, remove_shell
from vmboot.vsphere.transfer import CORRUPTED

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session


@dataclass(frozen=True)
class NfcImport:
    """What is imported where.

    :param path: of the disk, relative to the datastore; there must be none of this name
    :param stream: streamOptimized VMDK
    :param size: of the raw image in bytes, whole KiB
    :param sha256: of the raw image
    """

    datastore: DatastoreChoice
    path: str
    stream: bytes
    size: int
    sha256: str
    place: ImportPlace


def import_nfc(session: Session, wish: NfcImport, *, sink: Sink = ignore) -> None:
    """Put a disk onto a datastore through a shell machine, which is gone afterwards.

    :raises AuthError: a privilege is missing
    :raises RemoteError: ``FileAlreadyExists``, ``NoDiskSpace``, ``Corrupted``, or another fault
    :raises ConnectError: the connection broke
    """
    folder = wish.path.rpartition("/")[0]
    if folder:
        make_directory(session, datastore=wish.datastore, folder=folder)
    name = new_name()
    with _removed_at_last(session, name, wish.datastore, sink) as shell:
        shell.moid = _send(session, wish, name, sink)
        source = _detach(session, shell.moid)
        _verify(session, wish, relative(source), sink)
        target, where = wish.datastore.path(wish.path), wish.datastore.datacenter_moid
        move_disk(session, source=source, target=target, datacenter=where)
        shell.is_empty = True
        if disk_size(session, datastore=wish.datastore, path=wish.path) != wish.size:
            raise _corrupted(target)


def _send(session: Session, wish: NfcImport, name: str, sink: Sink) -> str:
    """Have the shell made with our bytes in its disk; its managed object id."""
    moid = _start(session, wish, name)
    with _aborted_on_failure(session, moid, sink):
        lease: Lease = await_lease(session, moid)
        send_disk(session, lease, wish.stream, subject=wish.path, sink=sink)
        complete(session, lease)
    return lease.machine


def _start(session: Session, wish: NfcImport, name: str) -> str:
    from vmboot.vsphere.importspec import shell_spec

    target = wish.datastore.path(wish.path)
    spec = shell_spec(
        name=name, datastore=wish.datastore.name, size=wish.size, notes=notes(session, target)
    )
    pool = session.ref("ResourcePool", wish.place.pool)
    folder = session.ref("Folder", wish.place.folder)
    host = session.ref("HostSystem", wish.place.host) if wish.place.host else None
    lease = session.call(lambda: pool.ImportVApp(spec, folder, host), write=True)
    moid: str = lease._GetMoId()
    return moid


def _detach(session: Session, moid: str) -> str:
    """Take the disk out of the shell; its datastore path."""
    from vmboot.vsphere.importspec import detach_spec, disks_of

    found = disks_of(read_devices(session, (moid,))[moid])
    if len(found) != 1:
        raise RefusedError(
            f"the imported machine has {len(found)} disks instead of one",
            hint="somebody changed it meanwhile: run it again",
        )
    machine = session.ref("VirtualMachine", moid)
    run_task(session, lambda: machine.ReconfigVM_Task(detach_spec(found[0])))
    if disks_of(read_devices(session, (moid,))[moid]):
        raise RefusedError(
            "the vCenter kept the disk in the machine that imported it",
            hint="run it again; until then the disk is not touched any further",
        )
    path: str = found[0].backing.fileName
    return path


def _verify(session: Session, wish: NfcImport, path: str, sink: Sink) -> None:
    """Compare what the disk holds with what it should, before it gets its name."""
    same = same_disk(
        session, datastore=wish.datastore, path=path, size=wish.size, sha256=wish.sha256
    )
    if same is False:
        raise _corrupted(wish.datastore.path(path))
    if same is None:
        words = f"{wish.datastore.name} shows no extents: only the size was compared"
        sink(Event("import.unread", words, wish.path))


def _corrupted(disk: str) -> RemoteError:
    return RemoteError(
        f"{disk} holds other bytes than were sent",
        fault=CORRUPTED,
        hint="run it again; if it stays so, import by the other way: media.bdm.import: flat",
    )


@contextmanager
def _aborted_on_failure(session: Session, lease: str, sink: Sink) -> Iterator[None]:
    try:
        yield
    except BaseException:  # Ctrl-C too
        try:
            abort(session, lease)
        except VmbootError as error:
            sink(Event("import.not-aborted", error.message, lease))
        raise


@dataclass
class _Made:
    """The shell.

    :param moid: as soon as it is known which machine it is
    :param is_empty: its disk has another name, so nothing is left to be looked for in its folder
    """

    moid: str = ""
    is_empty: bool = False


@contextmanager
def _removed_at_last(
    session: Session, name: str, datastore: DatastoreChoice, sink: Sink
) -> Iterator[_Made]:
    """The shell goes whatever happens; what cannot be removed now is found by its name later."""
    made = _Made()
    try:
        yield made
    finally:
        try:
            moids = (made.moid,) if made.moid else _named(session, name)
            for moid in moids:
                remove_shell(session, moid, datastore=None if made.is_empty else datastore)
        except VmbootError as error:
            sink(Event("import.left", f"{name} could not be removed: {error.message}", name))


def _named(session: Session, name: str) -> tuple[str, ...]:
    return tuple(shell.moid for shell in leftovers(session) if shell.name == name)
