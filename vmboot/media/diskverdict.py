"""Which machines a boot disk starts, and in plain words why not, per firmware.

A BIOS starts the first sector; that starts the one active partition, whose first sector starts the
rest. UEFI firmware starts ``EFI/BOOT/BOOTX64.EFI`` of a FAT volume, whatever the partition table.

Sources: UEFI 2.10 sections 3.5.1.1 and 13.3; BIOS Boot Specification 1.01 section 6.5.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from vmboot.media.bioscode import Code, grub_core, mbr_code, volume_code
from vmboot.media.fatread import FatVolume, Read
from vmboot.media.identify import Identity
from vmboot.media.inspection import Boots
from vmboot.media.partitiontable import ESP, SECTOR, PartitionTable
from vmboot.media.shimvolume import ShimFindings
from vmboot.media.verdict import Verdict, ignores_script, is_script, reads_script, secure_notes
from vmboot.model import Firmware

PROGRAM = "EFI/BOOT/BOOTX64.EFI"
PVS_PROGRAM = "EFI/BOOT/PVSBOOTX64.EFI"
KERNEL, SCRIPT = "ipxe.lkrn", "autoexec.ipxe"
RENAME = "rename it to BOOTX64.EFI: `vmboot media import --rename-bootx64`"
_OTHERS = {
    "efi/boot/bootaa64.efi": "arm64",
    "efi/boot/bootia32.efi": "i386",
    "efi/boot/bootarm.efi": "arm",
    "efi/boot/bootriscv64.efi": "riscv64",
    "efi/boot/bootloongarch64.efi": "loongarch64",
}
_SIGNATURE = b"\x55\xaa"


@dataclass(frozen=True)
class DiskFacts:
    """What the verdict is about.

    :param volumes: FAT volumes by partition number, 0 for a disk without a partition table
    :param unreadable: why a partition that should hold a FAT volume cannot be read
    :param loaders: programs by partition and path in lower case
    :param unusable: why a program is none, or a script cannot be read, by the same key
    :param shims: what stands against a shim's boot, by partition
    :param ours: the disk carries our manifest or script
    """

    read: Read
    table: PartitionTable
    volumes: Mapping[int, FatVolume]
    unreadable: Mapping[int, str]
    loaders: Mapping[tuple[int, str], Identity]
    unusable: Mapping[tuple[int, str], str]
    shims: Mapping[int, ShimFindings]
    ours: bool


def judge_disk(facts: DiskFacts) -> Verdict:
    """The verdict per firmware; problems only where they are sure to matter."""
    bios = tuple(_bios(facts))
    sides = {number: tuple(_uefi(facts, number)) for number in facts.volumes}
    chosen = _chosen(facts, sides)
    uefi = sides[chosen] if chosen is not None else tuple(_no_volume(facts))
    program = facts.loaders.get((chosen or 0, PROGRAM.lower())) if not uefi else None
    secure = tuple(secure_notes(program)) if program else ()
    if program and facts.shims[chosen or 0].refused:
        secure = (*secure, facts.shims[chosen or 0].refused)
    boots = Boots(
        bios=not bios,
        uefi=not uefi,
        secure_boot=program is not None and not secure,
        why_not={Firmware.BIOS: bios, Firmware.UEFI: uefi},
    )
    startable = tuple(number for number, against in sides.items() if not against)
    notes = (*_notes(facts, chosen), *_several(startable), *secure)
    return Verdict(boots, tuple(_problems(facts, bios, uefi)), notes)


def _problems(facts: DiskFacts, bios: tuple[str, ...], uefi: tuple[str, ...]) -> Iterator[str]:
    """A disk for one firmware is as it should be; one for neither is not. A GPT is for UEFI."""
    yield from facts.unreadable.values()
    if not bios or not uefi:
        return
    yield from (f"{each}: UEFI VMs will not boot it" for each in uefi)
    if facts.table.kind != "gpt":
        yield from (f"{each}: BIOS VMs will not boot it" for each in bios)


def _chosen(facts: DiskFacts, sides: Mapping[int, tuple[str, ...]]) -> int | None:
    """The volume that UEFI firmware starts, else the one that comes nearest to it."""
    if not sides:
        return None
    return min(sides, key=lambda number: (bool(sides[number]), not _has_efi(facts, number)))


def _has_efi(facts: DiskFacts, number: int) -> bool:
    return any(file.path.lower().startswith("efi/") for file in facts.volumes[number].files)


def _no_volume(facts: DiskFacts) -> Iterator[str]:
    yield from facts.unreadable.values()
    if not facts.unreadable:
        yield "there is no FAT volume on the disk"


def _uefi(facts: DiskFacts, number: int) -> Iterator[str]:
    """Why UEFI firmware does not start this volume."""
    volume = facts.volumes[number]
    key = (number, PROGRAM.lower())
    file = volume.find(PROGRAM)
    if file is None:
        yield _missing(volume)
    elif not file.size:
        yield f"{PROGRAM} is empty (0 bytes)"
    elif key in facts.unusable:
        yield f"{PROGRAM} {facts.unusable[key]}"
    elif key not in facts.loaders or facts.loaders[key].firmware is not Firmware.UEFI:
        yield f"{PROGRAM} is not a UEFI program"
    else:
        lost = facts.unusable.get((number, SCRIPT), "")
        yield from _program(facts.loaders[key], volume, ours=facts.ours, lost=lost)
        yield from filter(None, (facts.shims[number].missing,))


def _program(program: Identity, volume: FatVolume, *, ours: bool, lost: str) -> Iterator[str]:
    """
    :param ours: the program needs our script
    :param lost: why the script in the root cannot be read
    """
    if program.arch != "x86_64":
        yield f"{PROGRAM} is for {program.arch} machines, not for x86_64"
    scripts = [file for file in volume.files if is_script(file.path)]
    if scripts and not reads_script(program):
        yield f"{ignores_script(program)}, so it would not find its boot servers"
    elif lost:
        yield f"{SCRIPT} {lost}"
    elif ours and program.kind.startswith("ipxe") and not any(file.size for file in scripts):
        yield f"{SCRIPT} is {'empty (0 bytes)' if scripts else 'missing'}"


def _missing(volume: FatVolume) -> str:
    if volume.find(PVS_PROGRAM):
        return f"{PROGRAM} is missing, but {PVS_PROGRAM} is there: {RENAME}"
    other = next((arch for path, arch in _OTHERS.items() if volume.find(path)), "")
    if other:
        return f"{PROGRAM} is missing; what is there is for {other} machines"
    return f"{PROGRAM} is missing"


def _several(startable: tuple[int, ...]) -> Iterator[str]:
    if len(startable) > 1:
        numbers = " and ".join(map(str, startable))
        yield f"partitions {numbers} each have {PROGRAM}: the firmware starts the first it finds"


def _notes(facts: DiskFacts, chosen: int | None) -> Iterator[str]:
    partitions = {each.number: each for each in facts.table.partitions}
    if chosen is not None and facts.table.kind == "gpt" and partitions[chosen].type != ESP:
        yield (
            f"partition {chosen} is no EFI system partition: some firmware looks for its boot "
            "program only there"
        )
    if facts.volumes and facts.table.kind == "none":
        yield "the disk has no partition table: it is one FAT volume from its first sector on"


def _bios(facts: DiskFacts) -> Iterator[str]:
    """Why a BIOS does not start the disk."""
    sector = facts.read(0, SECTOR)
    if sector[510:512] != _SIGNATURE:
        yield "the first sector has no boot signature (55 AA)"
    elif facts.table.kind == "none":
        yield from _volume(facts, 0, 0)
    elif facts.table.kind == "gpt":
        yield from _gpt(facts, sector)
    else:
        yield from _mbr(facts, sector)


def _gpt(facts: DiskFacts, sector: bytes) -> Iterator[str]:
    code = mbr_code(sector)
    if code is Code.GRUB:
        yield from _grub(facts, sector, next(iter(facts.volumes), None))
    elif code is Code.OTHER:
        yield "the disk has a GPT, and its boot program is none that is known to start from one"
    else:
        yield "the disk has a GPT and no boot program for a BIOS"


def _mbr(facts: DiskFacts, sector: bytes) -> Iterator[str]:
    code = mbr_code(sector)
    active = facts.table.active
    if code in {Code.NONE, Code.UEFI_ONLY}:
        yield "the first sector holds no boot program"
    if not active:
        grub = " (its GRUB would start all the same, but firmware may look for the mark)"
        yield f"no partition is active{grub if code is Code.GRUB else ''}"
    elif len(active) > 1:
        numbers = " and ".join(str(each.number) for each in active)
        yield f"partitions {numbers} are both active, and exactly one must be"
    if code is Code.GRUB:
        yield from _grub(facts, sector, active[0].number if active else None)
    elif len(active) == 1:
        yield from _volume(facts, active[0].number, active[0].start)


def _volume(facts: DiskFacts, number: int, start: int) -> Iterator[str]:
    """What the first sector of the active partition starts."""
    where = f"partition {number}" if number else "the disk"
    sector = facts.read(start * SECTOR, SECTOR)
    if number in facts.unreadable:
        yield facts.unreadable[number]
    elif sector[510:512] != _SIGNATURE:
        yield f"{where} has no boot sector"
    elif volume_code(sector) is Code.NONE:
        yield f"the boot sector of {where} holds no boot program"
    elif volume_code(sector) is Code.GRUB:
        yield from _moved(facts, sector, start)
        yield from _grub(facts, sector, number)
    elif volume_code(sector) is Code.SYSLINUX and not _has(facts, number, "ldlinux.sys"):
        yield f"{where} has the boot sector of syslinux, but ldlinux.sys is missing"


def _moved(facts: DiskFacts, sector: bytes, start: int) -> Iterator[str]:
    """Our GRUB lies right behind the first sector of its partition, and knows only where."""
    block = grub_core(sector)
    if facts.ours and block != start + 1:
        yield (
            f"GRUB looks for its second part in block {block}, but it is in block {start + 1}: "
            "the partition was moved"
        )


def _has(facts: DiskFacts, number: int, name: str) -> bool:
    return number in facts.volumes and facts.volumes[number].find(name) is not None


def _grub(facts: DiskFacts, sector: bytes, number: int | None) -> Iterator[str]:
    """GRUB's first sector names the next one; our GRUB starts two files."""
    block = grub_core(sector)
    if not any(facts.read(block * SECTOR, SECTOR)):
        yield f"the second part of GRUB is missing (block {block})"
    volume = None if number is None else facts.volumes.get(number)
    if not facts.ours or volume is None or number is None:
        return
    for name in (KERNEL, SCRIPT):
        file = volume.find(name)
        if file is None or not file.size:
            yield f"{name} is {'missing' if file is None else 'empty (0 bytes)'}"
        elif (number, name) in facts.unusable:
            yield f"{name} {facts.unusable[number, name]}"
