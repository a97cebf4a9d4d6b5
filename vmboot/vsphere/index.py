"""Finding machines by path, glob or bare name, as govc does."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property

from vmboot.errors import AmbiguousError, NotFoundError
from vmboot.model import Firmware
from vmboot.vsphere.globs import name_expression
from vmboot.vsphere.machine import Power

_GLOB = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Entry:
    """One VM or template, shallow.

    :param path: absolute inventory path; a slash in a name shows as ``%2f`` there
    :param uuid: ``config.instanceUuid``
    """

    moid: str
    name: str
    path: str
    uuid: str
    is_template: bool
    power: Power
    firmware: Firmware


@dataclass(frozen=True)
class Index:
    """All machines in the order of their paths.

    :param datacenters: inventory paths
    """

    entries: tuple[Entry, ...]
    datacenters: tuple[str, ...] = ()

    def match(self, pattern: str) -> tuple[Entry, ...]:
        """Machines that ``pattern`` means, in the order of their paths; none is no error here.

        Globs are ``*``, ``?``, ``[...]`` within a name and ``**`` for any depth of folders. A
        pattern without a slash means that name anywhere; one without a leading slash starts at
        the VM folder of any datacenter.

        >>> index.match("/DC1/vm/PVS/**/pvs-*")     # doctest: +SKIP
        """
        if "/" not in pattern:
            return self._named(pattern)
        if not _GLOB & set(pattern) and pattern.startswith("/"):
            found = self._by_path.get(pattern.rstrip("/"))
            return (found,) if found else ()
        expression = re.compile(_expression(pattern))
        return tuple(entry for entry in self.entries if expression.fullmatch(entry.path))

    def one(self, pattern: str) -> Entry:
        """The single machine that ``pattern`` means.

        :raises NotFoundError: it means none; the hint names the nearest ones
        :raises AmbiguousError: it means several
        """
        found = self.match(pattern)
        if not found:
            raise NotFoundError(f"no machine matches {pattern!r}", hint=self.nearest(pattern))
        if len(found) > 1:
            paths = tuple(entry.path for entry in found)
            raise AmbiguousError(
                f"{pattern!r} matches {len(paths)} machines",
                matches=paths,
                hint=f"use a full path: {', '.join(paths[:5])}",
            )
        return found[0]

    def nearest(self, pattern: str) -> str | None:
        """A hint with the names most like the last part of ``pattern``."""
        wanted = pattern.rpartition("/")[2]
        near = get_close_matches(wanted, self._by_name, n=3, cutoff=0.6)
        paths = [entry.path for name in near for entry in self._by_name[name]]
        return f"did you mean {', '.join(paths[:5])}?" if paths else None

    def by_moid(self, moids: Iterable[str]) -> tuple[Entry, ...]:
        """Entries of the given ids that exist."""
        return tuple(self._by_moid[moid] for moid in moids if moid in self._by_moid)

    def _named(self, pattern: str) -> tuple[Entry, ...]:
        if not _GLOB & set(pattern):
            return tuple(self._by_name.get(pattern, ()))
        expression = re.compile(name_expression(pattern))
        return tuple(entry for entry in self.entries if expression.fullmatch(entry.name))

    @cached_property
    def _by_name(self) -> dict[str, list[Entry]]:
        names: dict[str, list[Entry]] = defaultdict(list)
        for entry in self.entries:
            names[entry.name].append(entry)
        return dict(names)

    @cached_property
    def _by_path(self) -> dict[str, Entry]:
        return {entry.path: entry for entry in self.entries}

    @cached_property
    def _by_moid(self) -> dict[str, Entry]:
        return {entry.moid: entry for entry in self.entries}


def _expression(pattern: str) -> str:
    """The regular expression of a path pattern."""
    absolute = pattern.startswith("/")
    parts = [part for part in pattern.split("/") if part]
    # "**" stands for any number of folders; as the last part, for any machine below.
    written = [r"(?:[^/]+/)*" if part == "**" else name_expression(part) + "/" for part in parts]
    body = "".join(written).removesuffix("/")
    if parts and parts[-1] == "**":
        body += "[^/]+"
    return f"/{body}" if absolute else rf"/(?:[^/]+/)+vm/{body}"
