"""Inventory paths, built from parents as govc builds them: ``/DC1/vm/PVS/pvs-001``.

The API spells ``/``, ``\\`` and ``%`` in names as ``%2f``, ``%5c`` and ``%25`` (vSphere API
reference, ``ManagedEntity.name``). A name shows them plainly; a path keeps ``%2f``, so that it
still splits at every slash.
"""

from __future__ import annotations

from sys import intern

from vmboot.vsphere.collector import Found

_ESCAPES = (("%5c", "\\"), ("%5C", "\\"), ("%25", "%"))


def encode(name: str, *, slash: str = "%2f") -> str:
    """A name as the API gives it, readable; ``slash`` is how a slash in it shows."""
    if "%" not in name:
        return name
    for spelling in ("%2f", "%2F"):
        name = name.replace(spelling, "\0")
    for spelling, plain in _ESCAPES:
        name = name.replace(spelling, plain)
    return name.replace("\0", slash)


class PathFinder:
    """Collects folders, datacenters and vApps, then tells the path of any of them.

    :param root: managed object id of the root folder, which has no name in paths
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._known: dict[str, tuple[str, str]] = {}
        self._raw: dict[str, str] = {}
        self._datacenters: list[str] = []
        self._paths: dict[str, str] = {root: ""}

    def add(self, found: Found) -> None:
        """Note one object's name and parent."""
        parent = found.ref_to("parentFolder") or found.ref_to("parent")
        name = encode(found.text("name"))
        self._raw[found.ref.moid] = found.text("name")
        self._known[found.ref.moid] = (name, parent.moid if parent else self._root)
        if found.ref.type == "Datacenter":
            self._datacenters.append(found.ref.moid)

    def path(self, moid: str) -> str:
        """Path of an object; of one we may not see, its id in its place."""
        if moid == "":
            return ""
        if moid not in self._paths:
            name, parent = self._known.get(moid, (moid, self._root))
            self._paths[moid] = intern(f"{self.path(parent)}/{name}")
        return self._paths[moid]

    def datacenter_of(self, moid: str) -> str:
        """Managed object id of the datacenter that holds an object; ``""`` outside of any."""
        while moid in self._known:
            if moid in self._datacenters:
                return moid
            moid = self._known[moid][1]
        return ""

    def datacenters(self) -> tuple[str, ...]:
        """Paths of every datacenter; two of them may have one name, in different folders."""
        return tuple(sorted(self.path(moid) for moid in self._datacenters))

    def raw_path(self, moid: str) -> str:
        """Path with the names as the API spells them, which is how it wants them back."""
        if moid == self._root or moid not in self._raw:
            return ""
        return f"{self.raw_path(self._known[moid][1])}/{self._raw[moid]}"
