"""The El Torito boot catalog: which programs a machine can start from a CD.

Source: "El Torito" Bootable CD-ROM Format Specification 1.0; UEFI 2.10 section 13.3.2.1; the boot
information table is described in mkisofs(8).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vmboot.errors import MediaError
from vmboot.media.isoread import BLOCK, IsoImage, Source

PLATFORMS = {0x00: "bios", 0x01: "ppc", 0x02: "mac", 0xEF: "uefi"}
MEDIA = ("noemul", "floppy-1.2", "floppy-1.44", "floppy-2.88", "harddisk")
MAX_ENTRIES = 64
SECTOR = 512
MAX_IMAGE = 64 * 1024 * 1024
_BOOTABLE, _MORE_HEADERS, _LAST_HEADER, _EXTENSION = 0x88, 0x90, 0x91, 0x44


@dataclass(frozen=True)
class BootEntry:
    """One entry of the catalog.

    :param platform: ``bios``, ``uefi``, ``ppc``, ``mac`` or ``unknown (0x..)``
    :param load_size: bytes that the firmware loads, as the catalog says
    :param path: the file that starts at the entry's block, ``""`` when none does
    :param size: bytes of the boot image: the file's, else ``load_size``
    """

    platform: str
    bootable: bool
    media: str
    load_size: int
    block: int
    path: str
    size: int

    def to_json(self) -> dict[str, Any]:
        return {
            "platform": self.platform,
            "bootable": self.bootable,
            "media": self.media,
            "load_size": self.load_size,
            "block": self.block,
            "path": self.path,
            "size": self.size,
        }


def read_catalog(source: Source, image: IsoImage) -> tuple[BootEntry, ...]:
    """The entries of the catalog, none when the image has no El Torito record.

    :raises MediaError: the catalog is damaged
    """
    if image.boot_catalog is None:
        return ()
    data = source.read(image.boot_catalog * BLOCK, BLOCK)
    words = struct.unpack("<16H", data[:32])
    if data[0] != 1 or data[30:32] != b"\x55\xaa" or sum(words) & 0xFFFF:
        raise MediaError("the El Torito boot catalog is damaged")
    return tuple(_entries(data, image))


def read_boot_image(source: Source, entry: BootEntry) -> bytes:
    """The bytes of an entry's boot image, as far as they are known.

    :raises MediaError: they are not all there
    """
    if not 0 < entry.size <= MAX_IMAGE:
        raise MediaError(f"a boot image of {entry.size} bytes makes no sense")
    return source.read(entry.block * BLOCK, entry.size)


def boot_info_problem(data: bytes, entry: BootEntry) -> str:
    """Why the boot information table in a BIOS boot image is wrong, ``""`` when it is right."""
    if len(data) < 64:
        return "the BIOS boot image is too short for a boot information table"
    descriptor, block, length, total = struct.unpack_from("<IIII", data, 8)
    if (descriptor, block, length) != (16, entry.block, len(data)):
        return "the BIOS boot image has no boot information table that fits it"
    rest = data[64:] + bytes(-len(data) % 4)
    if sum(struct.unpack(f"<{len(rest) // 4}I", rest)) & 0xFFFFFFFF != total:
        return "the checksum in the BIOS boot image is wrong: its content was changed"
    return ""


def _entries(data: bytes, image: IsoImage) -> Iterator[BootEntry]:
    yield _entry(data[32:64], data[1], image)
    platform = data[1]
    for at in range(64, min(len(data), 32 * MAX_ENTRIES), 32):
        entry = data[at : at + 32]
        if entry[0] in {_MORE_HEADERS, _LAST_HEADER}:
            platform = entry[1]
        elif entry[0] in {_BOOTABLE, 0} and any(entry):
            yield _entry(entry, platform, image)
        elif entry[0] != _EXTENSION:
            return


def _entry(raw: bytes, platform: int, image: IsoImage) -> BootEntry:
    indicator, media, _segment, _system, count, block = struct.unpack_from("<BBHBxHI", raw)
    file = image.at_block(block)
    kind = media & 0x0F
    return BootEntry(
        platform=PLATFORMS.get(platform, f"unknown (0x{platform:02x})"),
        bootable=indicator == _BOOTABLE,
        media=MEDIA[kind] if kind < len(MEDIA) else f"unknown ({kind})",
        load_size=count * SECTOR,
        block=block,
        path=file.path if file else "",
        size=file.size if file else count * SECTOR,
    )
