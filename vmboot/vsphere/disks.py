"""Disk files on datastores: copy, create, move, delete, and compare with what they should hold.

The vCenter does all but the comparing. Nothing here overwrites: ``force`` is never sent, and where
a file of the wanted name exists the call fails with ``FileAlreadyExists``. Datacenters are named by
managed object id, disks by datastore path (``"[shared-01] pvs-001/vmboot-boot-....vmdk"``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vmboot.errors import NotFoundError, RemoteError, VmbootError
from vmboot.vsphere import transfer
from vmboot.vsphere.descriptor import LIMIT, Descriptor, parse_descriptor
from vmboot.vsphere.files import MISSING
from vmboot.vsphere.jobs import Job
from vmboot.vsphere.onetask import run_task
from vmboot.vsphere.placement import DatastoreChoice

if TYPE_CHECKING:
    from vmboot.vsphere.hashcache import HashCache
    from vmboot.vsphere.session import Session

_OBJECT_TYPES = frozenset({"vsan", "vsand", "vvol"})
"""``summary.type`` in lower case."""
_RENAMED = "InvalidDatastorePath"
_GONE = MISSING - {_RENAMED}
"""Faults that say that a disk is not there; it is, where its datastore has another name by now."""


def copy_disk_job(
    subject: str, *, source: str, source_datacenter: str, target: str, target_datacenter: str
) -> Job:
    """The write that copies a disk, for :func:`vmboot.vsphere.tasks.run_window`.

    No ``destSpec``: a vCenter does not implement it. The copy is as thin as its source.
    """

    def start(session: Session) -> Any:
        manager = session.content.virtualDiskManager
        old = session.ref("Datacenter", source_datacenter)
        new = session.ref("Datacenter", target_datacenter)
        return manager.CopyVirtualDisk_Task(source, old, target, new, None, False)

    return Job(subject, start, judge=lambda error: _told(error, source, target))


def delete_disk_job(subject: str, *, path: str, datacenter: str) -> Job:
    """The write that deletes a disk; one that is not there is as good as deleted."""

    def judge(error: VmbootError) -> VmbootError | None:
        is_gone = isinstance(error, RemoteError) and error.fault in _GONE
        return None if is_gone else _told_of_renamed(error, path)

    return Job(subject, lambda session: _delete(session, path, datacenter), judge=judge)


def delete_disk(session: Session, *, path: str, datacenter: str) -> bool:
    """Delete a disk, descriptor and extent. False if it, or one of the two, was not there; see
    :func:`delete_remains` for those.

    :raises RemoteError: ``FileLocked`` while a running machine uses it, or another fault
    """
    try:
        run_task(session, lambda: _delete(session, path, datacenter))
    except RemoteError as error:
        if error.fault in _GONE:
            return False
        raise _told_of_renamed(error, path) from error
    return True


def delete_remains(session: Session, *, datastore: DatastoreChoice, path: str) -> None:
    """Delete a disk in whatever state: whole, a descriptor without extent, or an extent alone.

    :param path: relative to the datastore
    :raises RemoteError: ``FileLocked`` while a running machine uses it, or another fault
    """
    try:
        delete_disk(session, path=datastore.path(path), datacenter=datastore.datacenter_moid)
    except RemoteError as error:
        if error.fault == "FileLocked":
            raise
    # Of a disk without its extent the vCenter deletes nothing, so whatever is left goes by name.
    transfer.delete(session, datastore=datastore, path=path)
    flat = f"{path.removesuffix('.vmdk').removesuffix('-flat')}-flat.vmdk"
    transfer.delete(session, datastore=datastore, path=flat)


def create_disk(session: Session, *, path: str, datacenter: str, size: int) -> None:
    """Make an empty thin disk.

    :param size: bytes, a multiple of 1024
    :raises RemoteError: ``FileAlreadyExists``, ``NoDiskSpace``, or another fault
    """
    from vmboot.vsphere.importspec import thin_disk

    where = session.ref("Datacenter", datacenter)
    manager = session.content.virtualDiskManager
    try:
        run_task(session, lambda: manager.CreateVirtualDisk_Task(path, where, thin_disk(size)))
    except RemoteError as error:
        raise _told(error, path, path) from error


def move_disk(session: Session, *, source: str, target: str, datacenter: str) -> None:
    """Rename a disk, descriptor and extent; never over an existing one.

    :raises RemoteError: ``FileAlreadyExists``, or another fault
    """
    where = session.ref("Datacenter", datacenter)
    manager = session.content.virtualDiskManager
    try:
        run_task(
            session,
            lambda: manager.MoveVirtualDisk_Task(source, where, target, where, False, None),
        )
    except RemoteError as error:
        raise _told(error, source, target) from error


def disk_exists(session: Session, *, datastore: DatastoreChoice, path: str) -> bool:
    """True if there is a file of this name, by one HTTP request.

    :param path: relative to the datastore
    """
    return transfer.stat(session, datastore=datastore, path=path) is not None


def disk_size(session: Session, *, datastore: DatastoreChoice, path: str) -> int | None:
    """Capacity in bytes, as the descriptor says; ``None`` if there is no such disk."""
    found = read_descriptor(session, datastore=datastore, path=path)
    return found.size if found else None


def read_descriptor(
    session: Session, *, datastore: DatastoreChoice, path: str
) -> Descriptor | None:
    """A disk's descriptor; ``None`` if the file is not there, or is no descriptor."""
    try:
        head = transfer.read_head(session, datastore=datastore, path=path, limit=LIMIT + 1)
    except NotFoundError:
        return None
    return parse_descriptor(head)


