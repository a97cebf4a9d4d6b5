"""Say what is on boot media, ours or a stranger's, and which machines they can boot.

An ISO is read here; disk images are handed to :mod:`vmboot.media.diskinspect`. Which of the two a
file is, its content decides.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from vmboot.errors import MediaError
from vmboot.media.chain import FOLDER, part_of
from vmboot.media.diskinspect import inspect_disk, is_disk
from vmboot.media.diskinspection import DiskInspection
from vmboot.media.eltorito import BootEntry, boot_info_problem, read_boot_image, read_catalog
from vmboot.media.fatread import is_fat, read_fat
from vmboot.media.identify import Identity
from vmboot.media.inspection import Boots, FoundLoader, Inspection
from vmboot.media.isoread import BLOCK, IsoFile, IsoImage, is_iso, read_iso
from vmboot.media.own import OwnMedia, read_own
from vmboot.media.owngrub import with_grub_scripts
from vmboot.media.partitionread import read_partitions
from vmboot.media.programs import (
    MAX_LOADER,
    MAX_PROGRAM_BYTES,
    MAX_PROGRAMS,
    Programs,
    looks_like_program,
)
from vmboot.media.scriptread import is_ours
from vmboot.media.source import Source
from vmboot.media.strangers import find_addresses, looks_like_config
from vmboot.media.verdict import Verdict, judge
from vmboot.model import Firmware

__all__ = ["Boots", "DiskInspection", "FoundLoader", "Inspection", "inspect", "inspect_iso"]

MAX_TEXTS = 200
MANIFEST, BIOS_SCRIPT, UEFI_SCRIPT = "vmboot.json", "script.ipx", "EFI/BOOT/autoexec.ipxe"
_TABLES = {"mbr": "an MBR", "gpt": "a GPT"}
_PARTS = {
    "ldlinux.c32": "ldlinux_c32",
    "ipxe.lkrn": "ipxe_lkrn",
}


@dataclass
class _Found:
    """What is collected while one image is read."""

    source: Source
    image: IsoImage
    entries: tuple[BootEntry, ...] = ()
    esp: Mapping[str, bytes] = field(default_factory=dict)
    boot_info_table: str = "absent"
    programs: Programs = field(default_factory=Programs)
    problems: list[str] = field(default_factory=list)

    @property
    def loaders(self) -> Mapping[str, Identity]:
        return self.programs.known


def inspect(target: bytes | str | Path) -> Inspection | DiskInspection:
    """Read an ISO or a disk image of any kind: a path, or its bytes.

    :raises NotFoundError: there is no such file
    :raises MediaError: it is neither, or it is cut off or too damaged to be read
    """
    with Source(target) as source:
        if is_iso(source):
            return _guarded(source)
    if is_disk(target):
        return inspect_disk(target)
    raise MediaError(
        "this is not an ISO 9660 image, and no disk image with a partition table or FAT volume",
        hint="name an ISO or a raw, VMDK, VHD or VHDX disk; a download may be only half of it",
    )


def inspect_iso(target: bytes | str | Path) -> Inspection:
    """Read an ISO image: a path, or its bytes.

    :raises NotFoundError: there is no such file
    :raises MediaError: it is no ISO 9660 image, or it is cut off or too damaged to be read
    """
    with Source(target) as source:
        return _guarded(source)


def _guarded(source: Source) -> Inspection:
    try:
        return _inspect(source)
    except (struct.error, IndexError, OSError) as error:
        raise MediaError(f"the image is damaged: {error}") from error


def _inspect(source: Source) -> Inspection:
    image = read_iso(source)
    found = _Found(source, image)
    if image.partial:
        found.problems.append(image.partial)
    _read_catalog(found)
    _read_esp(found)
    _read_programs(found)
    own = _read_own(found)
    return _result(found, own, judge(image, found.entries, found.esp, found.loaders))


def _result(found: _Found, own: OwnMedia | None, verdict: Verdict) -> Inspection:
    config = own.config if own else None
    return Inspection(
        size=found.source.size,
        sha256=found.source.sha256(),
        volume_id=found.image.volume_id,
        made_by="vmboot" if own else "",
        entries=found.entries,
        boot_info_table=found.boot_info_table,
        root=_root(found.image),
        esp={path: len(data) for path, data in found.esp.items()},
        loaders=tuple(FoundLoader(path, known) for path, known in found.loaders.items()),
        boots=verdict.boots,
        servers=config.servers if config else (),
        bootstrap=config.bootstrap if config else {},
        config=config,
        manifest=own.manifest if own else None,
        addresses={} if own else find_addresses(dict(_texts(found))),
        problems=_unique(
            found.problems, found.programs.problems, own.problems if own else (), verdict.problems
        ),
        notes=(*_hybrid(found.source), *verdict.notes),
    )


def _hybrid(source: Source) -> Iterator[str]:
    """An ISO may carry a partition table for those who write it to a USB stick."""

    def read(at: int, size: int) -> bytes:
        return source.read(at, max(0, min(size, source.size - at))) if at < source.size else b""

    table = read_partitions(read, source.size)
    if table.partitions:
        yield (
            f"it is a disk with {_TABLES[table.kind]} as well (isohybrid); what is said here is "
            "what it boots from a CD-ROM drive"
        )


def _unique(*groups: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for group in groups for text in group))


def _read_catalog(found: _Found) -> None:
    try:
        found.entries = read_catalog(found.source, found.image)
    except MediaError as error:
        found.problems.append(error.message)


def _read_esp(found: _Found) -> None:
    """The FAT image of the first UEFI entry; its size may have to come from its boot sector."""
    for entry in _of(found.entries, "uefi"):
        try:
            found.esp = read_fat(_esp_image(found.source, entry))
            return
        except MediaError as error:
            found.problems.append(f"the UEFI boot image cannot be read: {error.message}")


def _esp_image(source: Source, entry: BootEntry) -> bytes:
    if entry.path:
        return read_boot_image(source, entry)
    head = source.read(entry.block * BLOCK, 512)
    if not is_fat(head):
        return read_boot_image(source, entry)
    sector, small, large = struct.unpack("<H6xH11xI", head[11:36])
    return source.read(entry.block * BLOCK, sector * (small or large))


def _read_programs(found: _Found) -> None:
    """Identify the BIOS boot image and whatever has the name of a boot program."""
    for entry in _of(found.entries, "bios"):
        try:
            data = read_boot_image(found.source, entry)
        except MediaError as error:
            found.problems.append(f"the BIOS boot image cannot be read: {error.message}")
            continue
        found.boot_info_table = boot_info_problem(data, entry) or "ok"
        found.programs.note(entry.path or f"block {entry.block}", data)
    for path, program in found.esp.items():
        found.programs.note(f"esp:{path}", program)
    left = MAX_PROGRAM_BYTES
    for file in _programs(found):
        left -= file.size
        content = _content(found, file.path, MAX_LOADER) if left >= 0 else None
        if content:
            found.programs.note(file.path, content)


def _programs(found: _Found) -> list[IsoFile]:
    named = (file for file in found.image.files if looks_like_program(file.path, file.size))
    return list(islice((file for file in named if file.path not in found.loaders), MAX_PROGRAMS))


def _read_own(found: _Found) -> OwnMedia | None:
    manifest = _content(found, MANIFEST)
    scripts = {}
    bios, uefi = _content(found, BIOS_SCRIPT), _esp_file(found.esp, UEFI_SCRIPT)
    if bios is not None and any(_of(found.entries, "bios")):
        scripts[Firmware.BIOS] = bios
    if uefi is not None:
        scripts[Firmware.UEFI] = uefi
    if manifest is None and not any(is_ours(raw.decode("latin-1")) for raw in scripts.values()):
        return None
    return with_grub_scripts(read_own(manifest, scripts, _digests(found)), _grub_scripts(found))


def _grub_scripts(found: _Found) -> list[bytes]:
    """Ours, first the one that GRUB reads when it is started from a CD, then its copy."""
    paths = (file.path for file in found.image.files if file.path.lower().endswith("/grub.cfg"))
    tree = [data for path in islice(paths, MAX_TEXTS) if (data := _content(found, path))]
    return tree + [data for path, data in found.esp.items() if path.lower().endswith("/grub.cfg")]


def _digests(found: _Found) -> dict[str, str]:
    """SHA-256 of the loaders by the name that the manifest gives them."""
    known = found.loaders
    digests = {part: known[path].sha256 for path, part in _PARTS.items() if path in known}
    for path, identity in known.items():
        part = part_of(identity.kind)
        if part and path.lower().startswith(f"esp:{FOLDER}/".lower()):
            digests[part] = identity.sha256
    return digests


def _texts(found: _Found) -> Iterator[tuple[str, bytes]]:
    wanted = [file for file in found.image.files if looks_like_config(file.path, file.size)]
    for file in wanted[:MAX_TEXTS]:
        data = _content(found, file.path)
        if data is not None:
            yield file.path, data
    for path, data in found.esp.items():
        if looks_like_config(path, len(data)):
            yield f"esp:{path}", data


def _content(found: _Found, path: str, limit: int = 1 << 20) -> bytes | None:
    file = found.image.find(path)
    if file is None or file.size > limit:
        return None
    try:
        return found.source.read(file.block * BLOCK, file.size)
    except MediaError as error:
        found.problems.append(f"{path} cannot be read: {error.message}")
        return None


def _esp_file(esp: Mapping[str, bytes], path: str) -> bytes | None:
    return next((data for name, data in esp.items() if name.lower() == path.lower()), None)


def _of(entries: Iterable[BootEntry], platform: str) -> Iterator[BootEntry]:
    return (entry for entry in entries if entry.platform == platform)


def _root(image: IsoImage) -> tuple[str, ...]:
    names = {file.path.partition("/")[0] + "/" * ("/" in file.path) for file in image.files}
    return tuple(sorted(names))
