"""The text of a VMDK descriptor: what kind of disk, and which extents it is made of.

Source: VMware "Virtual Disk Format 5.0", section "The Descriptor".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from vmboot.errors import MediaError

HEADING = b"# Disk DescriptorFile"
MAX_EXTENTS = 256
MAX_TEXT = 256 * 1024
_NO_PARENT = "ffffffff"
_SETTING = re.compile(r'([A-Za-z]+)\s*=\s*"?([^"]*)"?')
_EXTENT = re.compile(
    r'(?:RW|RDONLY|NOACCESS)\s+(\d{1,15})\s+([A-Z]+)(?:\s+"([^"]*)"(?:\s+(\d{1,15}))?)?'
)


@dataclass(frozen=True)
class Extent:
    """``sectors`` of the disk, from sector ``offset`` of ``file`` on; ``kind`` in capitals."""

    sectors: int
    kind: str
    file: str = ""
    offset: int = 0


@dataclass(frozen=True)
class Descriptor:
    """What a descriptor says.

    :param create_type: e.g. ``"monolithicFlat"``
    """

    create_type: str
    parent_cid: str
    extents: tuple[Extent, ...]

    @property
    def is_delta(self) -> bool:
        """Whether the disk holds only what differs from another one."""
        return self.parent_cid.lower() != _NO_PARENT

    @property
    def sectors(self) -> int:
        return sum(extent.sectors for extent in self.extents)


def is_descriptor(head: bytes) -> bool:
    """Whether ``head`` is the beginning of a descriptor in a file of its own."""
    return head[:64].lstrip().lower().startswith(HEADING.lower())


def parse_descriptor(raw: bytes) -> Descriptor:
    """Read a descriptor.

    :raises MediaError: a line that should name an extent does not, or there are too many
    """
    settings: dict[str, str] = {}
    extents: list[Extent] = []
    for number, line in enumerate(raw.decode("utf-8", "replace").splitlines(), start=1):
        text = line.strip()
        if text.startswith(("RW ", "RDONLY ", "NOACCESS ")):
            extents.append(_extent(text, number))
        elif setting := _SETTING.fullmatch(text):
            settings.setdefault(setting[1].lower(), setting[2])
        if len(extents) > MAX_EXTENTS:
            raise MediaError(f"the VMDK descriptor names more than {MAX_EXTENTS} extents")
    return Descriptor(
        create_type=settings.get("createtype", ""),
        parent_cid=settings.get("parentcid", _NO_PARENT),
        extents=tuple(extents),
    )


def _extent(text: str, number: int) -> Extent:
    match = _EXTENT.fullmatch(text)
    if match is None:
        raise MediaError(f"line {number} of the VMDK descriptor is no extent: {text[:60]!r}")
    return Extent(int(match[1]), match[2], match[3] or "", int(match[4] or 0))
