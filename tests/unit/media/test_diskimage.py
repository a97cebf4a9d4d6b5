"""Every disk format is read as the disk that it holds; what cannot be read is refused in words."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.media.diskmakers import dynamic_vhd, fixed_vhd, make_vhdx, sparse_vmdk
from tests.unit.media.qemuimg import converted, qemu_img
from vmboot.errors import MediaError, NotFoundError
from vmboot.media.diskimage import open_disk, raw_bytes
from vmboot.media.vhd import checksum
from vmboot.media.vmdk import stream_optimized

MIB = 1 << 20
NOISE = random.Random(1).randbytes(300_032)
DISK = (bytes(64 * 1024) + NOISE).ljust(5 * MIB, b"\0") + NOISE.ljust(MIB, b"\0")

BY_QEMU = {
    "raw": ("raw", ""),
    "vmdk-sparse": ("vmdk", "subformat=monolithicSparse"),
    "vmdk-stream": ("vmdk", "subformat=streamOptimized"),
    "vmdk-flat": ("vmdk", "subformat=monolithicFlat"),
    "vhd-dynamic": ("vpc", "subformat=dynamic,force_size=on"),
    "vhd-fixed": ("vpc", "subformat=fixed,force_size=on"),
    "vhdx-dynamic": ("vhdx", "subformat=dynamic,block_size=1M"),
    "vhdx-fixed": ("vhdx", "subformat=fixed,block_size=1M"),
}


@pytest.mark.parametrize("kind", BY_QEMU)
def test_what_qemu_wrote_is_read(kind: str, tmp_path: Path) -> None:
    path = converted(DISK, tmp_path, *BY_QEMU[kind])
    with open_disk(path) as disk:
        assert (disk.format, disk.size) == (kind, len(DISK))
        assert disk.read(0, len(DISK)) == DISK
        assert disk.read(5 * MIB - 100, 200) == DISK[5 * MIB - 100 : 5 * MIB + 100]


@pytest.mark.parametrize("kind", ["twoGbMaxExtentSparse", "twoGbMaxExtentFlat"])
def test_disks_in_several_files_are_read(kind: str, tmp_path: Path) -> None:
    path = converted(DISK, tmp_path, "vmdk", f"subformat={kind}")
    assert raw_bytes(path, limit=len(DISK)) == DISK


MADE: dict[str, Callable[[bytes], bytes]] = {
    "raw": bytes,
    "vmdk-stream": stream_optimized,
    "vmdk-sparse": sparse_vmdk,
    "vhd-fixed": fixed_vhd,
    "vhd-dynamic": dynamic_vhd,
    "vhdx-fixed": lambda raw: make_vhdx(raw, fixed=True),
    "vhdx-dynamic": make_vhdx,
}
_SECTORS = st.lists(
    st.sampled_from([bytes(512), b"a" * 512, b"bc" * 256]), min_size=1, max_size=300
)


@pytest.mark.parametrize("kind", MADE)
@settings(max_examples=25, deadline=None)
@given(sectors=_SECTORS)
def test_a_disk_comes_back_from_every_format(kind: str, sectors: list[bytes]) -> None:
    raw = b"".join(sectors)
    with open_disk(MADE[kind](raw)) as disk:
        assert disk.format == kind
        assert disk.read(0, len(raw)) == raw
        assert disk.read(len(raw), disk.size).count(0) == disk.size - len(raw)


@pytest.mark.parametrize("kind", MADE)
def test_a_file_cut_short_is_refused_or_has_all_that_is_read(kind: str) -> None:
    whole = MADE[kind](DISK)
    for keep in (600, len(whole) // 3, len(whole) - 600, len(whole) - 1):
        if kind == "raw":
            continue
        try:
            found = raw_bytes(whole[:keep], limit=len(whole) + len(DISK))
        except MediaError:
            continue
        assert kind in {"vhd-dynamic", "vhd-fixed"}  # of VHD, a cut one can look like a raw disk
        assert found in {DISK, whole[:keep]}


def test_our_vmdk_is_what_qemu_makes_of_it(tmp_path: Path) -> None:
    (tmp_path / "disk.vmdk").write_bytes(stream_optimized(DISK))
    qemu_img("convert", "-O", "raw", tmp_path / "disk.vmdk", tmp_path / "disk.raw")
    assert (tmp_path / "disk.raw").read_bytes() == DISK


def test_a_name_tells_nothing(tmp_path: Path) -> None:
    path = tmp_path / "disk.iso"
    path.write_bytes(fixed_vhd(DISK))
    with open_disk(path) as disk:
        assert disk.format == "vhd-fixed"


REFUSED = {
    "snapshot": (sparse_vmdk(DISK, parent="0badcafe"), "differs from its parent"),
    "delta of ESXi": (b"COWD".ljust(2048, b"\0"), "snapshot delta"),
    "differencing VHD": (dynamic_vhd(DISK, kind=4), "differencing"),
    "differencing VHDX": (make_vhdx(DISK, parent=True), "differencing"),
    "VHDX in use": (make_vhdx(DISK, log=True), "writes are still in its log"),
    "QCOW": (b"QFI\xfb".ljust(2048, b"\0"), "QCOW"),
    "packed": (b"\x1f\x8b\x08".ljust(2048, b"\0"), "gzip"),
    "nothing": (b"", "empty"),
    "descriptor alone": (b'# Disk DescriptorFile\nRW 8 FLAT "x.raw" 0\n', "only the descriptor"),
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_read_is_refused_in_words(data: tuple[bytes, str]) -> None:
    with pytest.raises(MediaError, match=data[1]):
        open_disk(data[0])


def test_a_log_that_is_not_empty_has_a_way_out() -> None:
    with pytest.raises(MediaError) as caught:
        open_disk(make_vhdx(DISK, log=True))
    assert "convert or cleanly detach it first" in (caught.value.hint or "")


def test_the_vhdx_header_with_the_higher_number_counts() -> None:
    image = bytearray(make_vhdx(DISK, sequences=(9, 8)))
    used = bytearray(make_vhdx(DISK, sequences=(9, 8), log=True))
    image[128 * 1024 : 132 * 1024] = used[128 * 1024 : 132 * 1024]  # the older says: in use
    assert raw_bytes(bytes(image), limit=len(DISK)) == DISK
    image[64 * 1024 + 8] ^= 1  # the newer one is damaged now
    with pytest.raises(MediaError, match="log"):
        open_disk(bytes(image))


def test_the_copy_of_a_damaged_vhd_footer_is_used() -> None:
    image = bytearray(dynamic_vhd(DISK))
    image[-400] ^= 1
    assert raw_bytes(bytes(image), limit=len(DISK)) == DISK
    image[100] ^= 1
    with pytest.raises(MediaError, match=r"checksum of the VHD's footer is wrong .at offset"):
        open_disk(bytes(image))


def test_damage_is_named_with_its_offset() -> None:
    image = bytearray(stream_optimized(DISK))
    image[128 * 512 + 40] ^= 0xFF
    with open_disk(bytes(image)) as disk, pytest.raises(MediaError, match="at offset 65536"):
        disk.read(0, len(DISK))


HUGE = 64 << 40


def huge_vmdk() -> bytes:
    image = bytearray(sparse_vmdk(bytes(4096)))
    image[12:20] = (HUGE // 512).to_bytes(8, "little")
    return bytes(image)


def test_a_directory_for_64_tib_must_be_there() -> None:
    with pytest.raises(MediaError, match="grain directory is cut off"):
        open_disk(huge_vmdk())


def test_64_tib_of_zeroes_cost_nothing(tmp_path: Path) -> None:
    path = tmp_path / "disk.vmdk"
    path.write_text(f"# Disk DescriptorFile\nRW {HUGE // 512} ZERO\n")
    with open_disk(path) as disk:
        assert disk.size == HUGE
        assert disk.read(HUGE - 512, 512) == bytes(512)
        assert disk.sha256() == ""
        with pytest.raises(MediaError, match="too large to look at"):
            disk.read(0, HUGE)
    with pytest.raises(MediaError, match="a boot disk has at most"):
        raw_bytes(path, limit=MIB)


def test_a_vhd_of_64_tib_must_have_a_table_for_it() -> None:
    image = bytearray(dynamic_vhd(bytes(4096)))
    for at in (0, len(image) - 512):
        image[at + 48 : at + 56] = HUGE.to_bytes(8, "big")
        image[at + 64 : at + 68] = checksum(bytes(image[at : at + 512]), 64).to_bytes(4, "big")
    with pytest.raises(MediaError, match="blocks are too few for a VHD of 70368744177664 bytes"):
        open_disk(bytes(image))


def test_a_vhdx_of_64_tib_must_have_a_table_for_it() -> None:
    image = bytearray(make_vhdx(bytes(4096)))
    at = MIB + 64 * 1024 + 16  # the second metadata item
    image[at : at + 8] = HUGE.to_bytes(8, "little")
    with pytest.raises(MediaError, match="block allocation table is too short for its size"):
        open_disk(bytes(image))


@pytest.mark.parametrize("name", ["../secret.raw", "/etc/hostname", "..", "link.raw", "a\\b"])
def test_a_descriptor_cannot_name_files_elsewhere(name: str, tmp_path: Path) -> None:
    (tmp_path / "secret.raw").write_bytes(bytes(MIB))
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "link.raw").symlink_to(tmp_path / "secret.raw")
    (folder / "disk.vmdk").write_text(f'# Disk DescriptorFile\nRW 1 FLAT "{name}" 0\n')
    with pytest.raises(MediaError, match="no plain file beside it"):
        open_disk(folder / "disk.vmdk")


def test_extents_must_be_there_and_long_enough(tmp_path: Path) -> None:
    path = tmp_path / "disk.vmdk"
    path.write_text('# Disk DescriptorFile\nRW 8 FLAT "disk-flat.vmdk" 1\n')
    with pytest.raises(MediaError, match="is missing"):
        open_disk(path)
    (tmp_path / "disk-flat.vmdk").write_bytes(bytes(8 * 512))
    with pytest.raises(MediaError, match=r"has 4096 bytes, and the VMDK descriptor wants 4608"):
        open_disk(path)


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        open_disk(tmp_path / "none.vhd")
