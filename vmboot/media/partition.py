"""Partition tables: written for our boot disks, read from anybody's.

Reading is in :mod:`vmboot.media.partitionread`.

Sources: UEFI 2.10 chapter 5 (GPT, protective MBR); the PC's MBR as every BIOS reads it.
"""

from __future__ import annotations

import struct
import uuid
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from vmboot.errors import MediaError
from vmboot.media.partitionread import read_partitions
from vmboot.media.partitiontable import (
    ACTIVE,
    ESP,
    FAT16_LBA,
    GPT_ENTRIES,
    GPT_ENTRY,
    GPT_HEADER,
    GPT_MAGIC,
    GPT_OVERHEAD,
    GPT_TABLE_SECTORS,
    PROTECTIVE,
    SECTOR,
    SIGNATURE_AT,
    Partition,
    PartitionTable,
)

__all__ = [
    "ESP",
    "FAT16_LBA",
    "GptBytes",
    "Partition",
    "PartitionTable",
    "build_gpt",
    "build_mbr",
    "read_partitions",
]

_REVISION = 0x00010000
_HEADS, _TRACK = 255, 63  # the geometry that LBA-assisted BIOSes pretend


def build_mbr(partitions: Sequence[Partition], *, signature: bytes, code: bytes = b"") -> bytes:
    """The first sector of a disk with an MBR.

    :param partitions: up to 4, at most one of them active
    :param signature: 4 bytes that tell this disk from others
    :param code: the boot program, at most 440 bytes
    :raises MediaError: a table that cannot be written, or that no reader would accept
    """
    if len(code) > SIGNATURE_AT or len(signature) != 4 or len(partitions) > 4:
        raise MediaError("an MBR holds 440 bytes of code, a signature of 4 and 4 partitions")
    if sum(each.active for each in partitions) > 1:
        raise MediaError("two active partitions are given; a BIOS wants one")
    table = bytearray(4 * 16)
    for each in partitions:
        if not 1 <= each.number <= 4 or each.end >= 1 << 32 or each.sectors < 1:
            raise MediaError(f"partition {each.number} cannot be put into an MBR")
        table[16 * (each.number - 1) : 16 * each.number] = _mbr_entry(each)
    return code.ljust(SIGNATURE_AT, b"\0") + signature + b"\0\0" + bytes(table) + b"\x55\xaa"


def _mbr_entry(partition: Partition) -> bytes:
    flag = ACTIVE if partition.active else 0
    first, last = _chs(partition.start), _chs(partition.end - 1)
    kind = bytes.fromhex(partition.type)
    numbers = struct.pack("<II", partition.start, partition.sectors)
    return bytes((flag,)) + first + kind + last + numbers


def _chs(block: int) -> bytes:
    """Cylinder, head and sector as the table packs them; the largest value when out of reach."""
    cylinder, rest = divmod(block, _HEADS * _TRACK)
    head, sector = divmod(rest, _TRACK)
    if cylinder > 1023:
        cylinder, head, sector = 1023, _HEADS - 1, _TRACK - 1
    return bytes((head, (sector + 1) | cylinder >> 2 & 0xC0, cylinder & 0xFF))


@dataclass(frozen=True)
class GptBytes:
    """A GPT in two pieces.

    :param head: blocks 0 to 33: protective MBR, header, entries
    :param tail: the last 33 blocks: entries and header once more
    """

    head: bytes
    tail: bytes


def build_gpt(
    partitions: Sequence[Partition], *, sectors: int, seed: str, code: bytes = b""
) -> GptBytes:
    """A GPT for a disk of ``sectors`` blocks.

    :param partitions: their type is a GUID
    :param seed: what makes this disk's GUIDs different from others'; same seed, same GUIDs
    :param code: for the protective MBR, which a BIOS starts
    :raises MediaError: a partition lies outside the room that the GPT leaves
    """
    first, last = GPT_OVERHEAD + 1, sectors - GPT_OVERHEAD - 1
    table = bytearray(GPT_TABLE_SECTORS * SECTOR)
    for each in partitions:
        room = first <= each.start and each.end - 1 <= last and each.sectors > 0
        if not room or not 1 <= each.number <= GPT_ENTRIES:
            raise MediaError(f"partition {each.number} does not fit the GPT of this disk")
        at = (each.number - 1) * GPT_ENTRY.size
        table[at : at + GPT_ENTRY.size] = _gpt_entry(each, seed)
    disk = uuid.uuid5(uuid.NAMESPACE_OID, f"vmboot disk {seed}").bytes_le
    crc = zlib.crc32(table)

    def header(here: int, other: int, table_at: int) -> bytes:
        fields = (here, other, first, last, disk, table_at, GPT_ENTRIES, GPT_ENTRY.size, crc)
        return _header(*fields).ljust(SECTOR, b"\0")

    primary, backup = header(1, sectors - 1, 2), header(sectors - 1, 1, last + 1)
    return GptBytes(_protective(sectors, code) + primary + bytes(table), bytes(table) + backup)


def _gpt_entry(partition: Partition, seed: str) -> bytes:
    unique = uuid.uuid5(uuid.NAMESPACE_OID, f"vmboot partition {partition.number} {seed}")
    name = partition.name.encode("utf-16-le")
    if len(name) > 72:
        raise MediaError(f"{partition.name!r} is longer than a GPT name may be (36 characters)")
    kind = uuid.UUID(partition.type).bytes_le
    return GPT_ENTRY.pack(kind, unique.bytes_le, partition.start, partition.end - 1, 0, name)


def _header(*fields: int | bytes) -> bytes:
    size = GPT_HEADER.size
    blank = GPT_HEADER.pack(GPT_MAGIC, _REVISION, size, 0, 0, *fields)
    return GPT_HEADER.pack(GPT_MAGIC, _REVISION, size, zlib.crc32(blank), 0, *fields)


def _protective(sectors: int, code: bytes) -> bytes:
    """The MBR that keeps tools which know no GPT from taking the disk for an empty one."""
    length = min(sectors - 1, 0xFFFFFFFF)
    entry = b"\0\x00\x02\x00" + bytes((PROTECTIVE,)) + _chs(sectors - 1)
    entry += struct.pack("<II", 1, length)
    return code.ljust(SIGNATURE_AT, b"\0") + bytes(6) + entry + bytes(48) + b"\x55\xaa"
