"""A boot disk's master onto a datastore: once, never over anything, by the way that works there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from vmboot.errors import AuthError, InputError, NotFoundError, RefusedError, RemoteError
from vmboot.events import Event, Sink, ignore
from vmboot.vsphere.disks import keeps_objects, same_disk
from vmboot.vsphere.flatimport import import_flat, parts_of_disk
from vmboot.vsphere.importplace import ImportPlace, import_place, with_lacks
from vmboot.vsphere.nfcimport import NfcImport, import_nfc
from vmboot.vsphere.placement import DatastoreChoice
from vmboot.vsphere.shells import KEPT, Shell, leftovers, remove_leftovers
from vmboot.vsphere.storage import read_storage

if TYPE_CHECKING:
    from vmboot.vsphere.hashcache import HashCache
    from vmboot.vsphere.session import Session

__all__ = [
    "KEPT",
    "ImportPlace",
    "Shell",
    "Way",
    "import_disk",
    "import_place",
    "leftovers",
    "parts_of_disk",
    "remove_leftovers",
]

Way: TypeAlias = Literal["auto", "nfc", "flat"]
UNIT = 1024


def import_disk(
    session: Session,
    *,
    datastore: DatastoreChoice,
    path: str,
    raw: bytes,
    stream: Callable[[], bytes],
    sha256: str,
    way: Way = "auto",
    pool: str = "",
    host: str = "",
    folder: str = "",
    cache: HashCache | None = None,
    sink: Sink = ignore,
) -> bool:
    """Put a raw image onto a datastore as a disk, unless it is there already.

    :param path: of the disk, relative to the datastore, ``"vmboot/vmboot-boot-....vmdk"``
    :param raw: the image, whole KiB
    :param stream: makes the same image as a streamOptimized VMDK; called only if it is needed
    :param sha256: of ``raw``, hex digits
    :param pool: managed object ids of where the shell machine may be; what is ``""`` is looked up,
        see :func:`import_place`
    :param cache: answers for disks that were read through before
    :return: false if it was there with the same bytes
    :raises InputError: ``raw`` is no whole number of KiB
    :raises RefusedError: another disk has this name, or ``way`` does not work on this datastore
    :raises AuthError: a privilege is missing; the message names it
    :raises RemoteError: ``NoDiskSpace``, ``Corrupted``, or another fault
    """
    if len(raw) % UNIT or not raw:
        raise InputError(f"an image of {len(raw)} bytes is no disk: it takes whole KiB")

    wish = _Wish(datastore, path, raw, stream, sha256, sink)
    if wish.is_there(session, cache):
        return False
    try:
        if way == "flat":
            wish.by_flat(session, "as asked for")
        else:
            place = _place(session, datastore, pool=pool, host=host, folder=folder)
            wish.by_nfc(session, place, way)
    except RemoteError as error:
        # Another run may have been faster with the same bytes.
        if error.fault != "FileAlreadyExists" or not wish.is_there(session, cache):
            raise
        return False
    return True


@dataclass(frozen=True)
class _Wish:
    """The arguments of :func:`import_disk` that do not change on the way."""

    datastore: DatastoreChoice
    path: str
    raw: bytes
    stream: Callable[[], bytes]
    sha256: str
    sink: Sink

    def is_there(self, session: Session, cache: HashCache | None) -> bool:
        """
        :raises RefusedError: another disk, or another file, has the name
        """
        try:
            same = same_disk(
                session,
                datastore=self.datastore,
                path=self.path,
                size=len(self.raw),
                sha256=self.sha256,
                cache=cache,
            )
        except NotFoundError:
            return False
        if same is False:
            raise RefusedError(
                f"{self.datastore.path(self.path)} is there already, but it is another disk",
                hint="somebody changed it; vmboot never overwrites: move it away, then run again",
            )
        if same is None:
            words = f"{self.datastore.name} does not show its bytes; name and size are right"
            self.sink(Event("import.unread", words, self.path))
        return True

    def by_nfc(self, session: Session, place: ImportPlace, way: Way) -> None:
        """By a shell machine, or by the extent where ``auto`` has to."""
        if reason := why_not_nfc(way, datastore=self.datastore, lacks=place.lacks):
            self.by_flat(session, reason)
            return
        self._tell("nfc", "the vCenter makes the disk itself, on any kind of datastore")
        made = NfcImport(
            datastore=self.datastore,
            path=self.path,
            stream=self.stream(),
            size=len(self.raw),
            sha256=self.sha256,
            place=place,
        )
        try:
            import_nfc(session, made, sink=self.sink)
        except AuthError as error:
            # What a privilege list does not show: a host may refuse what the vCenter allows.
            if way == "nfc" or keeps_objects(self.datastore):
                raise
            self.by_flat(session, f"NFC is refused: {error.message}")

    def by_flat(self, session: Session, reason: str) -> None:
        """By replacing the extent of a new disk."""
        refuse_flat(self.datastore)
        self._tell("flat", reason)
        import_flat(
            session,
            datastore=self.datastore,
            path=self.path,
            raw=self.raw,
            sha256=self.sha256,
            sink=self.sink,
        )

    def _tell(self, way: str, reason: str) -> None:
        disk = self.datastore.path(self.path)
        self.sink(Event("import.way", f"{disk} by {way}: {reason}", disk, {"way": way}))


def why_not_nfc(way: Way, *, datastore: DatastoreChoice, lacks: tuple[str, ...]) -> str:
    """Why ``auto`` imports by the extent; ``""`` if it is by NFC. Pure.

    :param lacks: privileges with where they are missing
    :raises AuthError: only NFC would do, and it needs them
    """
    if not lacks:
        return ""
    named = ", ".join(lacks)
    if way == "nfc" or keeps_objects(datastore):
        other = "" if keeps_objects(datastore) else ", or set media.bdm.import to flat"
        raise AuthError(
            f"an import to datastore {datastore.name} by NFC needs {named}",
            hint=f"grant that to the user vmboot logs in with{other}",
        )
    return f"NFC would need {named}"


def refuse_flat(datastore: DatastoreChoice) -> None:
    """Check that a disk's bytes can be replaced there. Pure.

    :raises RefusedError: its disks are no files
    """
    if keeps_objects(datastore):
        raise RefusedError(
            f"datastore {datastore.name} ({datastore.type}) keeps disks as objects, whose bytes "
            "cannot be replaced",
            hint="set media.bdm.import to nfc or auto",
        )


def _place(
    session: Session, datastore: DatastoreChoice, *, pool: str, host: str, folder: str
) -> ImportPlace:
    """As asked for, the rest looked up; with what the login lacks there."""
    if pool and folder:
        (place,) = with_lacks(session, (ImportPlace(pool, folder, host),), datastore)
        return place
    found = import_place(session, read_storage(session), datastore)
    if not (pool or folder or host):
        return found
    asked = ImportPlace(pool or found.pool, folder or found.folder, host or found.host)
    (place,) = with_lacks(session, (asked,), datastore)
    return place
