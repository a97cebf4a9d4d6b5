"""What a boot disk of ours says of itself: manifest and scripts, held against each other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from vmboot.media.diskvolumes import Found, OpenVolume, by_volume, small
from vmboot.media.identify import Identity
from vmboot.media.own import MAX_MANIFEST, OwnMedia, read_own
from vmboot.media.owngrub import with_grub_scripts
from vmboot.media.scriptread import is_ours
from vmboot.model import Firmware

MAX_SCRIPTS = 64  # of GRUB
MANIFEST, SCRIPT = "vmboot.json", "autoexec.ipxe"
KERNEL, PROGRAM = "ipxe.lkrn", "EFI/BOOT/BOOTX64.EFI"
# parts of our manifest that are no files of their own: patched into sectors in front of the files
_INSTALLED = frozenset({"grub_boot", "grub_core"})
_PLACES = {"ipxe_lkrn": KERNEL, "ipxe_efi": PROGRAM, "ipxe_arm64": "EFI/BOOT/BOOTAA64.EFI"}


def read_own_disk(found: Found) -> OwnMedia | None:
    """The first volume with our manifest, or with our script."""
    for volume in found.volumes:
        manifest, script = (small(found, volume, name) for name in (MANIFEST, SCRIPT))
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


def _grub_scripts(found: Found, volume: OpenVolume) -> list[bytes]:
    """What the signed GRUB would read, in the order of the directories."""
    paths = [file.path for file in volume.fat.files if file.path.lower().endswith("/grub.cfg")]
    scripts = (small(found, volume, path) for path in paths[:MAX_SCRIPTS])
    return [script for script in scripts if script]


def _digests(found: Found, volume: OpenVolume, manifest: bytes | None) -> dict[str, str]:
    """SHA-256 of the loaders by the name that the manifest gives them."""
    known = {
        path.lower(): identity
        for (partition, path), identity in by_volume(found, found.programs.known).items()
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
