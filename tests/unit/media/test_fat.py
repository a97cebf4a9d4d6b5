"""FAT images: reproducible, accepted by others' tools, and read back unchanged."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmboot.errors import MediaError
from vmboot.media.fat import build_fat, fits, read_fat

FILES = {
    "EFI/BOOT/BOOTX64.EFI": bytes(range(256)) * 5000,
    "EFI/BOOT/autoexec.ipxe": b"#!ipxe\n",
    "a rather long file name.text": b"x" * 513,
    "autoexec.ipxe": b"",
}
MIB = 1024 * 1024


def tool(name: str) -> str:
    found = shutil.which(name, path="/usr/sbin:/sbin:/usr/bin:/bin")
    if not found:
        pytest.skip(f"{name} is not installed: apt-get install dosfstools mtools")
    return found


@pytest.fixture(params=[None, 2 * MIB, 8 * MIB, 50 * MIB], ids=["smallest", "2M", "8M", "50M"])
def image(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "fat.img"
    path.write_bytes(build_fat(FILES, size=request.param, label="VMBOOT", hidden_sectors=2048))
    return path


def test_fsck_finds_nothing_to_complain_of(image: Path) -> None:
    done = subprocess.run([tool("fsck.fat"), "-n", str(image)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "differ" not in done.stdout.lower()


def test_mtools_reads_every_file(image: Path, tmp_path: Path) -> None:
    for path, data in FILES.items():
        command = [tool("mcopy"), "-n", "-i", str(image), f"::{path}", str(tmp_path / "out")]
        subprocess.run(command, check=True, capture_output=True)
        assert (tmp_path / "out").read_bytes() == data
        (tmp_path / "out").unlink()


def test_mtools_reads_the_label(image: Path) -> None:
    done = subprocess.run([tool("mlabel"), "-s", "-i", str(image), "::"], capture_output=True)
    assert b"VMBOOT" in done.stdout


def test_our_reader_reads_what_was_written(image: Path) -> None:
    assert read_fat(image.read_bytes()) == FILES


def test_same_files_give_same_bytes_in_any_order() -> None:
    backwards = dict(reversed(FILES.items()))
    assert build_fat(FILES, label="X") == build_fat(backwards, label="X")


def test_geometry_and_hidden_sectors_are_in_the_boot_sector() -> None:
    image = build_fat(FILES, size=8 * MIB, label="X", hidden_sectors=2048)
    assert int.from_bytes(image[0x18:0x1A], "little") == 63
    assert int.from_bytes(image[0x1A:0x1C], "little") == 255
    assert int.from_bytes(image[0x1C:0x20], "little") == 2048
    assert image[0x24] == 0x80
    assert len(image) == 8 * MIB


@pytest.mark.parametrize("size", [64 * 512, 4084 * 512, 4200 * 512, 5000 * 512, 33 * MIB])
def test_every_size_gives_a_valid_volume(size: int) -> None:
    image = build_fat({"a": b"1"}, size=size, label="X")
    assert read_fat(image) == {"a": b"1"}
    assert len(image) == size


def test_files_larger_than_the_volume_are_refused() -> None:
    with pytest.raises(MediaError, match="do not fit"):
        build_fat({"big": bytes(MIB)}, size=64 * 512, label="X")


@pytest.mark.parametrize("path", ["a//b", "a/../b", "con:", "a*", "x" * 256, "end.", "new\nline"])
def test_names_that_fat_cannot_hold_are_refused(path: str) -> None:
    with pytest.raises(MediaError):
        build_fat({path: b""}, label="X")


def test_names_that_differ_in_case_only_are_refused() -> None:
    with pytest.raises(MediaError, match="two files"):
        build_fat({"Boot.cfg": b"1", "BOOT.CFG": b"2"}, label="X")


@pytest.mark.parametrize("label", ["", "TWELVE CHARS", "é", "a\n"])
def test_labels_that_fat_cannot_hold_are_refused(label: str) -> None:
    with pytest.raises(MediaError, match="label"):
        build_fat({"a": b""}, label=label)


NAMES = st.text(st.sampled_from("abcXYZ019 .-_é漢~"), min_size=1, max_size=30).filter(
    lambda name: name[-1] not in " ." and name[0] != " "
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(NAMES, st.binary(max_size=3000), max_size=12))
def test_any_tree_survives_the_round_trip(flat: dict[str, bytes]) -> None:
    if len({name.upper() for name in flat} | {"X", "SUB DIR"}) != len(flat) + 2:
        return
    folders = ("", "Sub Dir/", "Sub Dir/x/")
    files = {folders[len(name) % 3] + name: data for name, data in flat.items()}
    assert read_fat(build_fat(files, label="FUZZ")) == files


def test_the_reserved_area_lies_behind_the_boot_sector() -> None:
    loader = bytes(range(256)) * 100
    image = build_fat(FILES, size=4 * MIB, label="X", reserved=loader)
    assert image[512 : 512 + len(loader)] == loader
    assert int.from_bytes(image[14:16], "little") == 56, "in whole 4 KiB"
    assert read_fat(image) == FILES


def test_fsck_accepts_a_reserved_area(tmp_path: Path) -> None:
    path = tmp_path / "fat.img"
    path.write_bytes(build_fat(FILES, size=4 * MIB, label="X", reserved=b"x" * 137_000))
    done = subprocess.run([tool("fsck.fat"), "-n", str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_what_fits_is_what_can_be_built() -> None:
    files = {"big": bytes(3 * MIB)}
    for size in range(3 * MIB, 4 * MIB, MIB // 8):
        if fits(files, size=size, reserved=b"x" * 100_000):
            build_fat(files, size=size, label="X", reserved=b"x" * 100_000)
        else:
            with pytest.raises(MediaError, match="do not fit"):
                build_fat(files, size=size, label="X", reserved=b"x" * 100_000)
    assert not fits(files, size=3 * MIB)
    assert fits(files, size=4 * MIB)
