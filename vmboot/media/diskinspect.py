"""Say what is on a disk image, ours or a stranger's, and which machines it can boot.

Partition tables: :mod:`vmboot.media.partitionread`; the verdict: :mod:`vmboot.media.diskverdict`.
Only what is needed is read: tables, directories, boot programs, small text files.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vmboot.errors import MediaError
from vmboot.media.diskimage import DiskImage, open_disk
from vmboot.media.diskinspection import SECTOR, DiskInspection, Volume
from vmboot.media.diskverdict import DiskFacts, judge_disk
from vmboot.media.fatread import FatFile, FatVolume, Read, is_fat, open_fat
from vmboot.media.identify import Identity
from vmboot.media.inspection import FoundLoader
from vmboot.media.own import MAX_MANIFEST, OwnMedia, read_own
from vmboot.media.owngrub import with_grub_scripts
from vmboot.media.partitionread import read_partitions
from vmboot.media.partitiontable import GPT_MAGIC, PartitionTable
from vmboot.media.programs import (
    MAX_LOADER,
    MAX_PROGRAM_BYTES,
    MAX_PROGRAMS,
    Programs,
    looks_like_program,
)
from vmboot.media.scriptread import is_ours
from vmboot.media.shimvolume import ShimFindings, check_shim
from vmboot.media.strangers import MAX_TEXT, find_addresses, looks_like_config
from vmboot.model import Firmware

MAX_VOLUMES = 16
MAX_TEXTS = 200
MAX_TEXT_BYTES = 8 * 1024 * 1024  # in all
BLANK = 64 * 1024  # zeroes that a disk not yet used begins with
MAX_BESIDE_SHIM = 16  # programs in its folder
MANIFEST, SCRIPT = "vmboot.json", "autoexec.ipxe"
KERNEL, PROGRAM = "ipxe.lkrn", "EFI/BOOT/BOOTX64.EFI"
_FOLDER = "efi/boot/"
# parts of our manifest that are no files of their own: patched into sectors in front of the files
_INSTALLED = frozenset({"grub_boot", "grub_core"})
_PLACES = {"ipxe_lkrn": KERNEL, "ipxe_efi": PROGRAM, "ipxe_arm64": "EFI/BOOT/BOOTAA64.EFI"}
# partition types that promise a FAT volume: MBR, and the EFI system partition of a GPT
_FAT_TYPES = frozenset(
    {"01", "04", "06", "0b", "0c", "0e", "ef", "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"}
)


@dataclass
class _Opened:
    """One FAT volume and where it lies."""

    partition: int
    start: int
    fat: FatVolume


@dataclass
class _Found:
    """What is collected while one disk is read."""

    disk: DiskImage
    table: PartitionTable
    volumes: list[_Opened] = field(default_factory=list)
    programs: Programs = field(default_factory=Programs)
    unreadable: dict[int, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def path(self, volume: _Opened, file: FatFile) -> str:
        """How a file is named: with its partition where there are several volumes."""
        return f"{volume.partition}:{file.path}" if len(self.volumes) > 1 else file.path


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
    found = _Found(disk, read_partitions(disk.read, disk.size))
    _open_volumes(found)
    _read_programs(found)
    own = _read_own(found)
    facts = DiskFacts(
        read=disk.read,
        table=found.table,
        volumes={each.partition: each.fat for each in found.volumes},
        unreadable=found.unreadable,
        loaders=_by_volume(found, found.programs.known),
        unusable=_by_volume(found, found.programs.unusable),
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


def _window(disk: DiskImage, start: int, size: int) -> Read:
    """Reads within ``size`` bytes from ``start`` on, never beyond."""

    def read(at: int, count: int) -> bytes:
        return disk.read(start + at, max(0, min(count, size - at)))

    return read


def _open_volumes(found: _Found) -> None:
    places = [(each.number, each.type, each.start, each.sectors) for each in found.table.partitions]
    if found.table.kind == "none":
        places = [(0, "", 0, found.disk.size // SECTOR)]
    for number, kind, start, sectors in places:
        if len(found.volumes) >= MAX_VOLUMES:
            found.problems.append(f"only the first {MAX_VOLUMES} FAT volumes were looked at")
            return
        read = _window(found.disk, start * SECTOR, sectors * SECTOR)
        _open_volume(found, number, kind, start * SECTOR, sectors * SECTOR, read)


def _open_volume(found: _Found, number: int, kind: str, start: int, size: int, read: Read) -> None:
    where = f"partition {number}" if number else "the disk"
    try:
        if not is_fat(read(0, SECTOR)):
            if kind in _FAT_TYPES:
                found.unreadable[number] = f"{where} should hold a FAT volume, but there is none"
            return
        fat = open_fat(read, min(size, found.disk.size - start))
    except MediaError as error:
        found.unreadable[number] = f"the FAT volume of {where} cannot be read: {error.message}"
        return
    if fat.size > size:
        found.problems.append(f"the FAT volume of {where} claims more than there is")
    found.volumes.append(_Opened(number, start, fat))


def _read_programs(found: _Found) -> None:
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


def _by_volume(found: _Found, by_path: Mapping[str, Any]) -> dict[tuple[int, str], Any]:
    """What is known of each file, by partition and path in lower case."""
    places = {
        found.path(volume, file): (volume.partition, file.path.lower())
        for volume in found.volumes
        for file in volume.fat.files
        if looks_like_program(file.path, file.size)
    }
    return {places[path]: value for path, value in by_path.items()}


def _read_own(found: _Found) -> OwnMedia | None:
    """The first volume with our manifest, or with our script."""
    for volume in found.volumes:
        manifest, script = (_small(found, volume, name) for name in (MANIFEST, SCRIPT))
        if manifest is None and not (script and is_ours(script.decode("latin-1"))):
            continue
        sides = {Firmware.BIOS: KERNEL, Firmware.UEFI: PROGRAM}
        scripts = {
            firmware: script
            for firmware, program in sides.items()
            if script is not None and volume.fat.find(program)
        }
        own = read_own(manifest, scripts, _digests(found, volume, manifest))
        return with_grub_scripts(own, _grub_scripts(found, volume))
    return None


def _grub_scripts(found: _Found, volume: _Opened) -> list[bytes]:
    """What the signed GRUB would read, in the order of the directories."""
    paths = [file.path for file in volume.fat.files if file.path.lower().endswith("/grub.cfg")]
    scripts = (_small(found, volume, path) for path in paths[:MAX_TEXTS])
    return [script for script in scripts if script]


def _shim(found: _Found, volume: _Opened) -> ShimFindings:
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


def _digests(found: _Found, volume: _Opened, manifest: bytes | None) -> dict[str, str]:
    """SHA-256 of the loaders by the name that the manifest gives them."""
    known = {
        path.lower(): identity
        for (partition, path), identity in _by_volume(found, found.programs.known).items()
        if partition == volume.partition
    }
    there = {identity.sha256 for identity in known.values()}
    digests = _at_their_places(known)
    for part, about in _named(manifest).items():
        wanted = about.get("sha256") if isinstance(about, dict) else None
        if isinstance(wanted, str) and (wanted in there or part in _INSTALLED):
            digests[part] = wanted
    return digests


def _at_their_places(known: Mapping[str, Identity]) -> dict[str, str]:
    places = {part: path.lower() for part, path in _PLACES.items()}
    return {part: known[path].sha256 for part, path in places.items() if path in known}


def _named(manifest: bytes | None) -> Mapping[str, Any]:
    try:
        document = json.loads(manifest) if manifest and len(manifest) <= MAX_MANIFEST else {}
    except (ValueError, RecursionError):
        return {}
    loaders = document.get("loaders") if isinstance(document, dict) else None
    return loaders if isinstance(loaders, dict) else {}


def _small(found: _Found, volume: _Opened, name: str) -> bytes | None:
    file = volume.fat.find(name)
    if file is None:
        return None
    try:
        return volume.fat.content(file, limit=MAX_MANIFEST)
    except MediaError as error:
        found.problems.append(f"{found.path(volume, file)} cannot be read: {error.message}")
        return None


def _texts(found: _Found) -> Iterator[tuple[str, bytes]]:
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


def _volume(volume: _Opened) -> Volume:
    fat = volume.fat
    return Volume(
        partition=volume.partition,
        start=volume.start,
        size=fat.size,
        type=f"FAT{fat.bits}",
        label=fat.label,
        files={file.path: file.size for file in fat.files},
    )
