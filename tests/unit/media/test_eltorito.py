"""The boot catalog, as read from bytes."""

from __future__ import annotations

import struct

import pytest

from vmboot.errors import MediaError
from vmboot.media.eltorito import boot_info_problem, read_boot_image, read_catalog
from vmboot.media.isoread import BLOCK, IsoFile, IsoImage, Source


def catalog(*entries: bytes, platform: int = 0) -> bytes:
    head = bytearray(struct.pack("<BBH24sHBB", 1, platform, 0, b"", 0, 0x55, 0xAA))
    total = sum(struct.unpack("<16H", head)) & 0xFFFF
    struct.pack_into("<H", head, 28, -total & 0xFFFF)
    return (bytes(head) + b"".join(entries)).ljust(BLOCK, b"\0")


def entry(block: int, *, sectors: int = 4, bootable: bool = True, media: int = 0) -> bytes:
    first = 0x88 if bootable else 0
    return struct.pack("<BBHBxHI20x", first, media, 0, 0, sectors, block)


def section(platform: int, *, last: bool = True) -> bytes:
    return struct.pack("<BBH28x", 0x91 if last else 0x90, platform, 1)


def read(data: bytes, *files: IsoFile) -> list[tuple[str, bool, str, int, int]]:
    with Source(data) as source:
        found = read_catalog(source, IsoImage("X", 1, 0, files))
    return [(each.platform, each.bootable, each.path, each.block, each.size) for each in found]


def test_a_catalog_with_both_platforms() -> None:
    data = catalog(entry(20), section(0xEF), entry(30, sectors=2880))
    files = (IsoFile("isolinux.bin", 20, 38912),)
    assert read(data, *files) == [
        ("bios", True, "isolinux.bin", 20, 38912),
        ("uefi", True, "", 30, 2880 * 512),
    ]


def test_a_uefi_only_catalog_names_its_platform_in_the_first_entry() -> None:
    assert read(catalog(entry(30), platform=0xEF))[0][0] == "uefi"


def test_an_entry_that_is_not_bootable_is_listed_as_such() -> None:
    assert read(catalog(entry(20, bootable=False)))[0][1] is False


def test_an_unknown_platform_keeps_its_number() -> None:
    assert read(catalog(entry(1), section(0x42), entry(2)))[1][0] == "unknown (0x42)"


@pytest.mark.parametrize("at", [0, 28, 30])
def test_a_damaged_catalog_is_refused(at: int) -> None:
    data = bytearray(catalog(entry(20)))
    data[at] ^= 0x10
    with pytest.raises(MediaError, match="damaged"):
        read(bytes(data))


def test_no_catalog_is_no_entries() -> None:
    with Source(b"") as source:
        assert read_catalog(source, IsoImage("X", 1, None, ())) == ()


def test_a_boot_image_beyond_the_end_is_refused() -> None:
    data = catalog(entry(99))
    with Source(data) as source:
        (found,) = read_catalog(source, IsoImage("X", 1, 0, ()))
        with pytest.raises(MediaError, match="cut off"):
            read_boot_image(source, found)


def test_a_boot_information_table_is_checked() -> None:
    with Source(catalog(entry(20))) as source:
        (found,) = read_catalog(source, IsoImage("X", 1, 0, ()))
    body = b"\x01\0\0\0" * 32
    good = b"\0" * 8 + struct.pack("<IIII", 16, 20, 64 + len(body), 32) + b"\0" * 40 + body
    assert boot_info_problem(good, found) == ""
    assert "checksum" in boot_info_problem(good[:-1] + b"\x09", found)
    assert "fits" in boot_info_problem(good + b"\0", found)
    assert "too short" in boot_info_problem(b"", found)
