"""Where the parts of a FAT12, FAT16 or FAT32 volume lie, and its allocation table as numbers.

For changing a volume in place: stricter than a reader has to be, since what is not understood must
not be written to.

Source: Microsoft "FAT: General Overview of On-Disk Format" 1.03.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from vmboot.errors import MediaError
from vmboot.media.fatentries import ENTRY
from vmboot.media.fatread import EXT_FLAGS, MAX_FAT12, MAX_FAT16, MIRROR_OFF, is_fat

MAX_CLUSTERS = {12: MAX_FAT12, 16: MAX_FAT16, 32: 0x0FFFFFF5}
_ACTIVE = 0x0F  # of the same flags
_FREE_COUNT = 488  # in the FSInfo sector
_UNKNOWN = 0xFFFFFFFF


@dataclass(frozen=True)
class FatLayout:
    """The layout that a boot sector describes; offsets and sizes in bytes.

    :param bits: 12, 16 or 32
    :param tables: offset of each allocation table that is in use
    :param root_size: of the fixed root directory of FAT12 and FAT16, else 0
    :param root_cluster: of FAT32, else 0
    :param clusters: how many; they are numbered from 2
    :param fsinfo: offset of the FSInfo sector, ``None`` without one
    """

    bits: int
    cluster_size: int
    tables: tuple[int, ...]
    table_size: int
    root_at: int
    root_size: int
    root_cluster: int
    data_at: int
    clusters: int
    fsinfo: int | None

    @property
    def end_mark(self) -> int:
        """The entry that ends a chain; greater ones and the seven below it do, too."""
        return (1 << min(self.bits, 28)) - 1

    def offset(self, cluster: int) -> int:
        """Where ``cluster`` starts."""
        return self.data_at + (cluster - 2) * self.cluster_size

    def is_cluster(self, number: int) -> bool:
        return 2 <= number < self.clusters + 2


def read_layout(volume: bytes | bytearray) -> FatLayout:
    """The layout of a whole volume.

    :raises MediaError: no FAT volume, cut off, or its sizes contradict each other
    """
    if not is_fat(bytes(volume[:512])):
        raise MediaError("not a FAT volume")
    sector, per_cluster, reserved, fats, entries, small, _media, fat_small = struct.unpack_from(
        "<HBHBHHBH", volume, 11
    )
    large, fat_large = struct.unpack_from("<II", volume, 32)
    table_size = (fat_small or fat_large) * sector
    root_at = reserved * sector + fats * table_size
    root_size = -(-entries * ENTRY // sector) * sector
    data_at = root_at + root_size
    clusters = ((small or large) * sector - data_at) // (per_cluster * sector)
    # Cluster counts alone do not tell a small FAT32 volume; firmware and Linux look at this field.
    is_32 = fat_small == 0
    bits = 32 if is_32 else 12 if clusters <= MAX_FAT12 else 16
    if not 0 < clusters <= MAX_CLUSTERS[bits] or (clusters + 2) * bits > table_size * 8:
        raise MediaError("the FAT volume's sizes contradict each other")
    if data_at + clusters * per_cluster * sector > len(volume):
        raise MediaError("the FAT volume is cut off")
    flags, root_cluster, fsinfo = (
        struct.unpack_from("<H2xIH", volume, EXT_FLAGS) if is_32 else (0, 0, 0)
    )
    return FatLayout(
        bits=bits,
        cluster_size=per_cluster * sector,
        tables=_tables(flags, fats, reserved * sector, table_size),
        table_size=table_size,
        root_at=root_at,
        root_size=0 if is_32 else entries * ENTRY,
        root_cluster=root_cluster,
        data_at=data_at,
        clusters=clusters,
        fsinfo=_fsinfo(volume, fsinfo * sector, reserved * sector),
    )


def _tables(flags: int, fats: int, first: int, size: int) -> tuple[int, ...]:
    if not flags & MIRROR_OFF:
        return tuple(first + number * size for number in range(fats))
    if flags & _ACTIVE >= fats:
        raise MediaError("the FAT volume names an allocation table that it does not have")
    return (first + (flags & _ACTIVE) * size,)


def _fsinfo(volume: bytes | bytearray, at: int, end: int) -> int | None:
    marks = (volume[at : at + 4], volume[at + 484 : at + 488])
    return at if 0 < at < end and marks == (b"RRaA", b"rrAa") else None


class FatTable:
    """The allocation table of a volume that is being changed; every copy is kept the same.

    :raises MediaError: the copies differ already
    """

    def __init__(self, volume: bytearray, layout: FatLayout) -> None:
        self._volume, self._layout = volume, layout
        first, *others = (bytes(volume[at : at + layout.table_size]) for at in layout.tables)
        if any(other != first for other in others):
            raise MediaError(
                "the two allocation tables of the FAT volume differ: it is damaged",
                hint="repair it with fsck.fat or chkdsk, then try again",
            )

    def __getitem__(self, cluster: int) -> int:
        at = self._layout.tables[0] + cluster * self._layout.bits // 8
        raw = int.from_bytes(self._volume[at : at + 4], "little")
        if self._layout.bits == 12:
            return raw >> 4 & 0xFFF if cluster % 2 else raw & 0xFFF
        return raw & (0xFFFF if self._layout.bits == 16 else 0x0FFFFFFF)

    def __setitem__(self, cluster: int, value: int) -> None:
        bits = self._layout.bits
        size = 2 if bits < 32 else 4
        shift = 4 if bits == 12 and cluster % 2 else 0
        mask = ((1 << min(bits, 28)) - 1) << shift  # FAT32 keeps the upper four bits as they are
        for table in self._layout.tables:
            at = table + cluster * bits // 8
            old = int.from_bytes(self._volume[at : at + size], "little")
            new = old & ~mask | value << shift & mask
            self._volume[at : at + size] = new.to_bytes(size, "little")

    def chain(self, start: int) -> list[int]:
        """The clusters from ``start`` to the end of its chain.

        :raises MediaError: it leaves the volume, runs in a circle, or meets a free cluster
        """
        found: list[int] = []
        seen: set[int] = set()
        cluster = start
        while cluster < self._layout.end_mark - 7:
            if not self._layout.is_cluster(cluster) or cluster in seen:
                raise MediaError("a file on the FAT volume leads to clusters that are not its own")
            seen.add(cluster)
            found.append(cluster)
            cluster = self[cluster]
        return found

    def free(self) -> Iterator[int]:
        """Free clusters, the lowest first."""
        return (c for c in range(2, self._layout.clusters + 2) if self[c] == 0)

    def link(self, chain: list[int]) -> None:
        """Make one chain of these clusters."""
        following = [*chain[1:], self._layout.end_mark][: len(chain)]
        for cluster, after in zip(chain, following, strict=True):
            self[cluster] = after

    def count_free(self, change: int) -> None:
        """Note in the FSInfo sector that ``change`` clusters more are free than before."""
        if self._layout.fsinfo is None:
            return
        at = self._layout.fsinfo + _FREE_COUNT
        (count,) = struct.unpack_from("<I", self._volume, at)
        if count != _UNKNOWN:
            struct.pack_into("<I", self._volume, at, max(0, count + change))
