"""Take over a PVS site's own boot media: an ISO, or a disk in any format.

What is on it stays as it is, except for two changes on request: the UEFI loader gets the name that
firmware looks for, and texts in PVSBOOT.INI are replaced. Signed programs are never touched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from vmboot.errors import InputError, MediaError, RefusedError
from vmboot.media import pvsini
from vmboot.media.diskfiles import DiskFormat, disk_files
from vmboot.media.diskimage import raw_bytes
from vmboot.media.fatedit import list_entries, rename_entry, replace_content
from vmboot.media.inspect import inspect
from vmboot.media.inspection import Boots
from vmboot.media.isoread import is_iso
from vmboot.media.naming import check_name, content_name
from vmboot.media.pvsfiles import VendorFile, refuse_change
from vmboot.media.sitevolumes import (
    Kind,
    Place,
    find_volumes,
    site_files,
    vendor_files,
    volume_files,
)
from vmboot.media.source import Source

MIB = 1024 * 1024
MAX_IMAGE = 128 * MIB  # a boot disk of PVS has 50 MB, an ISO less
SITE_LOADER, DEFAULT_LOADER = "EFI/BOOT/PVSBOOTX64.EFI", "EFI/BOOT/BOOTX64.EFI"


class Inspected(Protocol):
    """What the inspections of ISOs and of disks have in common."""

    @property
    def boots(self) -> Boots: ...
    @property
    def problems(self) -> tuple[str, ...]: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    def to_json(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class ImportedMedia:
    """A site's media, ready to be stored.

    :param data: the ISO, or the raw disk in whole MiB
    :param sha256: of ``data``, hexadecimal
    :param file_name: ``vmboot-<name>-<first 12 hex digits of the SHA-256>.iso`` or ``.vmdk``
    :param diff: what was replaced in PVSBOOT.INI, as a unified diff
    :param notes: what was done, and what a person should know
    :param vendor: programs of the vendor, or signed by anybody, by their path in the original
    """

    kind: Kind
    name: str
    data: bytes = field(repr=False)
    sha256: str
    file_name: str
    inspection: Inspected
    diff: str = ""
    notes: tuple[str, ...] = ()
    vendor: Mapping[str, VendorFile] = field(default_factory=dict)

    def files(self, format: DiskFormat = "vmdk-stream") -> Mapping[str, bytes]:
        """Content by file name, the one to name in ``fleet.yml`` first.

        :param format: of a disk; an ISO stays what it is
        """
        if self.kind == "iso":
            return {self.file_name: self.data}
        return disk_files(self.data, stem=self.file_name.rpartition(".")[0], format=format)

    def to_json(self) -> dict[str, Any]:
        """Keys kind, name, sha256, size, file_name, diff, notes, vendor and inspection."""
        return {
            "kind": self.kind,
            "name": self.name,
            "sha256": self.sha256,
            "size": len(self.data),
            "file_name": self.file_name,
            "diff": self.diff,
            "notes": list(self.notes),
            "vendor": {path: each.to_json() for path, each in self.vendor.items()},
            "inspection": self.inspection.to_json(),
        }


def import_media(
    target: bytes | str | Path,
    *,
    name: str = "pvs",
    rename_bootx64: bool = False,
    replace: Sequence[tuple[str, str]] = (),
    replace_all: bool = False,
) -> ImportedMedia:
    """Read a site's boot ISO or disk (raw, VMDK, VHD, VHDX), change it as asked, say what it is.

    :param name: part of the file name: lower-case letters, digits and hyphens, at most 40
    :param rename_bootx64: call ``PVSBOOTX64.EFI`` what UEFI firmware looks for, ``BOOTX64.EFI``
    :param replace: texts in PVSBOOT.INI and what to put in their place
    :param replace_all: also where such a text stands more than once
    :raises NotFoundError: there is no such file
    :raises MediaError: it is no such image, damaged, or larger than boot media are
    :raises RefusedError: a change that is not possible, or would alter a signed program
    :raises InputError: ``name`` or a text to replace cannot be used
    """
    check_name(name)
    kind, data, notes = _load(target)
    places = find_volumes(data, kind)
    vendor = vendor_files(data, kind, places)  # by the names that its own tools gave
    if rename_bootx64:
        data, note = _renamed(data, places)
        notes = (*notes, note)
    diff = ""
    if replace:
        data, diff = _replaced(data, kind, places, replace, every=replace_all)
    digest = hashlib.sha256(data).hexdigest()
    return ImportedMedia(
        kind=kind,
        name=name,
        data=data,
        sha256=digest,
        file_name=content_name(name, digest, "iso" if kind == "iso" else "vmdk"),
        inspection=inspect(data),
        diff=diff,
        notes=(*notes, *(_offer(data, places) if kind == "iso" else ())),
        vendor=vendor,
    )


def _load(target: bytes | str | Path) -> tuple[Kind, bytes, tuple[str, ...]]:
    """What it is, its bytes, and a note where they were filled up to whole MiB."""
    with Source(target) as source:
        if is_iso(source):
            if source.size > MAX_IMAGE:
                raise MediaError(
                    f"the ISO has {source.size >> 20} MiB; a boot ISO has at most "
                    f"{MAX_IMAGE >> 20}",
                    hint="name the boot ISO, not an installation medium",
                )
            return "iso", source.read(0, source.size), ()
    data = raw_bytes(target, limit=MAX_IMAGE)
    missing = -len(data) % MIB
    if not missing:
        return "disk", data, ()
    note = f"the disk was filled up by {missing} bytes of zeroes to whole MiB"
    return "disk", data + bytes(missing), (note,)


def _holding(data: bytes, places: Sequence[Place], path: str) -> Place | None:
    """The volume that has ``path``, whose name has no case."""
    wanted = path.lower()
    for place in places:
        if any(each.path.lower() == wanted for each in list_entries(place.cut(data))):
            return place
    return None


def _renamed(data: bytes, places: Sequence[Place]) -> tuple[bytes, str]:
    place = _holding(data, places, SITE_LOADER)
    if place is not None:
        volume = rename_entry(place.cut(data), SITE_LOADER, DEFAULT_LOADER.rpartition("/")[2])
        return place.put(data, volume), f"{SITE_LOADER} is now {DEFAULT_LOADER}"
    if _holding(data, places, DEFAULT_LOADER) is not None:
        return data, f"{DEFAULT_LOADER} is there already; nothing had to be renamed"
    raise RefusedError(
        f"there is neither {SITE_LOADER} nor {DEFAULT_LOADER} to be renamed",
        hint="'vmboot media inspect' lists what is on it",
    )


def _offer(data: bytes, places: Sequence[Place]) -> tuple[str, ...]:
    """What the inspection of a disk says by itself, for an ISO."""
    site, default = (_named(data, places, path) for path in (SITE_LOADER, DEFAULT_LOADER))
    if not site or default:
        return ()
    return (
        f"its loader is {SITE_LOADER}, and UEFI machines look for {DEFAULT_LOADER}: import it "
        "with --rename-bootx64",
    )


def _named(data: bytes, places: Sequence[Place], path: str) -> bool:
    try:
        return _holding(data, places, path) is not None
    except MediaError:  # the inspection says what is wrong with the volume
        return False


def _replaced(
    data: bytes,
    kind: Kind,
    places: Sequence[Place],
    pairs: Sequence[tuple[str, str]],
    *,
    every: bool,
) -> tuple[bytes, str]:
    found = [
        (place, path, content)
        for place in places
        for path, content in volume_files(data, place).items()
        if path.rpartition("/")[2].upper() == pvsini.NAME
    ]
    if len(found) != 1:
        _refuse_programs(data, kind, places, pairs)
        raise _no_ini([path for _place, path, _content in found])
    place, path, content = found[0]
    changed = pvsini.substitute(content, pairs, every=every, file=path)
    return place.put(data, replace_content(place.cut(data), path, changed.data)), changed.diff


def _no_ini(paths: Sequence[str]) -> RefusedError:
    if paths:
        return RefusedError(
            f"there are {len(paths)} files of that name: {', '.join(paths)}",
            hint="make the media again in the PVS console, with one of them",
        )
    return RefusedError(
        f"there is no {pvsini.NAME} on a FAT volume of it, so there is no text to replace",
        hint="a BIOS boot disk or ISO has its server list inside the vendor's program: change it "
        "in the PVS console (Configure Bootstrap) and make the media again",
    )


def _refuse_programs(
    data: bytes, kind: Kind, places: Sequence[Place], pairs: Sequence[tuple[str, str]]
) -> None:
    """Say plainly where a text was found that may not be touched."""
    for path, content in site_files(data, kind, tuple(places)):
        for old, _new in pairs:
            if old and (old.encode("utf-8") in content or old.encode("utf-16-le") in content):
                refuse_change(path, content)


def check_pairs(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """``OLD=NEW`` as pairs, or ``OLD=>NEW`` where the texts themselves have a ``=``.

    :raises InputError: one has neither, or nothing before it
    """
    pairs = []
    for text in texts:
        old, sign, new = text.partition("=>" if "=>" in text else "=")
        if not sign or not old:
            raise InputError(f"{text!r} is not OLD=NEW", hint="such as 10.0.0.11=10.0.0.21")
        pairs.append((old, new))
    return tuple(pairs)
