"""Damaged FAT images end in a result or a MediaError, never in anything else."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmboot.errors import MediaError
from vmboot.media.fat import build_fat
from vmboot.media.fatread import is_fat, open_fat, read_fat

GOOD = build_fat({"EFI/BOOT/BOOTX64.EFI": b"program" * 900, "a long name.cfg": b"x"}, label="T")
STRUCTURES = 60 * 512  # boot sector, tables, root and first directories of this small image


def read_or_refuse(data: bytes) -> None:
    try:
        files = read_fat(data)
    except MediaError:
        return
    assert sum(map(len, files.values())) <= len(data)


@settings(max_examples=1500, deadline=2000)
@given(st.lists(st.tuples(st.integers(0, STRUCTURES), st.integers(0, 255)), min_size=1, max_size=8))
def test_changed_bytes_never_crash_the_reader(changes: list[tuple[int, int]]) -> None:
    data = bytearray(GOOD)
    for at, value in changes:
        data[at % len(data)] = value
    read_or_refuse(bytes(data))


@pytest.mark.parametrize(("bits", "mib"), [(12, 4), (16, 16), (32, 40)])
def test_volumes_made_by_mkfs_and_mtools_are_read(bits: int, mib: int, tmp_path: Path) -> None:
    mkfs = shutil.which("mkfs.fat", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if not mkfs or not shutil.which("mcopy"):
        pytest.skip("mkfs.fat or mcopy is not installed: apt-get install dosfstools mtools")
    image, source = tmp_path / "fat.img", tmp_path / "A long name.cfg"
    source.write_bytes(b"0123456789" * 3000)
    image.write_bytes(bytes(mib * 1024 * 1024))
    command = [mkfs, "-F", str(bits), *(["-s", "1"] if bits == 32 else []), str(image)]
    subprocess.run(command, check=True, capture_output=True)
    subprocess.run(["mmd", "-i", str(image), "::/Sub"], check=True)
    for target in ("::/Sub/", "::/lower.txt"):
        subprocess.run(["mcopy", "-i", str(image), str(source), target], check=True)
    wanted = source.read_bytes()
    assert read_fat(image.read_bytes()) == {"Sub/A long name.cfg": wanted, "lower.txt": wanted}


@pytest.mark.parametrize("keep", [0, 1, 511, 512, 4096, 20000])
def test_cut_images_are_refused(keep: int) -> None:
    with pytest.raises(MediaError):
        read_fat(GOOD[:keep])


def test_a_chain_that_runs_in_a_circle_is_refused() -> None:
    data = bytearray(build_fat({"loop": bytes(2000)}, label="T"))
    data[512 + 3 : 512 + 6] = b"\x02\x20\x00"  # cluster 2 and 3 both lead to cluster 2
    with pytest.raises(MediaError, match="twice"):
        read_fat(bytes(data))


def test_two_files_in_the_same_cluster_are_refused() -> None:
    data = bytearray(build_fat({"A": b"1", "B": b"2"}, label="T"))
    entry = data.index(b"B          ")
    data[entry + 26 : entry + 28] = b"\x02\x00"
    with pytest.raises(MediaError, match="uses cluster 2 twice"):
        read_fat(bytes(data))


def test_only_what_is_asked_for_is_read() -> None:
    asked: list[int] = []

    def read(at: int, size: int) -> bytes:
        asked.append(size)
        return GOOD[at : at + size]

    volume = open_fat(read, len(GOOD))
    assert {file.path for file in volume.files} == {"EFI/BOOT/BOOTX64.EFI", "a long name.cfg"}
    assert sum(asked) < len(GOOD) // 2
    program = volume.find("efi/boot/bootx64.efi")
    assert program is not None
    assert volume.content(program, limit=6300) == b"program" * 900
    assert volume.content(program, limit=6300) == b"program" * 900  # again, from the same clusters
    with pytest.raises(MediaError, match="too many to look at"):
        volume.content(program, limit=6299)


@pytest.mark.parametrize(("label", "wanted"), [("ctxpvs", "CTXPVS"), ("no name", "")])
def test_the_label_is_read(label: str, wanted: str) -> None:
    data = build_fat({}, label=label)
    assert open_fat(lambda at, size: data[at : at + size], len(data)).label == wanted


def test_a_directory_of_long_name_entries_only_is_read_quickly() -> None:
    data = bytearray(GOOD)
    root = struct.unpack_from("<H", data, 22)[0] * 2 * 512 + 512
    for at in range(root, root + 512 * 32, 32):
        data[at : at + 32] = b"\x01" + b"A" * 10 + b"\x0f" + bytes(20)
    assert read_fat(bytes(data)) == {}


@pytest.mark.parametrize("data", [b"", b"\xeb" * 512, bytes(4096), b"MZ" + bytes(510)])
def test_other_bytes_are_not_taken_for_fat(data: bytes) -> None:
    assert not is_fat(data)
