"""Template to machine and back. A template itself cannot be reconfigured.

Neither call is a task. Whoever makes a machine of a template journals it first, for a crash in
between leaves a machine where a template was.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from vmboot.errors import AuthError, NotFoundError
from vmboot.vsphere.collector import Walk, retrieve
from vmboot.vsphere.machine import Machine
from vmboot.vsphere.paths import PathFinder
from vmboot.vsphere.privileges import ASSIGN_POOL, NEEDED_FOR_TEMPLATE
from vmboot.vsphere.soap import Ref

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session


def root_pools(session: Session, hosts: Iterable[str]) -> dict[str, str]:
    """Root resource pool of the cluster or compute resource of each host, in one call."""
    refs = [Ref("HostSystem", moid) for moid in dict.fromkeys(hosts) if moid]
    if not refs:
        return {}
    properties = {"HostSystem": ("parent",), "ComputeResource": ("resourcePool",)}
    parents: dict[str, Ref | None] = {}
    pools: dict[str, Ref | None] = {}
    for found in retrieve(session, refs, properties, walks=(Walk("HostSystem", "parent"),)):
        if found.ref.type == "HostSystem":
            parents[found.ref.moid] = found.ref_to("parent")
        else:
            pools[found.ref.moid] = found.ref_to("resourcePool")
    owned = ((host, pools.get(parent.moid)) for host, parent in parents.items() if parent)
    return {host: pool.moid for host, pool in owned if pool}


def to_machine(session: Session, machine: Machine, *, pool: str | None = None) -> None:
    """Make a machine of a template, on the host it is registered on.

    :param pool: resource pool; ``None`` looks up its cluster's root pool, which costs a call (many
        templates: :func:`root_pools` once)
    :raises NotFoundError: its cluster has no pool this user may see
    :raises AuthError: a privilege is missing; the hint names the pool
    """
    pool = pool or root_pools(session, (machine.host,)).get(machine.host)
    if pool is None:
        raise NotFoundError(
            f"no resource pool for template {machine.path}",
            hint="its host's cluster is gone, or this user may not see it",
        )
    template = session.ref("VirtualMachine", machine.moid)
    # The host is named too: without DRS the vCenter demands it.
    host = session.ref("HostSystem", machine.host) if machine.host else None
    where = session.ref("ResourcePool", pool)
    try:
        session.call(lambda: template.MarkAsVirtualMachine(where, host), write=True)
    except AuthError as error:
        raise AuthError(
            f"template {machine.path} cannot become a VM for its change: {error.message}",
            hint=f"grant {ASSIGN_POOL} on the resource pool {pool_path(session, pool)}, and "
            f"{', '.join(sorted(NEEDED_FOR_TEMPLATE))} on the template",
        ) from error


def pool_path(session: Session, pool: str) -> str:
    """Inventory path of a resource pool, ``"/DC1/host/cluster-a/Resources"``."""
    finder = PathFinder(session.content.rootFolder._GetMoId())
    kinds = ("ResourcePool", "ComputeResource", "Folder", "Datacenter")
    names = tuple(f"{kind}-up" for kind in kinds)
    walks = (Walk(kind, "parent", name, names) for kind, name in zip(kinds, names, strict=True))
    properties = dict.fromkeys(kinds, ("name", "parent"))
    for found in retrieve(session, (Ref("ResourcePool", pool),), properties, walks=walks):
        finder.add(found)
    return finder.path(pool)


def to_template(session: Session, moid: str) -> None:
    """Make a template of a machine that is powered off."""
    session.call(session.ref("VirtualMachine", moid).MarkAsTemplate, write=True)
