"""Partition tables that we write are read back unchanged, by us and by sfdisk."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmboot.errors import MediaError
from vmboot.media.mbrcode import boot_code
from vmboot.media.partition import (
    ESP,
    FAT16_LBA,
    Partition,
    PartitionTable,
    build_gpt,
    build_mbr,
    read_partitions,
)

SECTORS = 6144
WHOLE = Partition(1, FAT16_LBA, 2048, SECTORS - 2048, active=True)


def mbr_disk(*partitions: Partition, sectors: int = SECTORS) -> bytes:
    head = build_mbr(partitions, signature=b"\x01\x02\x03\x04", code=boot_code())
    return head + bytes((sectors - 1) * 512)


def gpt_disk(*partitions: Partition, sectors: int = SECTORS, seed: str = "x") -> bytes:
    gpt = build_gpt(partitions, sectors=sectors, seed=seed)
    return gpt.head + bytes(sectors * 512 - len(gpt.head) - len(gpt.tail)) + gpt.tail


def read(disk: bytes) -> PartitionTable:
    return read_partitions(lambda offset, size: disk[offset : offset + size], len(disk))


@st.composite
def layouts(draw: st.DrawFn, most: int, types: st.SearchStrategy[str]) -> tuple[Partition, ...]:
    """Partitions one behind the other, anywhere between the two GPTs."""
    count = draw(st.integers(1, most))
    cuts = draw(
        st.lists(st.integers(34, SECTORS - 33), min_size=2 * count, max_size=2 * count, unique=True)
    )
    cuts.sort()
    numbers = sorted(draw(st.permutations(range(1, most + 1)))[:count])
    ends = zip(cuts[::2], cuts[1::2], strict=True)
    return tuple(
        Partition(number, draw(types), start, end - start)
        for number, (start, end) in zip(numbers, ends, strict=True)
    )


MBR_TYPES = st.integers(1, 255).filter(lambda kind: kind != 0xEE).map("{:02x}".format)
GUIDS = st.uuids().map(lambda each: str(each).upper())
NAMES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=36)


@given(layouts(4, MBR_TYPES), st.data())
def test_an_mbr_reads_back_as_it_was_written(
    partitions: tuple[Partition, ...], data: st.DataObject
) -> None:
    chosen = data.draw(st.integers(0, len(partitions) - 1))
    wanted = tuple(
        Partition(p.number, p.type, p.start, p.sectors, active=n == chosen)
        for n, p in enumerate(partitions)
    )
    assert read(mbr_disk(*wanted)) == PartitionTable("mbr", wanted)


@given(layouts(20, GUIDS), st.data())
def test_a_gpt_reads_back_as_it_was_written(
    partitions: tuple[Partition, ...], data: st.DataObject
) -> None:
    wanted = tuple(
        Partition(p.number, p.type, p.start, p.sectors, name=data.draw(NAMES).rstrip("\0"))
        for p in partitions
    )
    assert read(gpt_disk(*wanted)) == PartitionTable("gpt", wanted)


def test_guids_come_from_the_seed() -> None:
    esp = Partition(1, ESP, 2048, 2048)
    assert gpt_disk(esp) == gpt_disk(esp)
    assert gpt_disk(esp) != gpt_disk(esp, seed="y")


@pytest.fixture
def sfdisk() -> str:
    found = shutil.which("sfdisk", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if not found:
        pytest.skip("sfdisk is not installed: apt-get install fdisk")
    return found


@pytest.mark.parametrize(
    ("disk", "row"),
    [
        (mbr_disk(WHOLE), f"start=2048,size={SECTORS - 2048},type=e,bootable"),
        (
            gpt_disk(Partition(1, ESP, 2048, 2048, name="vmboot")),
            f'start=2048,size=2048,type={ESP},name="vmboot"',
        ),
    ],
    ids=["mbr", "gpt"],
)
def test_sfdisk_agrees(disk: bytes, row: str, sfdisk: str, tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    image.write_bytes(disk)
    verified = subprocess.run([sfdisk, "-V", image], capture_output=True, text=True)
    assert verified.returncode == 0
    assert "No errors detected." in verified.stdout
    assert verified.stderr == ""
    dumped = subprocess.run([sfdisk, "-d", image], capture_output=True, text=True, check=True)
    last = dumped.stdout.strip().splitlines()[-1].partition(" : ")[2].replace(" ", "")
    assert [part for part in last.split(",") if not part.startswith("uuid=")] == [
        part for part in row.split(",") if not part.startswith("uuid=")
    ]


@pytest.mark.parametrize(
    "partitions",
    [
        (WHOLE, Partition(2, "83", 100, 10, active=True)),
        (Partition(5, "83", 100, 10),),
        (Partition(1, "83", 100, 0),),
        (Partition(1, "83", 1 << 31, 1 << 31),),
    ],
    ids=["two active", "number 5", "empty", "too far out"],
)
def test_an_mbr_that_no_reader_would_accept_is_not_written(
    partitions: tuple[Partition, ...],
) -> None:
    with pytest.raises(MediaError):
        build_mbr(partitions, signature=b"abcd")


@pytest.mark.parametrize(
    "partition",
    [
        Partition(1, ESP, 33, 100),
        Partition(1, ESP, SECTORS - 100, 68),
        Partition(129, ESP, 2048, 100),
        Partition(1, ESP, 2048, 100, name="x" * 37),
    ],
    ids=["in the first table", "in the second table", "number 129", "long name"],
)
def test_a_gpt_that_no_reader_would_accept_is_not_written(partition: Partition) -> None:
    with pytest.raises(MediaError):
        build_gpt([partition], sectors=SECTORS, seed="x")


def test_code_that_would_cover_the_table_is_refused() -> None:
    with pytest.raises(MediaError, match="440"):
        build_mbr([WHOLE], signature=b"abcd", code=bytes(441))
