"""Which boot program lies in a first sector, as far as its bytes tell.

Sources: GRUB 2.06 ``boot.S`` (texts, block of the core); syslinux ``ldlinux.asm`` (OEM name);
dosfstools ``mkfs.fat.c`` (its dummy boot program).
"""

from __future__ import annotations

from enum import StrEnum

from vmboot.media.mbrcode import UEFI_ONLY

MBR_CODE = 440  # bytes in front of the disk signature
_FAT16_CODE, _FAT32_CODE = 62, 90  # where the code of a FAT volume begins behind its parameters
_GRUB = (b"GRUB ", b"Geom\0")
_GRUB_CORE_AT = 0x5C
_NEXT_DEVICE = b"\xcd\x18\xeb\xfe"  # int 18h, all that our FAT builder puts there
_MKFS = b"This is not a bootable disk"


class Code(StrEnum):
    """What a first sector starts."""

    NONE = "none"
    UEFI_ONLY = "uefi-only"  # ours on a GPT disk: says that no BIOS machine is meant
    GRUB = "grub"
    SYSLINUX = "syslinux"
    OTHER = "other"


def mbr_code(sector: bytes) -> Code:
    """The boot program of a partitioned disk."""
    code = sector[:MBR_CODE]
    if not any(code):
        return Code.NONE
    if UEFI_ONLY.encode("ascii") in code:
        return Code.UEFI_ONLY
    return Code.GRUB if all(text in code for text in _GRUB) else Code.OTHER


def volume_code(sector: bytes) -> Code:
    """The boot program in the first sector of a volume."""
    if all(text in sector for text in _GRUB):
        return Code.GRUB
    if sector[3:11] == b"SYSLINUX":
        return Code.SYSLINUX
    fat32 = not any(sector[22:24])
    code = sector[_FAT32_CODE if fat32 else _FAT16_CODE : 510]
    empty = not any(code) or code.startswith(_NEXT_DEVICE) or _MKFS in code
    return Code.NONE if empty else Code.OTHER


def grub_core(sector: bytes) -> int:
    """The block that GRUB's first sector loads next."""
    return int.from_bytes(sector[_GRUB_CORE_AT : _GRUB_CORE_AT + 8], "little")
