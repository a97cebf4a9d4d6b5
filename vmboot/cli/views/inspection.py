"""An inspection of boot media on the screen: the verdict first, then what it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from vmboot.cli.text import plural, size
from vmboot.cli.views.media import facts
from vmboot.cli.views.table import cell, heading, line, stack, table
from vmboot.media.diskinspection import DiskInspection, Volume
from vmboot.model import Firmware

if TYPE_CHECKING:
    from vmboot.media.inspection import Boots, Inspection
    from vmboot.media.partitiontable import Partition

MAX_SHOWN_FILES = 40  # of one volume
_TYPES = {
    "01": "FAT12",
    "04": "FAT16",
    "06": "FAT16",
    "07": "NTFS",
    "0b": "FAT32",
    "0c": "FAT32 LBA",
    "0e": "FAT16 LBA",
    "82": "Linux swap",
    "83": "Linux",
    "8e": "Linux LVM",
    "ee": "GPT protective",
    "ef": "EFI system",
    "C12A7328-F81F-11D2-BA4B-00A0C93EC93B": "EFI system",
    "E3C9E316-0B5C-4DB8-817D-F92DF00215AE": "Microsoft reserved",
    "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7": "Microsoft basic data",
    "21686148-6449-6E6F-744E-656564454649": "BIOS boot",
    "0FC63DAF-8483-4772-8E79-3D69D8477DE4": "Linux",
}


def inspection_view(file: str, inspection: Inspection | DiskInspection) -> RenderableType:
    """What an ISO or a disk image holds, whom it boots, and why not the others."""
    if isinstance(inspection, DiskInspection):
        return _disk_view(file, inspection)
    return _iso_view(file, inspection)


def _iso_view(file: str, inspection: Inspection) -> RenderableType:
    return stack(
        _verdict(inspection.boots),
        facts(
            ("file", file),
            ("size", size(inspection.size)),
            ("sha256", inspection.sha256),
            ("volume", inspection.volume_id),
            ("made by", inspection.made_by or "somebody else"),
        ),
        _entries(inspection),
        *_common(inspection),
    )


def _disk_view(file: str, inspection: DiskInspection) -> RenderableType:
    return stack(
        _verdict(inspection.boots),
        facts(
            ("file", file),
            ("format", inspection.format),
            ("disk size", size(inspection.size)),
            ("sha256", inspection.sha256 or "not made"),
            ("made by", inspection.made_by or "somebody else"),
        ),
        _partitions(inspection),
        *(_files(volume) for volume in inspection.volumes),
        *_common(inspection),
    )


def _common(inspection: Inspection | DiskInspection) -> tuple[RenderableType | None, ...]:
    return (
        _programs(inspection),
        _config(inspection),
        _addresses(inspection),
        _lines("problem", _not_said(inspection), "red"),
        _lines("note", inspection.notes, ""),
    )


def _not_said(inspection: Inspection | DiskInspection) -> list[str]:
    """The problems that the verdict does not begin with."""
    said = tuple(why for reasons in inspection.boots.why_not.values() for why in reasons)
    return [problem for problem in inspection.problems if not problem.startswith(said)]


def _verdict(boots: Boots) -> RenderableType:
    """``boots: BIOS yes, UEFI no – why``."""
    sides = (("BIOS", boots.bios, Firmware.BIOS), ("UEFI", boots.uefi, Firmware.UEFI))
    text = Text("boots: ", style="bold")
    for number, (name, does, firmware) in enumerate(sides):
        text.append(f"{', ' if number else ''}{name} ")
        text.append("yes" if does else "no", style="green" if does else "red")
        why = "; ".join(boots.why_not.get(firmware, ()))
        if why:
            text.append(" – ").append_text(cell(why))
    secure = "yes" if boots.secure_boot else "no"
    return text.append(f", with Secure Boot {secure}" if boots.uefi else "")


def _entries(inspection: Inspection) -> RenderableType:
    if not inspection.entries:
        return line("No El Torito boot catalog: no machine starts from this image.", "yellow")
    rows = [
        (each.platform, each.path or f"block {each.block}", size(each.size), each.media)
        for each in inspection.entries
    ]
    return table(("boots", "boot image", "size", "as"), rows, numbers=frozenset({2}))


def _partitions(inspection: DiskInspection) -> RenderableType:
    found = inspection.table
    if not found.partitions:
        what = "One FAT volume" if inspection.volumes else "Nothing"
        return line(f"{what}, no partition table.", "" if inspection.volumes else "yellow")
    volumes = {volume.partition: volume for volume in inspection.volumes}
    rows = [_partition(each, volumes.get(each.number)) for each in found.partitions]
    return table(
        ("partition", "active", "type", "start", "size", "volume", "label"),
        rows,
        title=f"{found.kind.upper()} partition table",
        numbers=frozenset({0, 3, 4}),
    )


def _partition(each: Partition, volume: Volume | None) -> tuple[object, ...]:
    return (
        each.number,
        Text("active", style="green") if each.active else "",
        _TYPES.get(each.type, each.type),
        each.start,
        size(each.sectors * 512),
        volume.type if volume else "-",
        (volume.label if volume else "") or each.name,
    )


def _files(volume: Volume) -> RenderableType:
    where = f"partition {volume.partition}" if volume.partition else "the disk"
    rows = [(path, size(count)) for path, count in list(volume.files.items())[:MAX_SHOWN_FILES]]
    left = len(volume.files) - len(rows)
    more = line(f"and {plural(left, 'more file')}; --json names all") if left else None
    if not rows:
        return heading(f"No file on {where}")
    return stack(
        table(("file", "size"), rows, title=f"Files on {where}", numbers=frozenset({1})), more
    )


def _programs(inspection: Inspection | DiskInspection) -> RenderableType | None:
    rows = [
        (
            each.path,
            each.identity.kind,
            each.identity.arch,
            each.identity.version or "-",
            ", ".join(each.identity.signers) or "nobody",
        )
        for each in inspection.loaders
    ]
    return table(("program", "kind", "for", "version", "signed by"), rows) if rows else None


def _config(inspection: Inspection | DiskInspection) -> RenderableType | None:
    config = inspection.config
    if config is None:
        return None
    servers = [
        (number, each.address, each.name) for number, each in enumerate(config.servers, start=1)
    ]
    bootstraps = [
        (firmware.value, each.file, each.transport.value)
        for firmware, each in sorted(config.bootstrap.items())
    ]
    vlan = "" if config.network.vlan is None else f", VLAN {config.network.vlan}"
    address = "" if config.network.address is None else f" {config.network.address}"
    return stack(
        table(("order", "boot server", "name"), servers, numbers=frozenset({0})),
        table(("firmware", "bootstrap", "protocol"), bootstraps) if bootstraps else None,
        line("Asks each server for work first (PXE on disk).") if config.work else None,
        facts(
            ("network", f"{config.network.mode.value}{address}{vlan}"),
            ("first server", "random" if config.random_start else "the first"),
        ),
    )


def _addresses(inspection: Inspection | DiskInspection) -> RenderableType | None:
    rows = [(file, ", ".join(found)) for file, found in inspection.addresses.items()]
    return table(("config file", "addresses in it"), rows) if rows else None


def _lines(word: str, texts: Sequence[str], style: str) -> RenderableType | None:
    return line("\n".join(f"{word}: {text}" for text in texts), style) if texts else None