def same_disk(
    session: Session,
    *,
    datastore: DatastoreChoice,
    path: str,
    size: int,
    sha256: str,
    cache: HashCache | None = None,
) -> bool | None:
    """True if a disk holds these very bytes; ``None`` where the datastore does not show them.

    vSAN and vVol keep a disk in an object that no file path leads to, and a running machine locks
    its disk: only the capacity is compared then.

    :param path: relative to the datastore
    :param size: bytes of the raw image
    :param sha256: of the raw image, hex digits
    :param cache: answers for extents that were read before and are untouched since
    :raises NotFoundError: there is no such file
    """
    found = read_descriptor(session, datastore=datastore, path=path)
    if found is None:
        if not disk_exists(session, datastore=datastore, path=path):
            raise NotFoundError(f"there is no {datastore.path(path)}")
        return False
    if found.size != size:
        return False
    if found.flat_file is None or keeps_objects(datastore):
        return None
    extent = beside(path, found.flat_file)
    return _same_extent(session, datastore, extent, size, sha256, cache)


def keeps_objects(datastore: DatastoreChoice) -> bool:
    """True of vSAN and vVol, whose disks are no files."""
    return datastore.type.lower() in _OBJECT_TYPES


def beside(path: str, name: str) -> str:
    """The path of a file in the folder of another."""
    folder, slash, _ = path.rpartition("/")
    return f"{folder}{slash}{name}"


def as_named_now(datastore: DatastoreChoice, path: str) -> str:
    """A recorded datastore path with the name that its datastore has by now."""
    return datastore.path(relative(path))


def relative(path: str) -> str:
    """A datastore path without its datastore: ``"[a] b/c.vmdk"`` gives ``"b/c.vmdk"``."""
    return path.partition("] ")[2]


def _same_extent(
    session: Session,
    datastore: DatastoreChoice,
    extent: str,
    size: int,
    sha256: str,
    cache: HashCache | None,
) -> bool | None:
    info = transfer.stat(session, datastore=datastore, path=extent)
    if info is None or info.size != size:
        return False
    known = cache.get(session, datastore, info) if cache else None
    if known is None:
        try:
            known = transfer.sha256_of(session, datastore=datastore, path=extent)
        except RemoteError:
            return None  # locked by a running machine, or not for reading
        if cache:
            cache.put(session, datastore, info, known)
    return known == sha256


def _delete(session: Session, path: str, datacenter: str) -> Any:
    where = session.ref("Datacenter", datacenter)
    return session.content.virtualDiskManager.DeleteVirtualDisk_Task(path, where)


def _told_of_renamed(error: VmbootError, path: str) -> VmbootError:
    if not isinstance(error, RemoteError) or error.fault != _RENAMED:
        return error
    return RemoteError(
        f"no datastore has the name in {path}: {error.message}",
        fault=error.fault,
        hint="it may have been renamed: the file is there still, under its new name",
    )


def _told(error: VmbootError, source: str, target: str) -> VmbootError:
    """The same fault, with the names of the disks."""
    if not isinstance(error, RemoteError):
        return error
    datastore = target.partition("]")[0].lstrip("[")
    match error.fault:
        case "FileAlreadyExists":
            message = f"{target} is there already"
            hint = "vmboot never overwrites: move that file away if it is not needed"
        case "NoDiskSpace":
            message = f"datastore {datastore} has no space for {target}"
            hint = "free space there, then run the same command again: it goes on from here"
        case fault if fault in MISSING:
            message = f"{source}, or the folder of {target}, is not there: {error.message}"
            hint = "run plan again: a machine's folder or the imported disk was moved or removed"
        case _:
            return error
    return RemoteError(message, fault=error.fault, hint=hint)
