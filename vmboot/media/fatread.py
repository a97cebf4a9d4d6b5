"""Read a FAT12, FAT16 or FAT32 image that may be damaged or hostile.

Every cluster may be used once, so the work and the memory are bounded by the image's own size.

Source: Microsoft "FAT: General Overview of On-Disk Format" 1.03.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from vmboot.errors import MediaError
from vmboot.media.fatnames import ATTR_LONG, LAST, checksum, unpack

ENTRY = 32
MAX_FILES = 10_000
MAX_DEPTH = 16
MAX_LONG = 20  # long-name entries of one file: 255 characters, 13 in each
ATTR_LABEL, ATTR_DIRECTORY = 0x08, 0x10
_DELETED = 0xE5
_LOWER_BASE, _LOWER_EXTENSION = 0x08, 0x10


@dataclass
class _Volume:
    """The layout of one image, and which clusters were read."""

    data: bytes
    cluster_size: int
    bits: int
    fat: bytes
    root: bytes
    root_cluster: int
    data_at: int
    clusters: int
    used: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class _Item:
    name: str
    directory: bool
    start: int
    size: int


def is_fat(data: bytes) -> bool:
    """Whether ``data`` starts with a plausible FAT boot sector."""
    if len(data) < 512 or data[510:512] != b"\x55\xaa" or data[0] not in {0xEB, 0xE9}:
        return False
    sector, per_cluster, reserved, fats = struct.unpack_from("<HBHB", data, 11)
    power = per_cluster and not per_cluster & (per_cluster - 1)
    return sector in {512, 1024, 2048, 4096} and bool(power) and reserved > 0 and fats in {1, 2}


def read_fat(data: bytes) -> Mapping[str, bytes]:
    """Content by path, e.g. ``{"EFI/BOOT/BOOTX64.EFI": b"..."}``, in directory order.

    :raises MediaError: not a FAT image, cut off, or its structure contradicts itself
    """
    volume = _volume(data)
    root = volume.root or _chain(volume, volume.root_cluster)
    files: dict[str, bytes] = {}
    pending = [("", root, 0)]
    while pending:
        prefix, directory, depth = pending.pop()
        for item in _items(directory):
            path = f"{prefix}{item.name}"
            if path in files or len(files) >= MAX_FILES:
                raise MediaError("the FAT volume has one name twice, or too many files")
            if item.directory and depth >= MAX_DEPTH:
                raise MediaError("the FAT volume has directories too deep")
            content = _chain(volume, item.start, None if item.directory else item.size)
            if item.directory:
                pending.append((f"{path}/", content, depth + 1))
            else:
                files[path] = content
    return files


def _volume(data: bytes) -> _Volume:
    if not is_fat(data):
        raise MediaError("not a FAT volume")
    sector, per_cluster, reserved, fats, entries, small, _media, fat_small = struct.unpack_from(
        "<HBHBHHBH", data, 11
    )
    (large, fat_large) = struct.unpack_from("<II", data, 32)
    total, fat_sectors = small or large, fat_small or fat_large
    root_at = (reserved + fats * fat_sectors) * sector
    data_at = root_at + -(-entries * ENTRY // sector) * sector
    clusters = (total * sector - data_at) // (per_cluster * sector)
    if clusters < 1 or data_at > len(data):
        raise MediaError("the FAT volume's sizes contradict each other")
    bits = 12 if clusters <= 4084 else 16 if clusters <= 65524 else 32
    return _Volume(
        data=data,
        cluster_size=per_cluster * sector,
        bits=bits,
        fat=data[reserved * sector : (reserved + fat_sectors) * sector],
        root=data[root_at : root_at + entries * ENTRY],
        root_cluster=struct.unpack_from("<I", data, 44)[0] if bits == 32 else 0,
        data_at=data_at,
        clusters=clusters,
    )


def _chain(volume: _Volume, start: int, size: int | None = None) -> bytes:
    """The clusters from ``start`` on, cut to ``size``; each cluster can be read once only."""
    if size == 0:
        return b""
    parts = []
    cluster = start
    left = size
    while 2 <= cluster < volume.clusters + 2:
        if cluster in volume.used:
            raise MediaError("the FAT volume uses a cluster twice")
        volume.used.add(cluster)
        at = volume.data_at + (cluster - 2) * volume.cluster_size
        part = volume.data[at : at + volume.cluster_size]
        if len(part) < min(volume.cluster_size, volume.cluster_size if left is None else left):
            raise MediaError("the FAT volume is cut off")
        parts.append(part if left is None else part[:left])
        cluster = _next(volume, cluster)
        if left is not None:
            left -= len(parts[-1])
            if left == 0:
                break
    if left:
        raise MediaError("a file on the FAT volume is shorter than its directory says")
    return b"".join(parts)


def _next(volume: _Volume, cluster: int) -> int:
    at = cluster * volume.bits // 8
    raw = int.from_bytes(volume.fat[at : at + 4], "little")
    if at + volume.bits // 8 > len(volume.fat):
        raise MediaError("the FAT volume's allocation table is cut off")
    if volume.bits == 12:
        return raw >> 4 & 0xFFF if cluster % 2 else raw & 0xFFF
    return raw & (0xFFFF if volume.bits == 16 else 0x0FFFFFFF)


def _items(directory: bytes) -> Iterator[_Item]:
    long: list[bytes] = []
    for at in range(0, len(directory) - ENTRY + 1, ENTRY):
        entry = directory[at : at + ENTRY]
        if entry[0] == 0:
            return
        if entry[0] == _DELETED:
            long = []
        elif entry[11] & 0x3F == ATTR_LONG:
            long = [entry] if entry[0] & LAST else [entry, *long[:MAX_LONG]]
        else:
            item = _item(entry, long)
            long = []
            if not entry[11] & ATTR_LABEL and item.name not in {".", ".."}:
                yield item


def _item(entry: bytes, long: list[bytes]) -> _Item:
    high, low, size = struct.unpack_from("<H4xHI", entry, 20)
    return _Item(
        name=_long_name(entry[:11], long) or _short_name(entry),
        directory=bool(entry[11] & ATTR_DIRECTORY),
        start=low | high << 16,
        size=size,
    )


def _long_name(short: bytes, entries: list[bytes]) -> str:
    """The long name if its entries belong to ``short``, else ``""``."""
    right = checksum(short)
    if not entries or any(entry[13] != right for entry in entries):
        return ""
    units = b"".join(entry[1:11] + entry[14:26] + entry[28:32] for entry in entries)
    return _safe(units.decode("utf-16-le", "replace").split("\0", 1)[0])


def _short_name(entry: bytes) -> str:
    base, dot, extension = unpack(entry[:11]).partition(".")
    base = base.lower() if entry[12] & _LOWER_BASE else base
    extension = extension.lower() if entry[12] & _LOWER_EXTENSION else extension
    return _safe(base + dot + extension)


def _safe(name: str) -> str:
    return "".join(char if char.isprintable() and char != "/" else "?" for char in name)
