"""Shell machines: what an import makes to get a disk, and what a killed one leaves behind.

A shell is known by its name and by a mark in its extraConfig, both. It is only ever removed while
it holds nothing but the disk in its own folder, so removing one can cost no more than a half-made
import.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from vmboot.errors import RefusedError, RemoteError, VmbootError
from vmboot.events import Event, Sink, ignore
from vmboot.vsphere import soap
from vmboot.vsphere.collector import Found, retrieve
from vmboot.vsphere.disks import delete_disk, relative
from vmboot.vsphere.dspath import folder_of
from vmboot.vsphere.files import list_folder
from vmboot.vsphere.inventory import read_index
from vmboot.vsphere.machine import DeviceKind
from vmboot.vsphere.onetask import run_task
from vmboot.vsphere.placement import DatastoreChoice, choice_of
from vmboot.vsphere.reader import hardware_of
from vmboot.vsphere.soap import Ref
from vmboot.vsphere.storage import read_storage

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session

SHELL = re.compile(r"vmboot-import-[0-9a-f]{8}")
MARK = "vmboot.import"
"""extraConfig key of a shell: the datastore path of the disk that it is there for."""
BEGAN = "vmboot.import.began"
"""extraConfig key of a shell: when its import began, by the vCenter's clock."""
KEPT = "import.warning"
"""Kind of the event that tells of a shell which stays, and why."""
_PROPERTIES = (
    "name",
    "datastore",
    "runtime.powerState",
    "config.template",
    "config.files.vmPathName",
    "config.hardware.device",
    "config.extraConfig",
    "snapshot.currentSnapshot",
)
_FOREIGN = frozenset({DeviceKind.NIC, DeviceKind.CDROM})
_GONE = "ManagedObjectNotFound"
_BUSY = "TaskInProgress"


@dataclass(frozen=True, slots=True)
class Shell:
    """A machine with a shell's name.

    :param moid: managed object id
    :param home: datastore path of its folder, ``"[shared-01] vmboot-import-0123abcd"``
    :param datastore: managed object id of the folder's datastore
    :param wanted: datastore path of the disk that it is there for
    :param disks: datastore paths of its disks
    :param began: when its import began, by the vCenter's clock; ``None`` if it does not say
    :param obstacle: why it is not removed; ``""`` if it can go
    """

    moid: str
    name: str
    home: str = ""
    datastore: str = ""
    wanted: str = ""
    disks: tuple[str, ...] = ()
    began: datetime | None = None
    obstacle: str = ""


def new_name() -> str:
    """A name that no other import has."""
    return f"vmboot-import-{secrets.token_hex(4)}"


def notes(session: Session, wanted: str) -> dict[str, str]:
    """The extraConfig of a new shell that is there for the disk ``wanted``."""
    reply = session.soap("CurrentTime", Ref("ServiceInstance", "ServiceInstance"))
    return {MARK: wanted, BEGAN: soap.text(reply, "returnval")}


def leftovers(session: Session) -> tuple[Shell, ...]:
    """Every machine that is called like a shell, in the whole vCenter.

    One of an import that is at work right now is among them: leave those that began lately.
    """
    named = [e.moid for e in read_index(session).entries if SHELL.fullmatch(e.name)]
    return tuple(_read(session, named))


def read_shell(session: Session, moid: str) -> Shell | None:
    """One shell as it is now; ``None`` if it is gone."""
    return next(_read(session, (moid,)), None)


def remove_leftovers(
    session: Session, shells: Iterable[Shell], *, sink: Sink = ignore
) -> tuple[Shell, ...]:
    """Remove shells, and their disks that never became a master; those that are gone now.

    Each is read again first. One that is not removed is told as an event, with the reason.
    """
    stores = {ds.moid: choice_of(ds) for ds in read_storage(session).datastores}
    removed: list[Shell] = []
    for shell in shells:
        try:
            remove_shell(session, shell.moid, datastore=stores.get(shell.datastore))
        except VmbootError as error:
            words = f"{error.message} ({error.hint})" if error.hint else error.message
            sink(Event(KEPT, f"{shell.name} stays: {words}", shell.name))
        else:
            removed.append(shell)
    return tuple(removed)


