"""Write VMDK: the stream-optimized file that an import takes, and the descriptor of a flat one.

The same bytes in give the same file out (with the same zlib): no clock, no random number.

Source: VMware "Virtual Disk Format 5.0"; qemu's ``block/vmdk.c`` reads the same fields.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from typing import Literal

from vmboot.errors import InputError, MediaError
from vmboot.media.vmdkformat import (
    END_OF_STREAM,
    FLAG_COMPRESSED,
    FLAG_MARKERS,
    FLAG_NEWLINES,
    FOOTER,
    GD_AT_END,
    GRAIN_DIRECTORY,
    GRAIN_TABLE,
    GTES_PER_TABLE,
    SECTOR,
    SparseHeader,
    descriptor,
    marker,
)

GRAIN = 64 * 1024  # bytes
OVERHEAD = 128  # sectors before the first grain: header, descriptor, padding
_FORBIDDEN = frozenset('"/\\')
_UNSET = 0xFFFFFFFF  # the content id of a disk without content, and of a missing parent


def stream_optimized(raw: bytes) -> bytes:
    """``raw`` as a streamOptimized VMDK; grains of zeroes take no room.

    The capacity is rounded up to whole grains of 64 KiB.

    :raises MediaError: ``raw`` is empty
    """
    if not raw:
        raise MediaError("an empty image cannot be a disk")
    grains = -(-len(raw) // GRAIN)
    head = _header(grains, gd_at=GD_AT_END)
    out = [(head.pack() + _embedded(raw, grains)).ljust(OVERHEAD * SECTOR, b"\0")]
    at = OVERHEAD
    directory = []
    for first in range(0, grains, GTES_PER_TABLE):
        parts, table_at = _table(raw, range(first, min(grains, first + GTES_PER_TABLE)), at)
        directory.append(table_at)
        out += parts
        at += sum(map(len, parts)) // SECTOR
    entries = _sectors(struct.pack(f"<{len(directory)}I", *directory))
    footer = _header(grains, gd_at=at + 1)
    out += [marker(GRAIN_DIRECTORY, len(entries) // SECTOR), entries]
    out += [marker(FOOTER, 1), footer.pack(), marker(END_OF_STREAM, 0)]
    return b"".join(out)


def flat_descriptor(
    sectors: int,
    extent_name: str,
    *,
    kind: Literal["vmfs", "monolithicFlat"] = "vmfs",
    adapter: str = "lsilogic",
    cid: int = 0xFFFFFFFE,
) -> str:
    """The descriptor of a disk whose bytes lie raw in ``extent_name``, beside it.

    :param sectors: size of the disk in sectors of 512 bytes
    :param kind: ``vmfs`` for an ESXi datastore, ``monolithicFlat`` for Workstation and qemu
    :param cid: content id, any 32-bit number but ``ffffffff``
    :raises InputError: ``extent_name`` is no plain file name, or ``sectors`` is not positive
    """
    printable = extent_name.isprintable() and not _FORBIDDEN & set(extent_name)
    if sectors < 1 or extent_name in {"", ".", ".."} or not printable:
        raise InputError(
            f"a VMDK cannot have {sectors} sectors in a file named {extent_name!r}",
            hint="choose a file name without quotation marks, slashes and control characters",
        )
    word, offset = ("VMFS", "") if kind == "vmfs" else ("FLAT", " 0")
    extent = f'RW {sectors} {word} "{extent_name}"{offset}'
    return descriptor(sectors=sectors, create_type=kind, extent=extent, cid=cid, adapter=adapter)


def content_id(raw: bytes) -> int:
    """A CID that is the same for the same bytes, and never the one that means 'none'."""
    cid = int.from_bytes(hashlib.sha256(raw).digest()[:4], "big")
    return cid if cid < _UNSET - 1 else 1


def _header(grains: int, *, gd_at: int) -> SparseHeader:
    return SparseHeader(
        version=3,
        flags=FLAG_NEWLINES | FLAG_COMPRESSED | FLAG_MARKERS,
        capacity=grains * GRAIN // SECTOR,
        grain=GRAIN // SECTOR,
        descriptor_at=1,
        descriptor_size=OVERHEAD - 1,
        gtes_per_table=GTES_PER_TABLE,
        redundant_gd_at=0,
        gd_at=gd_at,
        overhead=OVERHEAD,
    )


def _embedded(raw: bytes, grains: int) -> bytes:
    sectors = grains * GRAIN // SECTOR
    return descriptor(
        sectors=sectors,
        create_type="streamOptimized",
        extent=f'RW {sectors} SPARSE "disk.vmdk"',
        cid=content_id(raw),
        adapter="lsilogic",
    ).encode("ascii")


def _table(raw: bytes, grains: range, at: int) -> tuple[list[bytes], int]:
    """The grains of one grain table, then the table; and the table's sector (0 when empty)."""
    parts: list[bytes] = []
    entries = [0] * GTES_PER_TABLE
    for slot, number in enumerate(grains):
        grain = raw[number * GRAIN : (number + 1) * GRAIN]
        if grain.count(0) == len(grain):
            continue
        entries[slot] = at
        parts.append(_grain(grain.ljust(GRAIN, b"\0"), number))
        at += len(parts[-1]) // SECTOR
    if not parts:
        return [], 0
    table = struct.pack(f"<{GTES_PER_TABLE}I", *entries)
    return [*parts, marker(GRAIN_TABLE, len(table) // SECTOR), table], at + 1


def _grain(grain: bytes, number: int) -> bytes:
    packed = zlib.compress(grain)
    return _sectors(struct.pack("<QI", number * GRAIN // SECTOR, len(packed)) + packed)


def _sectors(data: bytes) -> bytes:
    return data.ljust(-(-len(data) // SECTOR) * SECTOR, b"\0")
