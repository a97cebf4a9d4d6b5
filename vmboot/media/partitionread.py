"""Read the partition table of any disk, damaged or hostile: what is there, what is wrong.

Memory and work are bounded by constants, whatever the headers claim. Only blocks that the table
itself needs are asked for.

Source: UEFI 2.10 chapter 5.
"""

from __future__ import annotations

import struct
import uuid
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from vmboot.media.fatread import is_fat
from vmboot.media.partitiontable import (
    ACTIVE,
    GPT_ENTRY,
    GPT_HEADER,
    GPT_MAGIC,
    PROTECTIVE,
    SECTOR,
    TABLE_AT,
    Partition,
    PartitionTable,
)

MAX_ENTRIES = 1024  # of a GPT; all known writers use 128
MAX_ENTRY = 4096  # bytes
BIG_SECTOR = 4096  # bytes, of disks with "4K native" sectors
_NIL = bytes(16)

Read = Callable[[int, int], bytes]
"""``read(offset, size)`` in bytes; fewer bytes, or none, behind the end of the disk."""


def read_partitions(read: Read, size: int) -> PartitionTable:
    """The partition table of a disk.

    :param size: of the disk in bytes
    """
    first = read(0, SECTOR)
    if len(first) < SECTOR or first[510:] != b"\x55\xaa":
        gpt = _read_gpt(read, size)
        if gpt is None:
            why = "the first sector has no boot signature (55 AA), so there is no partition table"
            return PartitionTable("none", problems=(why,))
        return PartitionTable("gpt", gpt[0], ("the protective MBR is missing", *gpt[1]))
    entries = tuple(_mbr_entries(first))
    if is_fat(first) and not any(_likely(each, size) for each in entries):
        why = "the disk has no partition table: it is one FAT volume from its first sector on"
        return PartitionTable("none", problems=(why,))
    gpt = _read_gpt(read, size)
    protected = any(int(each.type, 16) == PROTECTIVE for each in entries)
    if gpt is not None and (protected or not entries):
        lost = () if protected else ("the protective MBR names no GPT",)
        return PartitionTable("gpt", gpt[0], (*lost, *gpt[1]))
    if protected:
        return PartitionTable("gpt", problems=(_no_gpt(read),))
    return PartitionTable("mbr", entries, tuple(_mbr_problems(first, entries, size)))


def _no_gpt(read: Read) -> str:
    if read(BIG_SECTOR, SECTOR).startswith(GPT_MAGIC):
        return (
            f"its GPT was made for a disk with sectors of {BIG_SECTOR} bytes, and the disks of VMs "
            f"have {SECTOR}: make the disk again on one with sectors of {SECTOR} bytes"
        )
    return "the MBR names a GPT, but both its copies are missing or damaged"


def _mbr_entries(sector: bytes) -> Iterator[Partition]:
    for number in range(1, 5):
        entry = sector[TABLE_AT + 16 * (number - 1) : TABLE_AT + 16 * number]
        start, sectors = struct.unpack_from("<II", entry, 8)
        if entry[4] or sectors:
            yield Partition(number, f"{entry[4]:02x}", start, sectors, entry[0] == ACTIVE)


