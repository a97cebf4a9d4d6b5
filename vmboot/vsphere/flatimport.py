"""A raw image becomes a disk by replacing the extent of a new one, where extents are files.

VMFS and NFS keep the bytes of ``X.vmdk`` in ``X-flat.vmdk``: the vCenter makes an empty disk, and
our bytes take the place of its extent (OpenStack Nova does the same). All of it happens under a
temporary name; only a disk that was read back gets its own.
"""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

from vmboot.errors import RefusedError, RemoteError
from vmboot.events import Sink, ignore
from vmboot.vsphere import transfer
from vmboot.vsphere.disks import (
    beside,
    create_disk,
    delete_remains,
    move_disk,
    read_descriptor,
    same_disk,
)
from vmboot.vsphere.files import FileInfo, list_folder, make_directory
from vmboot.vsphere.placement import DatastoreChoice

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session

PART_DISK = re.compile(r"(?P<stem>.+)\.[0-9a-f]{8}\.part(?:-flat)?\.vmdk")
"""Names of what an import that was killed has left; ``stem`` is that of the disk it was to be."""


def import_flat(
    session: Session,
    *,
    datastore: DatastoreChoice,
    path: str,
    raw: bytes,
    sha256: str,
    sink: Sink = ignore,
) -> None:
    """Put a raw image onto a datastore as a disk.

    :param path: of the disk, relative to the datastore; there must be none of this name
    :param raw: whole KiB
    :raises RefusedError: the datastore has no extents to replace
    :raises RemoteError: ``FileAlreadyExists``, ``NoDiskSpace``, ``Corrupted``, or another fault;
        the temporary disk is removed
    """
    folder = path.rpartition("/")[0]
    if folder:
        make_directory(session, datastore=datastore, folder=folder)
    part = f"{path.removesuffix('.vmdk')}.{secrets.token_hex(4)}.part.vmdk"
    where = datastore.datacenter_moid

    def remove() -> None:
        delete_remains(session, datastore=datastore, path=part)

    with transfer.removed_on_failure(remove, part=part, left="import.left", sink=sink):
        create_disk(session, path=datastore.path(part), datacenter=where, size=len(raw))
        extent = _extent(session, datastore, part, len(raw))
        # A PUT over an extent is refused where it is open; a missing one is simply made.
        transfer.delete(session, datastore=datastore, path=extent)
        transfer.put(session, datastore, extent, raw, len(raw), subject=path, sink=sink)
        transfer.verify(session, datastore, extent, len(raw), sha256)
        source, target = datastore.path(part), datastore.path(path)
        move_disk(session, source=source, target=target, datacenter=where)
    if same_disk(session, datastore=datastore, path=path, size=len(raw), sha256=sha256) is False:
        raise RemoteError(
            f"{target} does not hold the bytes that were read back before it got its name",
            fault=transfer.CORRUPTED,
            hint="look for what else writes there; then delete the disk, and run again",
        )


def parts_of_disk(
    session: Session, *, datastore: DatastoreChoice, path: str
) -> tuple[FileInfo, ...]:
    """Descriptors and extents that killed imports of ``path`` have left beside it."""
    folder, _, name = path.rpartition("/")
    pattern = f"{name.removesuffix('.vmdk')}.*.part*.vmdk"
    found = list_folder(session, datastore=datastore, folder=folder, pattern=pattern)
    return tuple(file for file in found if PART_DISK.fullmatch(file.path.rpartition("/")[2]))


def _extent(session: Session, datastore: DatastoreChoice, part: str, size: int) -> str:
    """The path of the new disk's extent, from its descriptor."""
    found = read_descriptor(session, datastore=datastore, path=part)
    if found is None or found.flat_file is None or found.size != size:
        raise RefusedError(
            f"datastore {datastore.name} keeps disks in another way than as files: "
            "their bytes cannot be replaced",
            hint="import by NFC instead: media.bdm.import: nfc",
        )
    return beside(part, found.flat_file)
