"""What a partition table says: the values that reading and writing share.

Source: UEFI 2.10 chapter 5 (GPT, protective MBR). A block has 512 bytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal

Kind = Literal["mbr", "gpt", "none"]

SECTOR = 512
ALIGNMENT = 2048  # blocks: 1 MiB, where every partitioning tool begins
FAT16_LBA = "0e"
ESP = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
ACTIVE = 0x80
SIGNATURE_AT, TABLE_AT = 440, 446
PROTECTIVE = 0xEE
GPT_MAGIC = b"EFI PART"
GPT_HEADER = struct.Struct("<8sIIIIQQQQ16sQIII")
GPT_ENTRY = struct.Struct("<16s16sQQQ72s")
GPT_ENTRIES = 128
GPT_TABLE_SECTORS = GPT_ENTRIES * GPT_ENTRY.size // SECTOR
GPT_OVERHEAD = 1 + GPT_TABLE_SECTORS  # header and table, at each end of the disk


@dataclass(frozen=True)
class Partition:
    """One partition.

    :param number: from 1, its place in the table
    :param type: MBR: two hex digits (``"0e"``); GPT: the type GUID in upper case
    :param start: first block (LBA)
    :param sectors: length in blocks of 512 bytes
    :param active: MBR only: the flag that boot programs look for
    :param name: GPT only
    """

    number: int
    type: str
    start: int
    sectors: int
    active: bool = False
    name: str = ""

    @property
    def end(self) -> int:
        """The block behind the last one."""
        return self.start + self.sectors


@dataclass(frozen=True)
class PartitionTable:
    """What a disk's partition table says, and what is wrong with it, in words.

    :param kind: ``mbr``, ``gpt``, or ``none`` for a disk without a partition table
    """

    kind: Kind
    partitions: tuple[Partition, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def active(self) -> tuple[Partition, ...]:
        """The partitions with the active flag; a BIOS machine needs exactly one."""
        return tuple(each for each in self.partitions if each.active)