def _likely(entry: Partition, size: int) -> bool:
    """Whether it can be a partition at all; a FAT boot program's bytes there are not."""
    return bool(entry.start and entry.sectors and entry.end <= size // SECTOR)


def _mbr_problems(sector: bytes, entries: Sequence[Partition], size: int) -> Iterator[str]:
    if not entries:
        yield "the MBR names no partition"
        return
    active = [each.number for each in entries if each.active]
    if not active:
        yield "no partition is active: BIOS machines will not boot it"
    elif len(active) > 1:
        yield f"partitions {_list(active)} are both active: BIOS machines may not boot it"
    for each in entries:
        flag = sector[TABLE_AT + 16 * (each.number - 1)]
        if flag not in (0, ACTIVE):
            yield f"partition {each.number} has the flag 0x{flag:02x}, which means nothing"
    yield from _shape_problems(entries, 1, size // SECTOR)


def _shape_problems(partitions: Sequence[Partition], first: int, end: int) -> Iterator[str]:
    """Partitions of no length, outside blocks ``first`` to ``end``, or on top of each other."""
    for each in partitions:
        if each.sectors < 1:
            yield f"partition {each.number} is empty"
        elif each.start < first:
            yield f"partition {each.number} begins at block {each.start}, inside the table"
        elif each.end > end:
            over = each.end - end
            yield f"partition {each.number} ends {over} blocks behind the end of the disk"
    placed = sorted((each for each in partitions if each.sectors > 0), key=lambda each: each.start)
    for left, right in pairwise(placed):
        if left.end > right.start:
            yield f"partitions {_list(sorted((left.number, right.number)))} overlap"


@dataclass(frozen=True)
class _Header:
    here: int
    other: int
    first: int
    last: int
    table_at: int
    entries: int
    entry_size: int
    table_crc: int


_Found = tuple[tuple[Partition, ...], tuple[str, ...]]


def _read_gpt(read: Read, size: int) -> _Found | None:
    """Partitions and problems; ``None`` when neither copy is there."""
    sectors = size // SECTOR
    primary, wrong = _copy(read, 1, "GPT")
    other = primary.other if primary else sectors - 1
    backup, wrong_too = _copy(read, other, "backup GPT") if other > 1 else (None, "")
    good = primary or backup
    if good is None:
        return None
    problems = [each for each in (wrong, wrong_too) if each]
    if primary and other != sectors - 1:
        problems.append("the backup GPT is not at the end of the disk")
    table, cut = _table(read, good)
    problems += cut
    if primary and backup and not wrong_too and _table(read, backup)[0] != table:
        problems.append("the backup GPT names other partitions than the first")
    partitions = tuple(_gpt_entries(table, good.entry_size))
    problems += _shape_problems(partitions, 2, min(sectors, good.last + 1))
    return partitions, tuple(problems)


def _copy(read: Read, block: int, what: str) -> tuple[_Header | None, str]:
    """One of the two headers, or what is wrong with it."""
    raw = read(block * SECTOR, SECTOR) if block > 0 else b""
    if len(raw) < SECTOR or not raw.startswith(GPT_MAGIC):
        return None, f"the {what} is missing"
    _, _, length, crc, _, *rest = GPT_HEADER.unpack_from(raw)
    here, other, first, last, _disk, table_at, entries, entry_size, table_crc = rest
    wrong = ""
    if not GPT_HEADER.size <= length <= SECTOR:
        wrong = "has an impossible header size"
    elif zlib.crc32(raw[:16] + bytes(4) + raw[20:length]) != crc:
        wrong = "has a wrong checksum"
    elif here != block:
        wrong = "lies in the wrong block"
    elif entry_size % GPT_ENTRY.size or not GPT_ENTRY.size <= entry_size <= MAX_ENTRY:
        wrong = f"has entries of {entry_size} bytes"
    elif entries > MAX_ENTRIES:
        wrong = f"claims {entries} entries"
    if wrong:
        return None, f"the {what} {wrong}"
    return _Header(here, other, first, last, table_at, entries, entry_size, table_crc), ""


def _table(read: Read, header: _Header) -> tuple[bytes, list[str]]:
    size = header.entries * header.entry_size
    table = read(header.table_at * SECTOR, size)
    if len(table) < size:
        return table, ["the GPT's table lies behind the end of the disk"]
    if zlib.crc32(table) != header.table_crc:
        return table, ["the GPT's table has a wrong checksum"]
    return table, []


def _gpt_entries(table: bytes, entry_size: int) -> Iterator[Partition]:
    for at in range(0, len(table) - entry_size + 1, entry_size):
        kind, _unique, first, last, _flags, name = GPT_ENTRY.unpack_from(table, at)
        if kind == _NIL:
            continue
        yield Partition(
            number=at // entry_size + 1,
            type=str(uuid.UUID(bytes_le=kind)).upper(),
            start=first,
            sectors=max(0, last - first + 1),
            name=_name(name),
        )


def _name(raw: bytes) -> str:
    text = raw.decode("utf-16-le", "replace").split("\0", 1)[0]
    return "".join(char if char.isprintable() else "?" for char in text)


def _list(numbers: Sequence[int]) -> str:
    return " and ".join(str(number) for number in numbers)