def remove_shell(session: Session, moid: str, *, datastore: DatastoreChoice | None) -> None:
    """Remove a shell, with the disk in its folder. One that is gone is fine.

    :param datastore: of its folder, where a detached disk may be left; ``None``: only the machine
        goes
    :raises RefusedError: it is not a shell, or holds something that is not its own
    """
    shell = read_shell(session, moid)
    if shell is None:
        return
    if shell.obstacle:
        raise RefusedError(
            f"{shell.name} is not removed: {shell.obstacle}",
            hint="look at it in the vSphere client, and remove it there if nobody needs it",
        )
    if datastore is not None and not shell.disks:
        _remove_orphans(session, shell, datastore)
    machine = session.ref("VirtualMachine", moid)
    try:
        run_task(session, machine.Destroy_Task)
    except RemoteError as error:
        if error.fault == _BUSY:
            raise _leased(shell.name) from error
        if error.fault != _GONE:
            raise


def _leased(name: str) -> RemoteError:
    """Only an import works on a shell."""
    return RemoteError(
        f"the vCenter still holds {name} for the import that made it, until the lease of that ends",
        fault=_BUSY,
        hint="nothing waits for it: when the import was killed, its machine and half-made disk go "
        "by themselves within five minutes, or with the next 'vmboot sweep'",
    )


def _remove_orphans(session: Session, shell: Shell, datastore: DatastoreChoice) -> None:
    """A disk that was detached and got no other name; a machine's removal would not take it."""
    folder = relative(shell.home)
    found = list_folder(session, datastore=datastore, folder=folder, pattern=f"{shell.name}*.vmdk")
    for file in found:
        if not file.path.endswith("-flat.vmdk"):
            where = datastore.datacenter_moid
            delete_disk(session, path=datastore.path(file.path), datacenter=where)


def _read(session: Session, moids: Iterable[str]) -> Iterator[Shell]:
    starts = [Ref("VirtualMachine", moid) for moid in moids]
    if starts:
        for found in retrieve(session, starts, {"VirtualMachine": _PROPERTIES}):
            if found.props:
                yield shell_of(found)


def shell_of(found: Found) -> Shell:
    """Pure: what a machine is as a shell, and what speaks against removing it."""
    home = folder_of(found.text("config.files.vmPathName"))
    devices = hardware_of(found.props.get("config.hardware.device")).devices
    disks = tuple(d.file for d in devices if d.kind is DeviceKind.DISK)
    extra = _extra(found)
    wanted = extra.get(MARK, "")
    stores = found.props.get("datastore")
    obstacles = (
        ("it does not have a shell's name", not SHELL.fullmatch(found.text("name"))),
        ("its configuration cannot be read", "config.hardware.device" not in found.props),
        (f"it does not carry the mark {MARK}", not wanted),
        ("it is a template", found.flag("config.template") is True),
        ("it is not powered off", found.text("runtime.powerState") != "poweredOff"),
        ("it has snapshots", found.ref_to("snapshot.currentSnapshot") is not None),
        ("it has a network card or a CD-ROM drive", any(d.kind in _FOREIGN for d in devices)),
        ("it has a disk outside of its folder", not all(_inside(home, disk) for disk in disks)),
    )
    return Shell(
        moid=found.ref.moid,
        name=found.text("name"),
        home=home,
        datastore=stores[0].text or "" if stores is not None and len(stores) else "",
        wanted=wanted,
        disks=disks,
        began=_time(extra.get(BEGAN, "")),
        obstacle=next((words for words, is_so in obstacles if is_so), ""),
    )


def _inside(home: str, disk: str) -> bool:
    return "] " in home and folder_of(disk) == home


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _extra(found: Found) -> dict[str, str]:
    options = found.props.get("config.extraConfig")
    return {soap.text(o, "key"): soap.text(o, "value") for o in options} if options else {}
