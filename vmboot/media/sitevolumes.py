"""The FAT volumes on a site's own boot media, and what is on the media that is the vendor's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from vmboot.errors import MediaError
from vmboot.media.eltorito import read_boot_image, read_catalog
from vmboot.media.fatread import is_fat, open_fat
from vmboot.media.isoread import BLOCK, read_iso
from vmboot.media.partition import read_partitions
from vmboot.media.partitiontable import SECTOR
from vmboot.media.pvsfiles import MAX_SIZE, VendorFile, identify_vendor_file
from vmboot.media.source import Source

Kind = Literal["iso", "disk"]

MAX_VOLUMES = 16
MAX_LOOKED_AT = 128 * 1024 * 1024  # bytes of files in all
_PROGRAMS = (".bin", ".efi")


@dataclass(frozen=True)
class Place:
    """Where a FAT volume lies in the image, in bytes."""

    at: int
    size: int

    def cut(self, image: bytes) -> bytes:
        return image[self.at : self.at + self.size]

    def put(self, image: bytes, volume: bytes) -> bytes:
        """The image with ``volume`` in this place."""
        return image[: self.at] + volume + image[self.at + self.size :]


def find_volumes(image: bytes, kind: Kind) -> tuple[Place, ...]:
    """The FAT volumes: partitions of a disk, UEFI boot images of an ISO."""
    found = dict.fromkeys(_boot_images(image) if kind == "iso" else _partitions(image))
    return tuple(found)[:MAX_VOLUMES]


def _partitions(image: bytes) -> Iterator[Place]:
    table = read_partitions(lambda at, size: image[at : at + size], len(image))
    spans = [(each.start * SECTOR, each.sectors * SECTOR) for each in table.partitions]
    for at, size in spans if table.kind != "none" else [(0, len(image))]:
        end = min(at + size, len(image))
        if is_fat(image[at : at + SECTOR]):
            yield Place(at, end - at)


def _boot_images(image: bytes) -> Iterator[Place]:
    with Source(image) as source:
        for entry in read_catalog(source, read_iso(source)):
            at = entry.block * BLOCK
            head = image[at : at + SECTOR]
            if entry.platform == "uefi" and is_fat(head):
                sector = int.from_bytes(head[11:13], "little")
                small = int.from_bytes(head[19:21], "little")
                size = sector * (small or int.from_bytes(head[32:36], "little"))
                yield Place(at, min(size, len(image) - at))


def volume_files(image: bytes, place: Place) -> Mapping[str, bytes]:
    """Content by path of the files on a volume, as far as they are small enough to be looked at.

    :raises MediaError: the volume is damaged
    """
    cut = place.cut(image)
    volume = open_fat(lambda at, size: cut[at : at + size], len(cut))
    left = MAX_LOOKED_AT
    found = {}
    for file in volume.files:
        if file.size <= min(left, MAX_SIZE):
            left -= file.size
            found[file.path] = volume.content(file, limit=MAX_SIZE)
    return found


def vendor_files(image: bytes, kind: Kind, places: tuple[Place, ...]) -> Mapping[str, VendorFile]:
    """What is the vendor's or signed, by path; what cannot be read is left to the inspection."""
    found: dict[str, VendorFile] = {}
    for path, data in site_files(image, kind, places):
        with suppress(MediaError):
            known = identify_vendor_file(data, name=path)
            if known is not None:
                found[path] = known
    return found


def site_files(image: bytes, kind: Kind, places: tuple[Place, ...]) -> Iterator[tuple[str, bytes]]:
    """Path and content of what may be a program; unreadable parts are left out."""
    if kind == "iso":
        yield from _iso_files(image)
    for place in places:
        with suppress(MediaError):
            yield from volume_files(image, place).items()


def _iso_files(image: bytes) -> Iterator[tuple[str, bytes]]:
    """Programs of an ISO, and its boot images for BIOS, which may have no name."""
    with Source(image) as source, suppress(MediaError):
        iso = read_iso(source)
        for entry in read_catalog(source, iso):
            if entry.platform == "bios" and not entry.path:
                yield f"block {entry.block}", read_boot_image(source, entry)
        left = MAX_LOOKED_AT
        for file in iso.files:
            if file.path.lower().endswith(_PROGRAMS) and file.size <= min(left, MAX_SIZE):
                left -= file.size
                yield file.path, source.read(file.block * BLOCK, file.size)
