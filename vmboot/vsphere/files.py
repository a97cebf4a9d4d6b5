"""Files on datastores: look, list, make directories, move, delete. No contents; see transfer."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from vmboot.errors import RemoteError
from vmboot.vsphere import soap
from vmboot.vsphere.onetask import await_task, run_task
from vmboot.vsphere.placement import DatastoreChoice
from vmboot.vsphere.soap import Ref

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from vmboot.vsphere.session import Session

MISSING = frozenset({"FileNotFound", "NotFound", "InvalidDatastorePath"})
"""Faults that say that a file, or its folder, is not there."""
_DETAILS = (
    "<details><fileType>false</fileType><fileSize>true</fileSize>"
    "<modification>true</modification><fileOwner>false</fileOwner></details>"
)


@dataclass(frozen=True, slots=True)
class FileInfo:
    """One file.

    :param path: relative to the datastore, ``"vmboot/x.iso"``
    :param size: bytes
    :param modified: as the vCenter spells it, only good for comparing
    """

    path: str
    size: int
    modified: str = ""


def stat(session: Session, *, datastore: DatastoreChoice, path: str) -> FileInfo | None:
    """Size and age of a file; ``None`` if it, or its folder, is not there.

    One HTTP request, where a search would be a task of its own. A server that does not tell size
    and age is asked by search all the same.
    """
    with session.http("HEAD", folder_target(datastore, path)) as reply:
        if reply.status == http.client.NOT_FOUND:
            return None
        size, modified = reply.header("Content-Length"), reply.header("Last-Modified")
        if reply.status == http.client.OK and size.isdigit() and modified:
            return FileInfo(path=path, size=int(size), modified=modified)
    folder, _, name = path.rpartition("/")
    found = (file for file in _search(session, datastore, folder, name) if file.path == path)
    return next(found, None)


def folder_target(datastore: DatastoreChoice, path: str) -> str:
    """Where ``/folder`` serves a file; ``dcPath`` is the datacenter's full inventory path."""
    path_there = datastore.dc_path or datastore.datacenter
    query = urlencode({"dcPath": path_there.lstrip("/"), "dsName": datastore.name})
    return f"/folder/{quote(path)}?{query}"


def list_folder(
    session: Session, *, datastore: DatastoreChoice, folder: str, pattern: str = "*"
) -> tuple[FileInfo, ...]:
    """The files of a folder, by name; empty if there is no such folder."""
    return tuple(sorted(_search(session, datastore, folder, pattern), key=lambda f: f.path))


def make_directory(session: Session, *, datastore: DatastoreChoice, folder: str) -> None:
    """Make a folder and its parents; fine if it is there.

    On vSAN and vVol the top one is an object of its own, which only the namespace manager makes.
    """
    if not datastore.makes_directories:
        top, _, folder_below = folder.partition("/")
        if lacks_namespace(session, datastore=datastore, folder=folder):
            _make(lambda: _make_namespace(session, datastore, top), session)
        if not folder_below:
            return
    manager = session.content.fileManager
    datacenter = session.ref("Datacenter", datastore.datacenter_moid)
    path = datastore.path(folder)
    _make(lambda: manager.MakeDirectory(path, datacenter, True), session)


def lacks_namespace(session: Session, *, datastore: DatastoreChoice, folder: str) -> bool:
    """True if the top of ``folder`` is not there and only the namespace manager makes it, for which
    it wants :data:`~vmboot.vsphere.privileges.CONFIGURE_STORE`.
    """
    if datastore.makes_directories:
        return False
    top = folder.partition("/")[0]
    return _look(session, datastore, top, "vmboot-*") is None


def move(session: Session, *, datastore: DatastoreChoice, source: str, target: str) -> None:
    """Rename a file within its datastore; never over an existing one.

    :raises RemoteError: ``FileAlreadyExists``, or another fault
    """
    manager = session.content.fileManager
    datacenter = session.ref("Datacenter", datastore.datacenter_moid)
    old, new = datastore.path(source), datastore.path(target)
    run_task(
        session, lambda: manager.MoveDatastoreFile_Task(old, datacenter, new, datacenter, False)
    )


def delete(session: Session, *, datastore: DatastoreChoice, path: str) -> bool:
    """Delete a file or an empty folder. False if it was not there."""
    manager = session.content.fileManager
    datacenter = session.ref("Datacenter", datastore.datacenter_moid)
    target = datastore.path(path)
    try:
        run_task(session, lambda: manager.DeleteDatastoreFile_Task(target, datacenter))
    except RemoteError as error:
        if error.fault in MISSING:
            return False
        raise
    return True


def _make(fn: Callable[[], Any], session: Session) -> None:
    try:
        session.call(fn, write=True)
    except RemoteError as error:
        if error.fault != "FileAlreadyExists":
            raise


def _make_namespace(session: Session, datastore: DatastoreChoice, name: str) -> Any:
    manager = session.content.datastoreNamespaceManager
    return manager.CreateDirectory(session.ref("Datastore", datastore.moid), name)


def _search(
    session: Session, datastore: DatastoreChoice, folder: str, pattern: str
) -> Iterator[FileInfo]:
    result = _look(session, datastore, folder, pattern)
    for file in soap.children(result, "file") if result is not None else ():
        name = soap.text(file, "path")
        yield FileInfo(
            path=f"{folder}/{name}" if folder else name,
            size=int(soap.text(file, "fileSize") or 0),
            modified=soap.text(file, "modification"),
        )


def _look(
    session: Session, datastore: DatastoreChoice, folder: str, pattern: str
) -> Element | None:
    """What the vCenter finds in a folder; ``None`` if there is no such folder."""
    spec = f"{_DETAILS}{soap.text_element('matchPattern', pattern)}"
    arguments = (
        soap.text_element("datastorePath", datastore.path(folder).rstrip())
        + f"<searchSpec>{spec}</searchSpec>"
    )
    browser = Ref("HostDatastoreBrowser", datastore.browser)
    try:
        reply = session.soap("SearchDatastore_Task", browser, arguments)
        return await_task(session, soap.text(reply, "returnval"))
    except RemoteError as error:
        if error.fault in MISSING:
            return None
        raise
