"""What is wrong with a partition table is said in words; no bytes bring the reader down."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.media.test_partition import SECTORS, WHOLE, gpt_disk, mbr_disk, read
from vmboot.media.fat import build_fat
from vmboot.media.partition import ESP, Partition, PartitionTable
from vmboot.media.partitionread import MAX_ENTRIES, MAX_ENTRY, read_partitions

END = SECTORS * 512
EFI = Partition(1, ESP, 2048, 2048, name="vmboot")
GPT = gpt_disk(EFI)
MBR = mbr_disk(WHOLE)


def changed(disk: bytes, at: int, data: bytes) -> bytes:
    return disk[:at] + data + disk[at + len(data) :]


def entry(number: int, start: int, sectors: int, *, flag: int = 0, kind: int = 0x83) -> bytes:
    return struct.pack("<B3sB3sII", flag, b"", kind, b"", start, sectors)


def mbr(*entries: bytes) -> bytes:
    return changed(MBR, 446, b"".join(entries).ljust(64, b"\0"))


def header(disk: bytes, at: int, **fields: int) -> bytes:
    """``disk`` with another GPT header at ``at``, its checksum right again."""
    places = {"size": (12, "I"), "here": (24, "Q"), "count": (80, "I"), "entry": (84, "I")}
    raw = bytearray(disk[at : at + 512])
    for name, value in fields.items():
        struct.pack_into(f"<{places[name][1]}", raw, places[name][0], value)
    raw[16:20] = bytes(4)
    raw[16:20] = zlib.crc32(raw[:92]).to_bytes(4, "little")
    return changed(disk, at, bytes(raw))


MBR_PROBLEMS = {
    "no active": (mbr(entry(1, 2048, 4096)), "no partition is active: BIOS"),
    "two active": (
        mbr(entry(1, 2048, 10, flag=0x80), entry(2, 4096, 10, flag=0x80)),
        "partitions 1 and 2 are both active",
    ),
    "odd flag": (
        mbr(entry(1, 2048, 10, flag=0x80), entry(2, 4096, 10, flag=7)),
        "partition 2 has the flag 0x07",
    ),
    "beyond the end": (
        mbr(entry(1, 2048, SECTORS, flag=0x80)),
        "partition 1 ends 2048 blocks behind the end of the disk",
    ),
    "overlapping": (
        mbr(entry(1, 4096, 200, flag=0x80), entry(2, 4000, 100)),
        "partitions 1 and 2 overlap",
    ),
    "over the table": (mbr(entry(1, 0, 10, flag=0x80)), "begins at block 0, inside the table"),
    "empty": (mbr(entry(1, 2048, 0, flag=0x80)), "partition 1 is empty"),
    "none": (mbr(), "names no partition"),
}


@pytest.mark.parametrize(("disk", "words"), MBR_PROBLEMS.values(), ids=MBR_PROBLEMS)
def test_an_mbr_s_problem_is_named(disk: bytes, words: str) -> None:
    table = read(disk)
    assert table.kind == "mbr"
    assert [each for each in table.problems if words in each], table.problems


GPT_PROBLEMS = {
    "protective MBR gone": (changed(GPT, 0, bytes(512)), "the protective MBR is missing"),
    "protective MBR without it": (
        changed(GPT, 446, bytes(64)),
        "the protective MBR names no GPT",
    ),
    "first gone": (changed(GPT, 512, bytes(512)), "the GPT is missing"),
    "first damaged": (changed(GPT, 512 + 60, b"x"), "the GPT has a wrong checksum"),
    "backup gone": (changed(GPT, END - 512, bytes(512)), "the backup GPT is missing"),
    "backup damaged": (changed(GPT, END - 512 + 40, b"xx"), "the backup GPT has a wrong checksum"),
    "backup's table damaged": (
        changed(GPT, END - 33 * 512 + 40, b"xx"),
        "the backup GPT names other partitions than the first",
    ),
    "backup elsewhere": (GPT + bytes(512), "the backup GPT is not at the end of the disk"),
    "table damaged": (changed(GPT, 1024 + 40, b"\0\0"), "the GPT's table has a wrong checksum"),
    "wrong block": (header(GPT, 512, here=7), "the GPT lies in the wrong block"),
    "size": (header(GPT, 512, size=9), "the GPT has an impossible header size"),
    "entries": (header(GPT, 512, entry=100), "the GPT has entries of 100 bytes"),
    "many entries": (header(GPT, 512, count=1 << 31), "the GPT claims 2147483648 entries"),
}


@pytest.mark.parametrize(("disk", "words"), GPT_PROBLEMS.values(), ids=GPT_PROBLEMS)
def test_a_gpt_s_problem_is_named(disk: bytes, words: str) -> None:
    table = read(disk)
    assert table.kind == "gpt"
    assert [each for each in table.problems if words in each], table.problems


def test_a_good_backup_stands_in_for_a_damaged_gpt() -> None:
    assert read(changed(GPT, 512, bytes(512))).partitions == (EFI,)


def test_a_gpt_with_both_copies_gone_is_said() -> None:
    table = read(changed(changed(GPT, 512, bytes(512)), END - 512, bytes(512)))
    assert table == PartitionTable(
        "gpt", problems=("the MBR names a GPT, but both its copies are missing or damaged",)
    )


def test_a_gpt_for_larger_sectors_is_told_from_a_damaged_one() -> None:
    disk = changed(changed(GPT, 512, bytes(512)), END - 512, bytes(512))
    (problem,) = read(changed(disk, 4096, GPT[512:1024])).problems
    assert problem.startswith("its GPT was made for a disk with sectors of 4096 bytes")


def test_a_volume_without_a_partition_table_is_said() -> None:
    volume = build_fat({"a": b"x" * 4000}, size=1 << 20, label="X")
    assert read(volume).kind == "none"
    assert "one FAT volume" in read(volume).problems[0]


@pytest.mark.parametrize("disk", [b"", b"x" * 100, bytes(END)], ids=["empty", "short", "zeroes"])
def test_a_disk_without_a_table_is_said(disk: bytes) -> None:
    table = read(disk)
    assert (table.kind, table.partitions) == ("none", ())
    assert "no boot signature" in table.problems[0]


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from([MBR, GPT]),
    st.lists(
        st.tuples(st.integers(0, 34 * 512 - 1), st.binary(min_size=1, max_size=8)), max_size=8
    ),
    st.booleans(),
)
def test_any_damage_is_survived_with_bounded_reads(
    disk: bytes, damage: list[tuple[int, bytes]], sealed: bool
) -> None:
    raw = bytearray(disk)
    for at, data in damage:
        raw[at : at + len(data)] = data
    if sealed:  # so that not every change ends at the checksum
        raw[512:1024] = header(bytes(raw[:1024]), 512)[512:]
    total = 0

    def source(offset: int, size: int) -> bytes:
        nonlocal total
        total += size
        return bytes(raw[offset : offset + size])

    table = read_partitions(source, len(raw))
    assert total <= 2 * MAX_ENTRIES * MAX_ENTRY + 4096
    assert len(table.partitions) <= MAX_ENTRIES
