"""FAT volumes changed in place: what is asked for changes, the rest stays byte for byte."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmboot.errors import MediaError, NotFoundError, RefusedError
from vmboot.media.fat import build_fat
from vmboot.media.fatedit import list_entries, read_file, rename_entry, replace_content
from vmboot.media.fatread import read_fat

MIB = 1024 * 1024
LOADER = bytes(range(256)) * 700
FILES = {
    "EFI/BOOT/PVSBOOTX64.EFI": LOADER,
    "EFI/BOOT/another long name.cfg": b"x" * 5000,
    "PVSBOOT.INI": b"server=10.0.0.11\r\n" * 60,
    "empty.txt": b"",
}
GOOD = build_fat(FILES, size=2 * MIB, label="T")


def tool(name: str) -> str:
    found = shutil.which(name, path="/usr/sbin:/sbin:/usr/bin:/bin")
    if not found:
        pytest.skip(f"{name} is not installed: apt-get install dosfstools mtools")
    return found


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def made_by_others(bits: int, mib: int, folder: Path, files: Mapping[str, bytes] = FILES) -> bytes:
    """A volume that mkfs.fat formatted and mtools filled."""
    image = folder / "made.img"
    image.write_bytes(bytes(mib * MIB))
    run(tool("mkfs.fat"), "-F", str(bits), "-n", "CTXPVS", str(image))
    run(tool("mmd"), "-i", str(image), "::/EFI", "::/EFI/BOOT")
    for path, data in files.items():
        (folder / "source").write_bytes(data)
        run(tool("mcopy"), "-i", str(image), str(folder / "source"), f"::/{path}")
    return image.read_bytes()


def accepted(volume: bytes, folder: Path) -> Path:
    """The volume as a file, if fsck.fat has nothing to say against it."""
    image = folder / "changed.img"
    image.write_bytes(volume)
    assert "differ" not in run(tool("fsck.fat"), "-n", str(image)).lower()
    return image


def by_mtools(image: Path, path: str, folder: Path) -> bytes:
    run(tool("mcopy"), "-n", "-i", str(image), f"::/{path}", str(folder / "out"))
    data = (folder / "out").read_bytes()
    (folder / "out").unlink()
    return data


VOLUMES = pytest.mark.parametrize(("bits", "mib"), [(12, 4), (16, 16), (32, 40)])


@VOLUMES
def test_volumes_of_others_are_still_in_order_after_a_change(bits, mib, tmp_path):
    volume = made_by_others(bits, mib, tmp_path)
    volume = rename_entry(volume, "EFI/BOOT/PVSBOOTX64.EFI", "BOOTX64.EFI")
    volume = replace_content(volume, "PVSBOOT.INI", b"server=10.9.9.9\r\n" * 3000)
    volume = replace_content(volume, "EFI/BOOT/another long name.cfg", b"")
    volume = replace_content(volume, "empty.txt", b"no longer")
    image = accepted(volume, tmp_path)
    assert by_mtools(image, "EFI/BOOT/BOOTX64.EFI", tmp_path) == LOADER
    assert by_mtools(image, "PVSBOOT.INI", tmp_path) == b"server=10.9.9.9\r\n" * 3000
    assert by_mtools(image, "EFI/BOOT/another long name.cfg", tmp_path) == b""
    assert by_mtools(image, "empty.txt", tmp_path) == b"no longer"
    assert "PVSBOOTX64" not in run(tool("mdir"), "-i", str(image), "::/EFI/BOOT")


@VOLUMES
def test_a_longer_name_finds_room_and_is_read_by_mtools(bits, mib, tmp_path):
    volume = made_by_others(bits, mib, tmp_path)
    name = "the server list of all our boot disks, in order.ini"
    volume = rename_entry(volume, "EFI/BOOT/PVSBOOTX64.EFI", name)
    assert by_mtools(accepted(volume, tmp_path), f"EFI/BOOT/{name}", tmp_path) == LOADER


def test_a_full_directory_grows(tmp_path):
    files = {f"DIR/{number:03}.TXT": b"x" for number in range(62)}  # with . and .. 64: two clusters
    volume = build_fat(files, size=MIB, label="T")
    name = "a name that needs two more slots.txt"
    changed = rename_entry(volume, "DIR/040.TXT", name)
    assert sorted(read_fat(changed)) == sorted({*files, f"DIR/{name}"} - {"DIR/040.TXT"})
    accepted(changed, tmp_path)


def test_a_full_root_directory_cannot_grow():
    files = {f"{number:03}.TXT": b"" for number in range(511)}  # and the label
    volume = build_fat(files, size=2 * MIB, label="T")
    with pytest.raises(MediaError, match="cannot grow"):
        rename_entry(volume, "040.TXT", "a long name")


def test_a_rename_changes_the_directory_only():
    changed = rename_entry(GOOD, "EFI/BOOT/PVSBOOTX64.EFI", "BOOTX64.EFI")
    different = [at for at in range(0, len(GOOD), 512) if GOOD[at : at + 512] != changed[at:][:512]]
    assert len(different) == 1
    assert read_fat(changed)["EFI/BOOT/BOOTX64.EFI"] == LOADER


def test_a_rename_there_and_back_gives_the_same_files():
    there = rename_entry(GOOD, "PVSBOOT.INI", "x.ini")
    back = rename_entry(there, "x.ini", "PVSBOOT.INI")
    assert read_fat(back) == FILES
    assert list_entries(back) == list_entries(GOOD)


def test_names_have_no_case_and_a_change_of_case_is_no_clash():
    changed = rename_entry(GOOD, "efi/boot/pvsbootx64.efi", "PvsBootX64.efi")
    assert read_file(changed, "EFI/Boot/PVSBOOTX64.efi") == LOADER


def test_directories_can_be_renamed():
    assert "EFI/Start/PVSBOOTX64.EFI" in read_fat(rename_entry(GOOD, "EFI/BOOT", "Start"))


def test_content_of_the_same_size_changes_nothing_else():
    old = FILES["PVSBOOT.INI"]
    new = old.replace(b"10.0.0.11", b"10.0.0.99")
    changed = replace_content(GOOD, "PVSBOOT.INI", new)
    assert changed == GOOD.replace(old, new)
    assert replace_content(changed, "PVSBOOT.INI", old) == GOOD


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(sorted(FILES)), st.integers(0, 200_000)), max_size=6))
def test_whatever_sizes_follow_each_other_every_file_reads_back(changes):
    volume, wanted = GOOD, dict(FILES)
    for path, size in changes:
        wanted[path] = bytes([size % 251]) * size
        volume = replace_content(volume, path, wanted[path])
    assert read_fat(volume) == wanted
    smallest = volume
    for path in FILES:
        smallest = replace_content(smallest, path, b"")
    first_free = smallest[512 : 512 + 3000].rstrip(b"\0")
    assert len(first_free) < 24  # the two marks, and two directories


def test_free_clusters_are_counted_on_fat32(tmp_path):
    volume = made_by_others(32, 40, tmp_path)

    def free(data: bytes) -> int:
        count: int = struct.unpack_from("<I", data, 512 + 488)[0]
        return count

    cluster = volume[13] * 512
    grown = replace_content(volume, "PVSBOOT.INI", bytes(cluster * 12))
    before = -(-len(FILES["PVSBOOT.INI"]) // cluster)
    assert free(grown) == free(volume) - 12 + before
    assert free(replace_content(grown, "PVSBOOT.INI", b"")) == free(volume) + before


def test_a_small_fat32_volume_is_one_although_its_clusters_are_few(tmp_path):
    image = tmp_path / "small.img"
    image.write_bytes(bytes(4 * MIB))
    run(tool("mkfs.fat"), "-F", "32", "-n", "CTXPVS", str(image))
    assert list_entries(image.read_bytes()) == ()


def test_a_volume_that_is_full_says_how_much_is_missing():
    volume = build_fat(FILES, label="T")
    with pytest.raises(MediaError, match=r"full: \d+ bytes more are needed"):
        replace_content(volume, "empty.txt", bytes(MIB))


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda v: rename_entry(v, "EFI/BOOT/BOOTX64.EFI", "a"), NotFoundError, "there is no EFI"),
        (lambda v: rename_entry(v, "PVSBOOT.INI/x", "a"), NotFoundError, "is a file"),
        (lambda v: replace_content(v, "EFI", b""), NotFoundError, "is a directory"),
        (lambda v: rename_entry(v, "PVSBOOT.INI", "EMPTY.TXT"), RefusedError, "already has"),
        (lambda v: rename_entry(v, "PVSBOOT.INI", "a/b"), MediaError, "cannot hold"),
        (lambda v: rename_entry(v, "PVSBOOT.INI", ""), MediaError, "cannot hold"),
    ],
)
def test_what_cannot_be_meant_is_refused(change, error, words):
    with pytest.raises(error, match=words):
        change(GOOD)


def test_tables_that_differ_are_refused():
    damaged = bytearray(GOOD)
    damaged[512 + 10] ^= 1
    with pytest.raises(MediaError, match="differ"):
        list_entries(bytes(damaged))


def test_files_that_share_a_cluster_are_refused():
    damaged = bytearray(build_fat({"A": b"a", "B": b"b"}, label="T"))
    at = damaged.find(b"B".ljust(11))
    damaged[at + 26] = 2
    with pytest.raises(MediaError, match="share a cluster"):
        replace_content(bytes(damaged), "A", b"c")


@pytest.mark.parametrize("keep", [0, 511, 512, 4096, len(GOOD) - 512])
def test_cut_volumes_are_refused(keep):
    with pytest.raises(MediaError):
        replace_content(GOOD[:keep], "PVSBOOT.INI", b"")


STRUCTURES = 60 * 512


@settings(max_examples=300, deadline=2000)
@given(st.lists(st.tuples(st.integers(0, STRUCTURES), st.integers(0, 255)), min_size=1, max_size=8))
def test_damaged_volumes_are_changed_or_refused_but_never_crash(changes):
    data = bytearray(GOOD)
    for at, value in changes:
        data[at] = value
    for change in (
        lambda: rename_entry(bytes(data), "EFI/BOOT/PVSBOOTX64.EFI", "BOOTX64.EFI"),
        lambda: rename_entry(bytes(data), "PVSBOOT.INI", "a much longer name than before.ini"),
        lambda: replace_content(bytes(data), "PVSBOOT.INI", bytes(9000)),
    ):
        try:
            changed = change()
        except (MediaError, NotFoundError, RefusedError):
            continue
        assert len(changed) == len(GOOD)
        list_entries(changed)
