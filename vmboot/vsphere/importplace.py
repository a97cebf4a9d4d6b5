"""Where the shell machine of an import can be: a pool, a folder, a host that writes to the disk's
datastore; and what the login lacks there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vmboot.errors import NotFoundError, RefusedError
from vmboot.vsphere.collector import retrieve
from vmboot.vsphere.placement import DatastoreChoice
from vmboot.vsphere.privileges import BROWSE, MANAGE_FILES, missing_privileges
from vmboot.vsphere.soap import Ref
from vmboot.vsphere.storage import Host, Storage
from vmboot.vsphere.templates import root_pools

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session

ALLOCATE = "Datastore.AllocateSpace"
IMPORT = "VApp.Import"
_ON_POOL = frozenset({IMPORT})
_ON_DATASTORE = frozenset({ALLOCATE, BROWSE, MANAGE_FILES})
# Without these the shell could be made, but not emptied and removed again.
_ON_FOLDER = frozenset({"VirtualMachine.Inventory.Delete", "VirtualMachine.Config.RemoveDisk"})


@dataclass(frozen=True, slots=True)
class ImportPlace:
    """All managed object ids.

    :param host: ``""`` leaves the choice to the vCenter
    :param lacks: what the login may not do there, e.g. ``"VApp.Import on the resource pool"``
    """

    pool: str
    folder: str
    host: str = ""
    lacks: tuple[str, ...] = ()


def import_place(session: Session, storage: Storage, datastore: DatastoreChoice) -> ImportPlace:
    """The first cluster, by the name of its first fit host, where the login may import.

    Where it may nowhere, the first of all, with what it lacks.

    :raises RefusedError: no host that is there just now writes to the datastore
    :raises NotFoundError: the login does not see their resource pools or the folder of machines
    """
    hosts = writing_hosts(storage, datastore.moid)
    if not hosts:
        raise RefusedError(
            f"no connected host can write to datastore {datastore.name}",
            hint="choose another datastore, or bring one of its hosts back",
        )
    folder = machine_folder(session, datastore)
    pools = root_pools(session, [host.moid for host in hosts])
    places = [ImportPlace(pools[h.moid], folder, h.moid) for h in hosts if h.moid in pools]
    if not places:
        raise NotFoundError(
            f"no resource pool for an import to datastore {datastore.name}",
            hint="this user may not see the cluster of any of its hosts",
        )
    rated = with_lacks(session, places, datastore)
    return next((place for place in rated if not place.lacks), rated[0])


def writing_hosts(storage: Storage, datastore: str) -> tuple[Host, ...]:
    """One host of every cluster, the first by name, that can write to a datastore now. Pure.

    :param datastore: managed object id
    """
    mounts = {m.host: m for ds in storage.datastores if ds.moid == datastore for m in ds.mounts}
    first: dict[str, Host] = {}
    for host in sorted(storage.hosts, key=lambda host: host.name):
        mount = mounts.get(host.moid)
        if mount and mount.writable and mount.obstacle is None and not host.absence:
            first.setdefault(host.compute or host.moid, host)
    return tuple(first.values())


def machine_folder(session: Session, datastore: DatastoreChoice) -> str:
    """The folder of machines of a datastore's datacenter.

    :raises NotFoundError: this login does not see it
    """
    start = (Ref("Datacenter", datastore.datacenter_moid),)
    for found in retrieve(session, start, {"Datacenter": ("vmFolder",)}):
        if (folder := found.ref_to("vmFolder")) is not None:
            return folder.moid
    raise NotFoundError(
        f"datacenter {datastore.datacenter} has no folder of machines that this user may see",
        hint="grant System.View on it",
    )


def with_lacks(
    session: Session, places: Iterable[ImportPlace], datastore: DatastoreChoice
) -> tuple[ImportPlace, ...]:
    """The same places, with what the login may not do there."""
    places = tuple(places)
    pools = dict.fromkeys((place.pool for place in places), _ON_POOL)
    folders = dict.fromkeys((place.folder for place in places), _ON_FOLDER)
    on_pool = missing_privileges(session, pools, kind="ResourcePool")
    on_folder = missing_privileges(session, folders, kind="Folder")
    stores = missing_privileges(session, {datastore.moid: _ON_DATASTORE}, kind="Datastore")
    on_store = _words(stores.get(datastore.moid, ()), f"datastore {datastore.name}")
    return tuple(
        replace(
            place,
            lacks=(
                *_words(on_pool.get(place.pool, ()), "the resource pool"),
                *on_store,
                *_words(on_folder.get(place.folder, ()), "the folder of machines"),
            ),
        )
        for place in places
    )


def _words(privileges: Iterable[str], where: str) -> tuple[str, ...]:
    return tuple(f"{privilege} on {where}" for privilege in privileges)
