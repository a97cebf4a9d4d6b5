"""Directories of a FAT volume as slots of 32 bytes, each with its place in the volume.

One file takes one slot for its 8.3 name, and before it as many as its long name needs.

Source: Microsoft "FAT: General Overview of On-Disk Format" 1.03, long directory entries.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vmboot.errors import MediaError
from vmboot.media.fatentries import (
    ATTR_DIRECTORY,
    ATTR_LABEL,
    ENTRY,
    LOWER_BASE,
    LOWER_EXTENSION,
    MAX_LONG,
    long_name,
    short_name_of,
)
from vmboot.media.fatlayout import FatLayout, FatTable
from vmboot.media.fatnames import ATTR_LONG, LAST, long_entries, unpack

DELETED = 0xE5
MAX_SLOTS = 65536  # of one directory


@dataclass(frozen=True)
class Entry:
    """One file or directory as its parent directory has it.

    :param name: as people see it
    :param short: the 11 bytes of the 8.3 name
    :param first: number of its first slot, that of a long name where it has one
    :param last: number of the slot with its 8.3 name
    :param start: first cluster, 0 for an empty file
    :param size: bytes; 0 for directories
    """

    name: str
    short: bytes
    first: int
    last: int
    directory: bool
    start: int
    size: int

    def is_called(self, name: str) -> bool:
        """Whether ``name`` means this one: FAT names have no case, and two forms."""
        return name.upper() in {self.name.upper(), unpack(self.short).upper()}


@dataclass
class Directory:
    """A directory of ``volume``.

    :param slots: where each slot lies in the volume, in order
    :param chain: its clusters, empty for the fixed root directory of FAT12 and FAT16
    :param wide: cluster numbers have 32 bits; else their upper half means something else
    """

    volume: bytearray
    slots: list[int]
    chain: list[int]
    wide: bool

    def slot(self, number: int) -> bytes:
        at = self.slots[number]
        return bytes(self.volume[at : at + ENTRY])

    def entries(self) -> Iterator[Entry]:
        """Files and directories; not the label, nor ``.`` and ``..``."""
        long: list[bytes] = []
        for number in range(len(self.slots)):
            slot = self.slot(number)
            if slot[0] == 0:
                return
            if slot[0] == DELETED:
                long = []
            elif slot[11] & 0x3F == ATTR_LONG:
                long = [slot] if slot[0] & LAST else [*long[:MAX_LONG], slot]
            else:
                if not slot[11] & ATTR_LABEL and slot[:2] not in {b". ", b".."}:
                    yield _entry(slot, number, long, wide=self.wide)
                long = []

    def write(self, number: int, raw: bytes) -> None:
        """Put ``raw`` into the slots from ``number`` on."""
        for offset in range(0, len(raw), ENTRY):
            at = self.slots[number + offset // ENTRY]
            self.volume[at : at + ENTRY] = raw[offset : offset + ENTRY]

    def delete(self, numbers: range) -> None:
        for number in numbers:
            self.volume[self.slots[number]] = DELETED

    def free_run(self, count: int, *, ours: range) -> int | None:
        """The first of ``count`` free slots in a row; those of ``ours`` count as free."""
        run, ended = 0, False
        for number, at in enumerate(self.slots):
            ended = ended or self.volume[at] == 0
            run = run + 1 if ended or self.volume[at] == DELETED or number in ours else 0
            if run == count:
                return number - count + 1
        return None

    def used_slots(self) -> int:
        """Slots before the mark that ends the directory."""
        marks = (number for number, at in enumerate(self.slots) if self.volume[at] == 0)
        return next(marks, len(self.slots))


def root(volume: bytearray, layout: FatLayout, table: FatTable) -> Directory:
    """The root directory."""
    if layout.bits == 32:
        return directory_at(volume, layout, table, layout.root_cluster)
    return Directory(volume, _slots_in(layout.root_at, layout.root_size), [], wide=False)


def directory_at(volume: bytearray, layout: FatLayout, table: FatTable, start: int) -> Directory:
    """The directory whose first cluster is ``start``.

    :raises MediaError: it has no clusters, or more than a directory can have
    """
    chain = table.chain(start)
    if not chain or len(chain) * layout.cluster_size > MAX_SLOTS * ENTRY:
        raise MediaError("a directory of the FAT volume has no place, or too much of it")
    slots = [at for c in chain for at in _slots_in(layout.offset(c), layout.cluster_size)]
    return Directory(volume, slots, chain, wide=layout.bits == 32)


def _slots_in(at: int, size: int) -> list[int]:
    return list(range(at, at + size, ENTRY))


def _entry(slot: bytes, number: int, long: Sequence[bytes], *, wide: bool) -> Entry:
    name = long_name(slot[:11], list(reversed(long)))
    high, low, size = struct.unpack_from("<H4xHI", slot, 20)
    is_directory = bool(slot[11] & ATTR_DIRECTORY)
    return Entry(
        name=name or short_name_of(slot),
        short=slot[:11],
        first=number - len(long) if name else number,
        last=number,
        directory=is_directory,
        start=low | high << 16 if wide else low,
        size=0 if is_directory else size,
    )


def renamed(slot: bytes, name: str, short: bytes) -> bytes:
    """The slots of the file in ``slot`` under another name; all else about it stays."""
    case = slot[12] & ~(LOWER_BASE | LOWER_EXTENSION)
    return long_entries(name, short) + short + slot[11:12] + bytes([case]) + slot[13:]
