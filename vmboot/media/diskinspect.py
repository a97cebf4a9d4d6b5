"""Say what is on a disk image, ours or a stranger's, and which machines it can boot.

Partition tables: :mod:`vmboot.media.partitionread`; the verdict: :mod:`vmboot.media.diskverdict`.
Only what is needed is read: tables, directories, boot programs, small text files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from vmboot.errors import MediaError
from vmboot.media.diskimage import DiskImage, open_disk
from vmboot.media.diskinspection import DiskInspection, Volume
from vmboot.media.diskown import PROGRAM, read_own_disk
from vmboot.media.diskverdict import DiskFacts, judge_disk
from vmboot.media.diskvolumes import Found, OpenVolume, by_volume, open_volumes, read_programs
from vmboot.media.inspection import FoundLoader
from vmboot.media.partitionread import read_partitions
from vmboot.media.partitiontable import GPT_MAGIC, SECTOR
from vmboot.media.programs import MAX_LOADER, looks_like_program
from vmboot.media.shimvolume import ShimFindings, check_shim
from vmboot.media.strangers import MAX_TEXT, find_addresses, looks_like_config

MAX_TEXTS = 200
MAX_TEXT_BYTES = 8 * 1024 * 1024  # in all
BLANK = 64 * 1024  # zeroes that a disk not yet used begins with
MAX_BESIDE_SHIM = 16  # programs in its folder
_FOLDER = "efi/boot/"


def is_disk(target: bytes | str | Path) -> bool:
    """Whether ``target`` is a disk image, and not just any bytes.

    :raises MediaError: it is one, but cannot be opened
    """
    with open_disk(target) as disk:
        if disk.format != "raw":
            return True
        head = disk.read(0, BLANK)
        marked = head[510:512] == b"\x55\xaa" or head[SECTOR : SECTOR + 8] == GPT_MAGIC
        return marked or (disk.size % SECTOR == 0 and not any(head))


def inspect_disk(target: bytes | str | Path) -> DiskInspection:
    """Read a disk image: a path, or its bytes.

    :raises NotFoundError: there is no such file
    :raises MediaError: it cannot be opened, or is too damaged to be read
    """
    with open_disk(target) as disk:
        try:
            return _inspect(disk)
        except OSError as error:
            raise MediaError(f"the disk image cannot be read: {error}") from error


def _inspect(disk: DiskImage) -> DiskInspection:
    found = Found(disk, read_partitions(disk.read, disk.size))
    open_volumes(found)
    read_programs(found)
    own = read_own_disk(found)
    facts = DiskFacts(
        read=disk.read,
        table=found.table,
        volumes={each.partition: each.fat for each in found.volumes},
        unreadable=found.unreadable,
        loaders=by_volume(found, found.programs.known),
        unusable={**by_volume(found, found.programs.unusable), **found.unread},
        shims={each.partition: _shim(found, each) for each in found.volumes},
        ours=own is not None,
    )
    verdict = judge_disk(facts)
    config = own.config if own else None
    digest = disk.sha256()
    unhashed = () if digest else ("no SHA-256 is made of a disk this large",)
    return DiskInspection(
        format=disk.format,
        size=disk.size,
        sha256=digest,
        made_by="vmboot" if own else "",
        table=found.table,
        volumes=tuple(_volume(each) for each in found.volumes),
        loaders=tuple(FoundLoader(path, known) for path, known in found.programs.known.items()),
        boots=verdict.boots,
        servers=config.servers if config else (),
        bootstrap=config.bootstrap if config else {},
        config=config,
        manifest=own.manifest if own else None,
        addresses={} if own else find_addresses(dict(_texts(found))),
        problems=_unique(
            found.table.problems if found.table.kind != "none" else (),
            found.problems,
            found.programs.problems,
            own.problems if own else (),
            verdict.problems,
        ),
        notes=_unique(disk.notes, unhashed, verdict.notes),
    )


def _unique(*groups: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for group in groups for text in group))


def _texts(found: Found) -> Iterator[tuple[str, bytes]]:
    wanted = [
        (volume, file)
        for volume in found.volumes
        for file in volume.fat.files
        if looks_like_config(file.path, file.size)
    ]
    left = MAX_TEXT_BYTES
    for volume, file in wanted[:MAX_TEXTS]:
        left -= file.size
        if left < 0:
            return
        path = found.path(volume, file)
        try:
            yield path, volume.fat.content(file, limit=MAX_TEXT)
        except MediaError as error:
            found.problems.append(f"{path} cannot be read: {error.message}")


def _volume(volume: OpenVolume) -> Volume:
    fat = volume.fat
    return Volume(
        partition=volume.partition,
        start=volume.start,
        size=fat.size,
        type=f"FAT{fat.bits}",
        label=fat.label,
        files={file.path: file.size for file in fat.files},
    )


def _shim(found: Found, volume: OpenVolume) -> ShimFindings:
    """Whether the program that a shim starts is there, and signed by somebody whom it trusts."""
    known = {each.kind for path, each in found.programs.known.items() if _is_program(path)}
    folder = [
        file
        for file in volume.fat.files
        if file.path.lower().startswith(_FOLDER) and looks_like_program(file.path, file.size)
    ]
    if "shim" not in known or len(folder) > MAX_BESIDE_SHIM:
        return ShimFindings()
    try:
        return check_shim(
            {file.path: volume.fat.content(file, limit=MAX_LOADER) for file in folder}
        )
    except MediaError:
        return ShimFindings()  # named already, as a program that cannot be read


def _is_program(path: str) -> bool:
    return path.lower().endswith(PROGRAM.lower())
