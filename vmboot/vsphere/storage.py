"""Which host reaches which datastore, read in one call, and where an ISO can therefore lie.

``summary.accessible`` is true as soon as *any* host reaches a datastore, so it says nothing about a
given machine; the mounts of every single host do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from sys import intern
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from vmboot.vsphere import soap
from vmboot.vsphere.collector import Found, Walk, reference, retrieve
from vmboot.vsphere.paths import PathFinder, encode
from vmboot.vsphere.soap import Ref

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session

_FOLDER = ("name", "parent")
_DATASTORE = (
    "name",
    "parent",
    "host",
    "browser",
    "capability.topLevelDirectoryCreateSupported",
    "summary.freeSpace",
    "summary.maintenanceMode",
    "summary.type",
)
_HOST = (
    "name",
    "parent",
    "runtime.connectionState",
    "runtime.powerState",
    "runtime.inMaintenanceMode",
)
_DOWN = (
    Walk("Folder", "childEntity", "folder", ("folder", "dc-stores", "dc-hosts", "hosts")),
    Walk("Datacenter", "datastoreFolder", "dc-stores", ("folder",)),
    Walk("Datacenter", "hostFolder", "dc-hosts", ("folder",)),
    Walk("ComputeResource", "host", "hosts"),
)


@dataclass(frozen=True, slots=True)
class Mount:
    """How one host sees one datastore.

    :param reason: ``inaccessibleReason`` where there is one
    """

    host: str
    accessible: bool = True
    mounted: bool = True
    writable: bool = True
    reason: str = ""

    @property
    def obstacle(self) -> str | None:
        """Why the host cannot read from it; ``None`` if it can."""
        if not self.mounted:
            return "has it unmounted"
        if not self.accessible:
            return f"cannot access it ({self.reason})" if self.reason else "cannot access it"
        return None


@dataclass(frozen=True, slots=True)
class Datastore:
    """One datastore.

    :param datacenter: inventory path, ``"/DC1"``
    :param dc_path: the same as the API spells it, for file transfers
    :param pod: managed object id of the datastore cluster it is a member of, or ``""``
    :param free: bytes
    :param maintenance: ``normal``, ``enteringMaintenance`` or ``inMaintenance``
    :param browser: managed object id of its ``HostDatastoreBrowser``
    :param makes_directories: false for vSAN and vVol, whose top-level directories are objects
    :param type: ``summary.type``: ``VMFS``, ``NFS``, ``NFS41``, ``vsan``, ``VVOL`` ...
    """

    moid: str
    name: str
    path: str
    datacenter: str
    datacenter_moid: str
    pod: str = ""
    free: int = 0
    maintenance: str = "normal"
    browser: str = ""
    makes_directories: bool = True
    mounts: tuple[Mount, ...] = ()
    dc_path: str = ""
    type: str = ""

    def mount(self, host: str) -> Mount | None:
        """How ``host`` sees it; ``None`` if it does not know it."""
        return next((mount for mount in self.mounts if mount.host == host), None)


@dataclass(frozen=True, slots=True)
class Host:
    """One host.

    :param compute: managed object id of its cluster, or of its stand-alone compute resource
    :param absence: why it cannot run machines just now; ``""`` if it can
    """

    moid: str
    name: str
    compute: str
    absence: str = ""


@dataclass(frozen=True)
class Storage:
    """All datastores and hosts.

    :param pods: inventory path of every datastore cluster by managed object id
    """

    datastores: tuple[Datastore, ...] = ()
    hosts: tuple[Host, ...] = ()
    pods: Mapping[str, str] = field(default_factory=dict)

    def host(self, moid: str) -> Host | None:
        return next((host for host in self.hosts if host.moid == moid), None)

    def datastore(self, name: str) -> tuple[Datastore, ...]:
        """Datastores with this name or path; several datacenters may each have one."""
        return tuple(ds for ds in self.datastores if name in (ds.name, ds.path, ds.moid))


def read_storage(session: Session) -> Storage:
    """Every datastore, host and datastore cluster, with who reaches what. One call per 500."""
    root = Ref("Folder", session.content.rootFolder._GetMoId())
    finder = PathFinder(root.moid)
    datastores: list[Found] = []
    hosts: list[Host] = []
    pods: list[str] = []
    properties = {
        "Folder": _FOLDER,
        "Datacenter": _FOLDER,
        "Datastore": _DATASTORE,
        "HostSystem": _HOST,
    }
    for found in retrieve(session, (root,), properties, walks=_DOWN):
        if found.ref.type == "Datastore":
            datastores.append(found)
        elif found.ref.type == "HostSystem":
            hosts.append(_host(found))
        else:
            finder.add(found)
            if found.ref.type == "StoragePod":
                pods.append(found.ref.moid)
    stores = sorted((_datastore(found, finder, pods) for found in datastores), key=_path)
    return Storage(tuple(stores), tuple(hosts), {moid: finder.path(moid) for moid in pods})


def _path(datastore: Datastore) -> str:
    return datastore.path


def _host(found: Found) -> Host:
    parent = found.ref_to("parent")
    return Host(
        moid=found.ref.moid,
        name=encode(found.text("name"), slash="/"),
        compute=intern(parent.moid if parent else ""),
        absence=_absence(found),
    )


def _absence(found: Found) -> str:
    state = found.text("runtime.connectionState")
    if state and state != "connected":
        return "does not respond" if state == "notResponding" else "is disconnected"
    if found.flag("runtime.inMaintenanceMode"):
        return "is in maintenance mode"
    if found.text("runtime.powerState") in ("poweredOff", "standBy"):
        return "is not powered on"
    return ""


def _datastore(found: Found, finder: PathFinder, pods: list[str]) -> Datastore:
    parent = found.ref_to("parent")
    parent_moid = parent.moid if parent else ""
    browser = found.ref_to("browser")
    name = found.text("name")
    datacenter = finder.datacenter_of(parent_moid)
    return Datastore(
        moid=found.ref.moid,
        name=encode(name, slash="/"),
        path=f"{finder.path(parent_moid)}/{encode(name)}",
        datacenter=finder.path(datacenter),
        datacenter_moid=datacenter,
        dc_path=finder.raw_path(datacenter),
        pod=parent_moid if parent_moid in pods else "",
        free=int(found.text("summary.freeSpace") or 0),
        maintenance=found.text("summary.maintenanceMode") or "normal",
        browser=browser.moid if browser else "",
        makes_directories=found.flag("capability.topLevelDirectoryCreateSupported") is not False,
        type=found.text("summary.type"),
        mounts=tuple(_mount(element) for element in found.props.get("host", ())),
    )


def _mount(element: ET.Element) -> Mount:
    info = soap.child(element, "mountInfo")
    key = soap.child(element, "key")
    return Mount(
        host=intern(reference(key).moid if key is not None else ""),
        accessible=soap.flag(info, "accessible") is not False,
        mounted=soap.flag(info, "mounted") is not False,
        writable=soap.text(info, "accessMode") != "readOnly",
        reason=intern(soap.text(info, "inaccessibleReason")),
    )
