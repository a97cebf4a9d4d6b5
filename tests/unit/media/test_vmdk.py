"""VMDK files as qemu-img, an independent reader, sees them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.media.qemuimg import qemu_img, qemu_info
from vmboot.errors import InputError, MediaError
from vmboot.media.vmdk import GRAIN, content_id, flat_descriptor, stream_optimized

MIB = 1 << 20


def image(size: int, *islands: int) -> bytes:
    """Zeroes with islands of noise, each 100,000 bytes long, at the given offsets."""
    data = bytearray(size)
    for at in islands:
        data[at : at + 100_000] = random.Random(at).randbytes(100_000)
    return bytes(data[:size])


IMAGES = {
    "8 MiB": image(8 * MIB, 0, 3 * MIB, 8 * MIB - 100_000),
    "only zeroes": bytes(MIB),
    "not a whole grain": image(MIB + 512, MIB - 100_000),
    "several grain tables": image(100 * MIB, 0, 70 * MIB),
    "one sector": b"x" * 512,
}


@pytest.mark.parametrize("raw", IMAGES.values(), ids=IMAGES.keys())
def test_qemu_finds_no_error_and_the_same_bytes(raw: bytes, tmp_path: Path) -> None:
    disk, plain = tmp_path / "disk.vmdk", tmp_path / "disk.raw"
    disk.write_bytes(stream_optimized(raw))
    plain.write_bytes(raw)
    assert "No errors were found" in qemu_img("check", "-f", "vmdk", disk)
    assert "identical" in qemu_img("compare", "-f", "vmdk", "-F", "raw", disk, plain)
    info = qemu_info(disk)
    assert info["virtual-size"] == -(-len(raw) // GRAIN) * GRAIN
    assert info["format-specific"]["data"]["create-type"] == "streamOptimized"


@pytest.mark.parametrize("kind", ["vmfs", "monolithicFlat"])
def test_qemu_reads_the_flat_form(kind: str, tmp_path: Path) -> None:
    raw = IMAGES["8 MiB"]
    (tmp_path / "disk-flat.vmdk").write_bytes(raw)
    (tmp_path / "disk.raw").write_bytes(raw)
    text = flat_descriptor(len(raw) // 512, "disk-flat.vmdk", kind=kind)
    (tmp_path / "disk.vmdk").write_text(text)
    found = qemu_img("compare", "-F", "raw", tmp_path / "disk.vmdk", tmp_path / "disk.raw")
    assert "identical" in found


@settings(max_examples=20)
@given(st.binary(min_size=1, max_size=3 * GRAIN))
def test_the_same_bytes_give_the_same_file(raw: bytes) -> None:
    assert stream_optimized(raw) == stream_optimized(bytes(bytearray(raw)))


def test_other_bytes_have_another_content_id() -> None:
    assert content_id(b"a") == content_id(b"a") != content_id(b"b")


def test_zeroes_take_no_room() -> None:
    assert len(stream_optimized(bytes(64 * MIB))) < 2 * GRAIN


def test_there_is_no_disk_without_bytes() -> None:
    with pytest.raises(MediaError, match="empty"):
        stream_optimized(b"")


@pytest.mark.parametrize("name", ["", "..", "a/b", 'a"b', "a\nb", "a\\b"])
def test_an_extent_is_a_file_beside_its_descriptor(name: str) -> None:
    with pytest.raises(InputError, match="cannot have 8 sectors"):
        flat_descriptor(8, name)
