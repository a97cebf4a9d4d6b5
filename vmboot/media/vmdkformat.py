"""What the VMDK writer and reader share: the sparse header, markers, the text descriptor.

All offsets and sizes in the file are in sectors of 512 bytes, all integers little-endian.

Source: VMware "Virtual Disk Format 5.0", sections "Hosted Sparse Extents" and "Stream-Optimized
Compressed Sparse Extents".
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

SECTOR = 512
MAGIC = b"KDMV"
GTES_PER_TABLE = 512
GD_AT_END = 0xFFFFFFFFFFFFFFFF  # the directory is named by the footer, not by the header
FLAG_NEWLINES, FLAG_ZERO_GRAINS, FLAG_COMPRESSED, FLAG_MARKERS = 0x1, 0x4, 0x10000, 0x20000
DEFLATE = 1
END_OF_STREAM, GRAIN_TABLE, GRAIN_DIRECTORY, FOOTER = 0, 1, 2, 3
_HEADER = struct.Struct("<4sIIQQQQIQQQ?4sH")
_NEWLINES = b"\n \r\n"  # changed by a transfer in text mode, which is how readers notice one


@dataclass(frozen=True)
class SparseHeader:
    """The first sector of a sparse extent; sizes and offsets in sectors."""

    version: int
    flags: int
    capacity: int
    grain: int
    descriptor_at: int
    descriptor_size: int
    gtes_per_table: int
    redundant_gd_at: int
    gd_at: int
    overhead: int
    unclean: bool = False
    newlines: bytes = _NEWLINES
    algorithm: int = DEFLATE

    def pack(self) -> bytes:
        """One sector."""
        fields = tuple(vars(self).values())
        return _HEADER.pack(MAGIC, *fields).ljust(SECTOR, b"\0")

    @property
    def newlines_hold(self) -> bool:
        return self.newlines == _NEWLINES


def read_header(sector: bytes) -> SparseHeader:
    """The header in ``sector``, which starts with :data:`MAGIC` and is 512 bytes long."""
    return SparseHeader(*_HEADER.unpack_from(sector)[1:])


def marker(kind: int, sectors: int) -> bytes:
    """The sector in front of metadata that is ``sectors`` long."""
    return struct.pack("<QII", sectors, 0, kind).ljust(SECTOR, b"\0")


def descriptor(*, sectors: int, create_type: str, extent: str, cid: int, adapter: str) -> str:
    """The text that describes a disk of one extent; geometry as VMware computes it."""
    heads, per_track = _geometry(sectors)
    cylinders = max(1, min(65535, sectors // (heads * per_track)))
    return (
        "# Disk DescriptorFile\n"
        "version=1\n"
        f"CID={cid:08x}\n"
        "parentCID=ffffffff\n"
        f'createType="{create_type}"\n'
        "\n"
        "# Extent description\n"
        f"{extent}\n"
        "\n"
        "# The Disk Data Base\n"
        "#DDB\n"
        "\n"
        f'ddb.adapterType = "{adapter}"\n'
        f'ddb.geometry.cylinders = "{cylinders}"\n'
        f'ddb.geometry.heads = "{heads}"\n'
        f'ddb.geometry.sectors = "{per_track}"\n'
        'ddb.virtualHWVersion = "10"\n'
    )


def _geometry(sectors: int) -> tuple[int, int]:
    """Heads and sectors per track of an LSI Logic or BusLogic disk (below 1 GiB, 2 GiB, more)."""
    if sectors < 1 << 21:
        return 64, 32
    return (128, 32) if sectors < 1 << 22 else (255, 63)
