"""Read a FAT12, FAT16 or FAT32 volume that may be damaged or hostile.

Nothing is read that is not asked for, so a large volume costs no more than its directories. Every
cluster belongs to one chain only, and directories are limited in size, so the work is bounded
whatever the volume claims.

Source: Microsoft "FAT: General Overview of On-Disk Format" 1.03. As in EDK II and Linux, a volume
without a 16-bit table size is FAT32, however few clusters it has.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from vmboot.errors import MediaError
from vmboot.media.fatentries import ENTRY, Item, label_in, read_entries, readable

MAX_FILES = 10_000
MAX_DEPTH = 16
MAX_DIRECTORIES_SIZE = 8 * 1024 * 1024  # bytes of all directories together
MAX_FAT12, MAX_FAT16 = 4084, 65524  # clusters
MAX_COMPARED = 1024 * 1024  # bytes of each allocation table; one of a boot disk has a few KiB
EXT_FLAGS, MIRROR_OFF = 40, 0x80  # BPB_ExtFlags of FAT32
_PAGE = 4096  # bytes of the allocation table that are read at once
_PAGES = 64  # kept

Read = Callable[[int, int], bytes]
"""``read(offset, size)`` in bytes; fewer bytes, or none, behind the end of the volume."""


@dataclass(frozen=True)
class FatFile:
    """A file and where its first cluster is: path with forward slashes, size in bytes."""

    path: str
    size: int
    start: int


@dataclass
class FatVolume:
    """An open volume.

    :ivar bits: 12, 16 or 32
    :ivar label: the volume's name, ``""`` without one
    :ivar size: bytes that the boot sector claims
    :ivar mirrored: every copy of the allocation table is to say the same
    :ivar files: in directory order
    """

    read: Read = field(repr=False)
    bits: int
    cluster_size: int
    fat_at: int
    fat_size: int
    root_at: int
    root_size: int
    root_cluster: int
    data_at: int
    clusters: int
    size: int
    mirrored: bool = True
    label: str = ""
    files: tuple[FatFile, ...] = ()
    _owners: dict[int, str] = field(default_factory=dict, repr=False)
    _pages: dict[int, bytes] = field(default_factory=dict, repr=False)

    def find(self, path: str) -> FatFile | None:
        """The file at ``path``, regardless of case."""
        wanted = path.lower()
        return next((file for file in self.files if file.path.lower() == wanted), None)

    def tables_differ(self) -> bool:
        """Whether the copies of the allocation table contradict each other, as far as is looked."""
        if not self.mirrored or not self.fat_size:
            return False
        seen = min(self.fat_size, MAX_COMPARED)
        copies = range(self.fat_at, self.root_at, self.fat_size)
        return len({self.read(at, seen) for at in copies}) > 1

    def content(self, file: FatFile, *, limit: int) -> bytes:
        """What ``file`` holds.

        :param limit: bytes; a longer file is refused
        :raises MediaError: longer than ``limit``, cut off, or its clusters belong to another file
        """
        if file.size > limit:
            raise MediaError(f"{file.path} has {file.size} bytes, too many to look at")
        clusters = self._chain(file.path, file.start, -(-file.size // self.cluster_size))
        data = self._bytes(clusters)[: file.size]
        if len(data) < file.size:
            raise MediaError(f"{file.path} is shorter than its directory says")
        return data

    def directory(self, path: str, start: int, limit: int) -> bytes:
        """The entries of a directory; the root is ``""``.

        :param limit: bytes after which a caller loses its patience; one cluster more is read
        """
        if not path and self.bits != 32:
            data = self.read(self.root_at, self.root_size)
            if len(data) < self.root_size:
                raise MediaError("the root directory of the FAT volume is cut off")
            return data
        return self._bytes(self._chain(path, start, limit // self.cluster_size + 1))

    def _chain(self, path: str, start: int, most: int) -> list[int]:
        """The clusters of ``path`` from ``start`` on, not more than ``most``."""
        found: dict[int, None] = {}
        cluster = start
        while 2 <= cluster < self.clusters + 2 and len(found) < most:
            if cluster in found or self._owners.setdefault(cluster, path) != path:
                raise MediaError(f"the FAT volume uses cluster {cluster} twice")
            found[cluster] = None
            cluster = self._next(cluster)
        return list(found)

    def _bytes(self, clusters: list[int]) -> bytes:
        parts = []
        for first, count in _runs(clusters):
            at = self.data_at + (first - 2) * self.cluster_size
            part = self.read(at, count * self.cluster_size)
            if len(part) < count * self.cluster_size:
                raise MediaError(f"the FAT volume is cut off: cluster {first} is not there")
            parts.append(part)
        return b"".join(parts)

    def _next(self, cluster: int) -> int:
        at = cluster * self.bits // 8
        size = 4 if self.bits == 32 else 2
        raw = int.from_bytes(self._table(at, size), "little")
        if self.bits == 12:
            return raw >> 4 if cluster % 2 else raw & 0xFFF
        return raw & 0x0FFFFFFF

    def _table(self, at: int, size: int) -> bytes:
        """Bytes of the allocation table, which is kept in pages."""
        page, inside = divmod(at, _PAGE)
        if page not in self._pages:
            if len(self._pages) >= _PAGES:
                self._pages.clear()
            length = min(_PAGE + 3, self.fat_size - page * _PAGE)  # an entry can cross the border
            self._pages[page] = self.read(self.fat_at + page * _PAGE, max(0, length))
        found = self._pages[page][inside : inside + size]
        if len(found) < size:
            raise MediaError("the FAT volume's allocation table is cut off")
        return found


def is_fat(data: bytes) -> bool:
    """Whether ``data`` starts with a plausible FAT boot sector."""
    if len(data) < 512 or data[510:512] != b"\x55\xaa" or data[0] not in {0xEB, 0xE9}:
        return False
    sector, per_cluster, reserved, fats = struct.unpack_from("<HBHB", data, 11)
    power = per_cluster and not per_cluster & (per_cluster - 1)
    return sector in {512, 1024, 2048, 4096} and bool(power) and reserved > 0 and fats in {1, 2}


def open_fat(read: Read, size: int) -> FatVolume:
    """Open a volume and list its files.

    :param size: bytes that there are
    :raises MediaError: not a FAT volume, cut off, or its structure contradicts itself
    """
    volume = _layout(read, size)
    volume.label, volume.files = _walk(volume)
    return volume


def read_fat(data: bytes) -> Mapping[str, bytes]:
    """Content by path, e.g. ``{"EFI/BOOT/BOOTX64.EFI": b"..."}``, in directory order.

    :raises MediaError: not a FAT image, cut off, or its structure contradicts itself
    """
    volume = open_fat(lambda at, size: data[at : at + size], len(data))
    return {file.path: volume.content(file, limit=len(data)) for file in volume.files}


def _layout(read: Read, size: int) -> FatVolume:
    boot = read(0, 512)
    if not is_fat(boot):
        raise MediaError("not a FAT volume")
    sector, per_cluster, reserved, fats, entries, small, _media, fat_small = struct.unpack_from(
        "<HBHBHHBH", boot, 11
    )
    (large, fat_large) = struct.unpack_from("<II", boot, 32)
    total, fat_sectors = small or large, fat_small or fat_large
    root_at = (reserved + fats * fat_sectors) * sector
    data_at = root_at + -(-entries * ENTRY // sector) * sector
    clusters = (total * sector - data_at) // (per_cluster * sector)
    if clusters < 1 or data_at > size:
        raise MediaError("the FAT volume's sizes contradict each other")
    bits = 32 if not fat_small else 12 if clusters <= MAX_FAT12 else 16
    volume = FatVolume(
        read=read,
        bits=bits,
        cluster_size=per_cluster * sector,
        fat_at=reserved * sector,
        fat_size=fat_sectors * sector,
        root_at=root_at,
        root_size=entries * ENTRY,
        root_cluster=struct.unpack_from("<I", boot, 44)[0] if bits == 32 else 0,
        data_at=data_at,
        clusters=clusters,
        size=total * sector,
        mirrored=bits != 32 or not boot[EXT_FLAGS] & MIRROR_OFF,
    )
    at = 71 if bits == 32 else 43
    volume.label = readable(boot[at : at + 11]) if boot[at - 5] == 0x29 else ""
    return volume


def _walk(volume: FatVolume) -> tuple[str, tuple[FatFile, ...]]:
    """The label and all files; directories are read once each."""
    files: dict[str, FatFile] = {}
    label = volume.label
    left = MAX_DIRECTORIES_SIZE
    pending = [("", volume.root_cluster, 0)]
    while pending:
        prefix, start, depth = pending.pop()
        data = volume.directory(prefix, start, left)
        left -= len(data)
        if left < 0 or depth > MAX_DEPTH:
            raise MediaError("the FAT volume has directories too deep, or too large")
        if depth == 0:
            label = label_in(data) or label
        for item in read_entries(data):
            path = f"{prefix}{item.name}"
            if path in files or len(files) + len(pending) >= MAX_FILES:
                raise MediaError("the FAT volume has one name twice, or too many files")
            if item.directory:
                pending.append((f"{path}/", _start(volume, item), depth + 1))
            else:
                files[path] = FatFile(path, item.size, _start(volume, item))
    return label, tuple(files.values())


def _start(volume: FatVolume, item: Item) -> int:
    """The first cluster; the upper half of the field means something else without FAT32."""
    return item.start if volume.bits == 32 else item.start & 0xFFFF


def _runs(clusters: list[int]) -> Iterator[tuple[int, int]]:
    """Neighbouring clusters as (first, count)."""
    first = count = 0
    for cluster in clusters:
        if count and cluster == first + count:
            count += 1
            continue
        if count:
            yield first, count
        first, count = cluster, 1
    if count:
        yield first, count
