"""The text part of a VMDK, as far as finding its bytes goes. Pure.

Format: VMware, "Virtual Disk Format 5.0", section "The Descriptor File". vSAN and vVol name their
objects in the same place: ``RW 16384 VMFS "vsan://..."``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

SECTOR = 512
LIMIT = 64 << 10
"""A descriptor is a few hundred bytes; what is longer than this is none."""
_MAGIC = b"# Disk DescriptorFile"
_EXTENT = re.compile(
    r'^(?:RW|RDONLY|NOACCESS)\s+(?P<sectors>\d+)\s+(?P<kind>\S+)(?:\s+"(?P<file>[^"]*)")?'
    r"(?:\s+(?P<offset>\d+))?\s*$",
    re.MULTILINE,
)
_FLAT_KINDS = frozenset({"VMFS", "FLAT"})


@dataclass(frozen=True, slots=True)
class Extent:
    """One extent line.

    :param kind: ``VMFS``, ``FLAT``, ``SESPARSE`` ...
    :param file: as written there; ``""`` for ``ZERO``
    """

    sectors: int
    kind: str
    file: str
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What a descriptor says."""

    extents: tuple[Extent, ...]

    @property
    def size(self) -> int:
        """Capacity in bytes."""
        return sum(extent.sectors for extent in self.extents) * SECTOR

    @property
    def flat_file(self) -> str | None:
        """The file beside the descriptor that holds the disk's bytes and nothing else; ``None``
        where there is no such file: several extents, a delta, or an object of vSAN or vVol.
        """
        if len(self.extents) != 1:
            return None
        (extent,) = self.extents
        is_plain = extent.kind in _FLAT_KINDS and extent.offset == 0
        return extent.file if is_plain and extent.file and "/" not in extent.file else None


def parse_descriptor(data: bytes) -> Descriptor | None:
    """The descriptor in ``data``; ``None`` if that is something else."""
    if not data.startswith(_MAGIC) or len(data) > LIMIT:
        return None
    text = data.decode("utf-8", "replace").replace("\r\n", "\n")
    extents = tuple(
        Extent(int(m["sectors"]), m["kind"], m["file"] or "", int(m["offset"] or 0))
        for m in _EXTENT.finditer(text)
    )
    return Descriptor(extents) if extents else None
