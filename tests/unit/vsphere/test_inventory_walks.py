"""The steps from the root folder reach every machine there can be, and back up to the root.

The lab's simulator puts machines of a vApp into a folder, so a graph stands for the vCenter here.
"""

from __future__ import annotations

from collections.abc import Iterable

from vmboot.vsphere.collector import Walk
from vmboot.vsphere.inventory import _DOWN, _UP

GRAPH = {
    "root": ("Folder", {"childEntity": ["dc"]}),
    "dc": ("Datacenter", {"vmFolder": ["vms"], "parent": ["root"]}),
    "vms": ("Folder", {"childEntity": ["plain", "outer"], "parent": ["dc"]}),
    "plain": ("VirtualMachine", {"parent": ["vms"]}),
    "outer": (
        "VirtualApp",
        {"vm": ["a"], "resourcePool": ["inner", "pool"], "parentFolder": ["vms"]},
    ),
    "inner": ("VirtualApp", {"vm": ["b"], "resourcePool": ["innermost"], "parent": ["outer"]}),
    "innermost": ("VirtualApp", {"vm": ["c"], "parent": ["inner"]}),
    "pool": ("ResourcePool", {"vm": ["d"], "resourcePool": ["low"], "parent": ["outer"]}),
    "low": ("ResourcePool", {"vm": ["e"], "parent": ["pool"]}),
    "a": ("VirtualMachine", {"parentVApp": ["outer"]}),
    "b": ("VirtualMachine", {"parentVApp": ["inner"]}),
    "c": ("VirtualMachine", {"parentVApp": ["innermost"]}),
    "d": ("VirtualMachine", {"parentVApp": ["outer"]}),
    "e": ("VirtualMachine", {"parentVApp": ["outer"]}),
}


def reached(start: str, walks: Iterable[Walk]) -> set[str]:
    """What a vCenter selects: every step may begin at ``start``, later ones only by name."""
    by_name = {walk.name: walk for walk in walks if walk.name}
    found: set[str] = set()
    pending = [(start, walk) for walk in walks]
    seen = set()
    while pending:
        at, walk = pending.pop()
        kind, links = GRAPH[at]
        if kind != walk.type or (at, walk) in seen:
            continue
        seen.add((at, walk))
        for target in links.get(walk.path, ()):
            found.add(target)
            pending += [(target, by_name[name]) for name in walk.then]
    return found


def test_machines_in_vapps_and_pools_of_any_depth_are_found():
    machines = {name for name, (kind, _) in GRAPH.items() if kind == "VirtualMachine"}
    assert machines <= reached("root", _DOWN)


def test_the_way_up_from_a_nested_vapp_leads_to_its_datacenter():
    assert {"innermost", "inner", "outer", "vms", "dc", "root"} <= reached("c", _UP)
