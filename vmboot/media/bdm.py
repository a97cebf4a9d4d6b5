"""The boot disk (BDM): a small disk that starts iPXE on BIOS and UEFI machines.

One FAT volume serves both firmwares. BIOS: our MBR starts the active partition, its boot sector
loads GRUB from the reserved sectors, and GRUB starts ipxe.lkrn with autoexec.ipxe. UEFI: the
firmware starts EFI/BOOT/BOOTX64.EFI (iPXE), which reads the same autoexec.ipxe. That one plain
file is the whole configuration, so it may be edited in place. The same config and loaders give the
same bytes.

Sources: :mod:`vmboot.media.mbrcode`, :mod:`vmboot.media.grub`; UEFI 2.10 sections 3.5.1.1 (default
boot file), 13.3.1 (partitions); https://ipxe.org/appnote/autoexec (beside the program, then root).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Literal

from vmboot.errors import InputError, MissingToolError
from vmboot.media.chain import SCRIPT, Chain, uefi_files, uefi_parts
from vmboot.media.fat import build_fat, fits
from vmboot.media.grub import INITRD, KERNEL, Installed, install, splice
from vmboot.media.loaders import LoaderSet, cure
from vmboot.media.manifest import make_manifest
from vmboot.media.mbrcode import UEFI_ONLY, boot_code
from vmboot.media.naming import check_name, content_name
from vmboot.media.partition import ESP, FAT16_LBA, Partition, build_gpt, build_mbr
from vmboot.media.partitiontable import ALIGNMENT, GPT_OVERHEAD, SECTOR
from vmboot.media.script import render
from vmboot.model import BootConfig, Firmware

LABEL = "VMBOOT"
MANIFEST = "vmboot.json"
ARM64_PROGRAM = "EFI/BOOT/BOOTAA64.EFI"
MIB = 1024 * 1024
DEFAULT_SIZE = 8 * MIB
MAX_SIZE = 256 * MIB
#: What a boot disk may be large, in bytes.
SIZES = range(2 * MIB, MAX_SIZE + 1, MIB)


class Layout(StrEnum):
    """The partition table of a boot disk. ``AUTO`` is ``MBR``: it starts both firmwares."""

    AUTO = "auto"
    MBR = "mbr"
    GPT = "gpt"


@dataclass(frozen=True)
class BootDisk:
    """A finished boot disk.

    :param data: the raw disk, whole MiB
    :param sha256: of ``data``, hexadecimal
    :param file_name: ``vmboot-<name>-<first 12 hex digits of the SHA-256>.vmdk``
    :param manifest: what ``/vmboot.json`` on the disk holds
    """

    data: bytes
    sha256: str
    file_name: str
    layout: Literal["mbr", "gpt"]
    manifest: Mapping[str, Any]


def build_bdm(
    config: BootConfig,
    loaders: LoaderSet,
    *,
    name: str = "boot",
    layout: Layout = Layout.AUTO,
    size: int | None = None,
    chain: Chain = Chain.IPXE,
) -> BootDisk:
    """Build the disk for the firmwares of ``config``.

    :param name: part of the file name: lower-case letters, digits and hyphens, at most 40
    :param size: bytes, whole MiB; ``None`` for 8 MiB, or as much more as is needed
    :param chain: which programs start a UEFI machine
    :raises InputError: the config, name, layout or size cannot be used
    :raises MissingToolError: ``loaders`` lacks a program, or one that can do what is asked
    """
    check_name(name)
    kind = _kind(config, layout)
    firmwares = firmwares_for(config, layout)
    script = render(config, disk=True).encode("ascii")
    require(config, loaders, firmwares, chain)
    loaders = _only(loaders, firmwares, chain)
    manifest = {**make_manifest(config, loaders, script), "medium": "bdm", "layout": kind}
    if chain is not Chain.IPXE:
        manifest["chain"] = chain.value
    files = _files(config, loaders, script, manifest, chain, firmwares)
    grub = _grub(loaders)
    data = _disk(files, grub, kind, _size(files, grub, kind, size))
    digest = hashlib.sha256(data).hexdigest()
    return BootDisk(data, digest, content_name(name, digest, "vmdk"), kind, manifest)


def firmwares_for(config: BootConfig, layout: Layout) -> tuple[Firmware, ...]:
    """Whom a disk of this layout boots: whom the config is for, with a GPT without BIOS."""
    no = {Firmware.BIOS} if layout is Layout.GPT else set()
    return tuple(each for each in config.firmwares if each not in no)


def require(
    config: BootConfig,
    loaders: LoaderSet,
    firmwares: Collection[Firmware],
    chain: Chain = Chain.IPXE,
) -> None:
    """Check that ``loaders`` can boot every one of ``firmwares`` in the way the config asks for."""
    for firmware in firmwares:
        hint = cure(chain if firmware is Firmware.UEFI else Chain.IPXE)
        for part in _parts(firmware, chain):
            if not getattr(loaders, part):
                raise MissingToolError(f"no {part} for {firmware.name} media is given", hint=hint)
            loader = loaders.loaders.get(part)
            able = loader is None or "ipxe" not in part or "vlan" in loader.capabilities
            if config.network.vlan is not None and loader and not able:
                raise MissingToolError(
                    f"VLAN {config.network.vlan} is asked for, but {loader.path} "
                    f"({loader.version}) has no VLAN support",
                    hint=hint,
                )


def _only(loaders: LoaderSet, firmwares: Collection[Firmware], chain: Chain) -> LoaderSet:
    """Without those that other firmwares need."""
    kept = {name: each for name, each in loaders.loaders.items() if each.firmware in firmwares}
    lost = (each for each in Firmware if each not in firmwares)
    none = dict.fromkeys((part for each in lost for part in _parts(each, chain)), b"")
    return replace(loaders, loaders=kept, **none)


def _parts(firmware: Firmware, chain: Chain) -> tuple[str, ...]:
    if firmware is Firmware.BIOS:
        return "grub_boot", "grub_core", "ipxe_lkrn"
    return uefi_parts(chain)


def _kind(config: BootConfig, layout: Layout) -> Literal["mbr", "gpt"]:
    if layout is not Layout.GPT:
        return "mbr"
    if Firmware.BIOS in config.bootstrap:
        raise InputError(
            "a boot disk with layout gpt starts UEFI machines only, but a BIOS bootstrap is given",
            hint="choose layout mbr, which starts both, or leave the BIOS bootstrap out",
        )
    return "gpt"


def _files(
    config: BootConfig,
    loaders: LoaderSet,
    script: bytes,
    manifest: Mapping[str, Any],
    chain: Chain,
    firmwares: Collection[Firmware],
) -> dict[str, bytes]:
    text = json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=True) + "\n"
    files = {MANIFEST: text.encode("ascii"), INITRD: script}
    if Firmware.BIOS in firmwares:
        files[KERNEL] = loaders.ipxe_lkrn
    if Firmware.UEFI in firmwares:
        files |= uefi_files(config, loaders, script, chain=chain)
        files.pop(SCRIPT, None)  # iPXE looks there first; ours is the one in the root
        if loaders.ipxe_arm64:
            files[ARM64_PROGRAM] = loaders.ipxe_arm64
    return files


def _grub(loaders: LoaderSet) -> Installed | None:
    if not loaders.grub_core:
        return None
    return install(loaders.grub_boot, loaders.grub_core, start=ALIGNMENT)


def _size(files: Mapping[str, bytes], grub: Installed | None, kind: str, wanted: int | None) -> int:
    if wanted is not None and (wanted % MIB or wanted not in SIZES):
        raise InputError(
            f"a boot disk of {wanted} bytes cannot be made",
            hint=f"give a size in whole MiB from 2M to {MAX_SIZE // MIB}M",
        )
    least = next((size for size in SIZES if _room(files, grub, kind, size)), None)
    total = sum(map(len, files.values())) + (len(grub.reserved) if grub else 0)
    if least is None:
        raise InputError(
            f"{total} bytes of loaders and configuration do not fit the largest boot disk"
            f" ({MAX_SIZE // MIB} MiB)",
            hint="use smaller loaders",
        )
    if wanted is None:
        return max(DEFAULT_SIZE, least)
    if wanted < least:
        largest = max(files, key=lambda path: len(files[path]))
        raise InputError(
            f"{total} bytes of loaders and configuration do not fit a boot disk of "
            f"{wanted // MIB} MiB; the largest is {largest} with {len(files[largest])} bytes",
            hint=f"give it {least // MIB}M or more",
        )
    return wanted


def _room(files: Mapping[str, bytes], grub: Installed | None, kind: str, size: int) -> bool:
    volume = _volume_sectors(kind, size) * SECTOR
    return fits(files, size=volume, reserved=grub.reserved if grub else b"")


def _volume_sectors(kind: str, size: int) -> int:
    """From 1 MiB to the end; with a GPT to the last 4 KiB before its copy."""
    end = size // SECTOR
    return (end if kind == "mbr" else (end - GPT_OVERHEAD) & ~7) - ALIGNMENT


def _disk(
    files: Mapping[str, bytes], grub: Installed | None, kind: Literal["mbr", "gpt"], size: int
) -> bytes:
    sectors = _volume_sectors(kind, size)
    volume = build_fat(
        files,
        size=sectors * SECTOR,
        label=LABEL,
        hidden_sectors=ALIGNMENT,
        reserved=grub.reserved if grub else b"",
    )
    seed = hashlib.sha256(volume).hexdigest()
    disk = bytearray(size)
    disk[ALIGNMENT * SECTOR : (ALIGNMENT + sectors) * SECTOR] = volume
    if grub:
        disk[ALIGNMENT * SECTOR : (ALIGNMENT + 1) * SECTOR] = splice(grub.sector, volume[:SECTOR])
    if kind == "mbr":
        partition = Partition(1, FAT16_LBA, ALIGNMENT, sectors, active=True)
        disk[:SECTOR] = build_mbr([partition], signature=bytes.fromhex(seed[:8]), code=boot_code())
    else:
        partition = Partition(1, ESP, ALIGNMENT, sectors, name="vmboot")
        code = boot_code(none=UEFI_ONLY)
        gpt = build_gpt([partition], sectors=size // SECTOR, seed=seed, code=code)
        disk[: len(gpt.head)], disk[-len(gpt.tail) :] = gpt.head, gpt.tail
    return bytes(disk)
