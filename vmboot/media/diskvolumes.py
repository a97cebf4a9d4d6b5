"""The FAT volumes and boot programs of one disk, collected within bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from vmboot.errors import MediaError
from vmboot.media.diskimage import DiskImage
from vmboot.media.fatread import FatFile, FatVolume, Read, is_fat, open_fat
from vmboot.media.partitiontable import ESP, SECTOR, PartitionTable
from vmboot.media.programs import (
    MAX_LOADER,
    MAX_PROGRAM_BYTES,
    MAX_PROGRAMS,
    Programs,
    looks_like_program,
)

MAX_VOLUMES = 16
MAX_SMALL = 256 * 1024  # bytes of a manifest or script
# partition types that promise a FAT volume: of an MBR, and of a GPT
_FAT_TYPES = frozenset({"01", "04", "06", "0b", "0c", "0e", "ef", ESP})
T = TypeVar("T")


@dataclass
class OpenVolume:
    """One FAT volume and where it lies."""

    partition: int
    start: int
    fat: FatVolume


@dataclass
class Found:
    """What is collected while one disk is read.

    :ivar unreadable: why there is no volume, by partition
    :ivar unread: why there is no content, by partition and path in lower case
    """

    disk: DiskImage
    table: PartitionTable
    volumes: list[OpenVolume] = field(default_factory=list)
    programs: Programs = field(default_factory=Programs)
    unreadable: dict[int, str] = field(default_factory=dict)
    unread: dict[tuple[int, str], str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def path(self, volume: OpenVolume, file: FatFile) -> str:
        """How a file is named: with its partition where there are several volumes."""
        return f"{volume.partition}:{file.path}" if len(self.volumes) > 1 else file.path


def _window(disk: DiskImage, start: int, size: int) -> Read:
    """Reads within ``size`` bytes from ``start`` on, never beyond."""

    def read(at: int, count: int) -> bytes:
        return disk.read(start + at, max(0, min(count, size - at)))

    return read


def open_volumes(found: Found) -> None:
    """Open what is FAT, and note what should be."""
    places = [(each.number, each.type, each.start, each.sectors) for each in found.table.partitions]
    if found.table.kind == "none":
        places = [(0, "", 0, found.disk.size // SECTOR)]
    for number, kind, start, sectors in places:
        if len(found.volumes) >= MAX_VOLUMES:
            found.problems.append(f"only the first {MAX_VOLUMES} FAT volumes were looked at")
            return
        read = _window(found.disk, start * SECTOR, sectors * SECTOR)
        _open_volume(found, number, kind, start * SECTOR, sectors * SECTOR, read)


def _open_volume(found: Found, number: int, kind: str, start: int, size: int, read: Read) -> None:
    where = f"partition {number}" if number else "the disk"
    try:
        if not is_fat(read(0, SECTOR)):
            if kind in _FAT_TYPES:
                found.unreadable[number] = f"{where} should hold a FAT volume, but there is none"
            return
        fat = open_fat(read, min(size, found.disk.size - start))
        if fat.tables_differ():
            found.problems.append(
                f"the allocation tables of {where} differ, and each machine may believe another: "
                "repair it with fsck.fat or chkdsk"
            )
    except MediaError as error:
        found.unreadable[number] = f"the FAT volume of {where} cannot be read: {error.message}"
        return
    if fat.size > size:
        found.problems.append(f"the FAT volume of {where} claims more than there is")
    found.volumes.append(OpenVolume(number, start, fat))


def read_programs(found: Found) -> None:
    """Identify every file that has the name of a boot program."""
    left = MAX_PROGRAM_BYTES
    count = 0
    for volume in found.volumes:
        for file in volume.fat.files:
            if not looks_like_program(file.path, file.size):
                continue
            left -= file.size
            count += 1
            if left < 0 or count > MAX_PROGRAMS:
                found.problems.append("not all programs were looked at: there are too many")
                return
            path = found.path(volume, file)
            try:
                found.programs.note(path, volume.fat.content(file, limit=MAX_LOADER))
            except MediaError as error:
                found.programs.refuse(path, f"cannot be read: {error.message}")


def by_volume(found: Found, by_path: Mapping[str, T]) -> dict[tuple[int, str], T]:
    """What is known of each file, by partition and path in lower case."""
    places = {
        found.path(volume, file): (volume.partition, file.path.lower())
        for volume in found.volumes
        for file in volume.fat.files
        if looks_like_program(file.path, file.size)
    }
    return {places[path]: value for path, value in by_path.items()}


def small(found: Found, volume: OpenVolume, name: str) -> bytes | None:
    """A manifest or script; ``None`` when it is not there or cannot be read."""
    file = volume.fat.find(name)
    if file is None:
        return None
    try:
        return volume.fat.content(file, limit=MAX_SMALL)
    except MediaError as error:
        why = f"cannot be read: {error.message}"
        found.problems.append(f"{found.path(volume, file)} {why}")
        found.unread[volume.partition, file.path.lower()] = why
        return None
