"""Which programs media need, by firmware, medium and chain, and what each must be able to do."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

from vmboot.media.chain import Chain
from vmboot.media.grub import CORE
from vmboot.media.trust import Signer
from vmboot.model import Firmware

Medium = Literal["iso", "bdm"]


@dataclass(frozen=True)
class Part:
    """One program that media need: field of :class:`LoaderSet`, kinds that do, what it must do."""

    name: str
    kinds: tuple[str, ...]
    arch: str
    firmware: Firmware
    needs: frozenset[str] = frozenset()
    signer: Signer = Signer.ANYONE


ISOLINUX = Part("isolinux_bin", ("isolinux",), "i386", Firmware.BIOS)
LDLINUX = Part("ldlinux_c32", ("ldlinux",), "i386", Firmware.BIOS)
IPXE_BIOS = Part("ipxe_lkrn", ("ipxe-lkrn",), "i386", Firmware.BIOS)
IPXE_UEFI = Part(
    "ipxe_efi",
    ("ipxe-efi", "ipxe-snponly-efi"),
    "x86_64",
    Firmware.UEFI,
    needs=frozenset({"autoexec"}),
)
IPXE_ARM64 = Part("ipxe_arm64", IPXE_UEFI.kinds, "arm64", Firmware.UEFI, IPXE_UEFI.needs)
SHIM_FOR_GRUB = Part(
    "shim_efi",
    ("shim",),
    "x86_64",
    Firmware.UEFI,
    frozenset({"starts-grub"}),
    Signer.FIRMWARE,
)
SHIM_FOR_IPXE = replace(SHIM_FOR_GRUB, needs=frozenset({"starts-ipxe"}))
GRUB_NET = Part(
    "grub_efi", ("grub-efi",), "x86_64", Firmware.UEFI, frozenset({"tftp"}), Signer.SHIM
)
GRUB = Part("grub_boot", ("grub-boot",), "i386", Firmware.BIOS, needs=frozenset({CORE}))
WORDS = {
    CORE: "is of no use without grub-mkimage",
    "autoexec": "ignores autoexec.ipxe, so it cannot boot UEFI media",
    "vlan": "has no VLAN support",
    "https": "has no HTTPS",
    "tftp": "cannot download by TFTP",
    "starts-grub": "does not start GRUB",
    "starts-ipxe": "does not start iPXE",
}
TITLES = {
    "isolinux_bin": "isolinux.bin",
    "ldlinux_c32": "ldlinux.c32",
    "ipxe_lkrn": "iPXE for BIOS (ipxe.lkrn)",
    "ipxe_efi": "iPXE for UEFI (ipxe.efi)",
    "ipxe_arm64": "iPXE for UEFI on ARM (ipxe-arm64.efi)",
    "grub_boot": "GRUB for BIOS (boot.img and its modules)",
    "shim_efi": "signed shim (shimx64.efi)",
    "grub_efi": "signed network GRUB (grubnetx64.efi)",
}


def parts_for(
    firmware: Firmware,
    needs: Collection[str] = (),
    medium: Medium = "iso",
    chain: Chain = Chain.IPXE,
    signer: Signer = Signer.ANYONE,
) -> tuple[Part, ...]:
    """The programs that media need for one firmware.

    :param signer: who must have signed iPXE in the chain ``ipxe``
    """
    if firmware is Firmware.BIOS:
        first = (GRUB,) if medium == "bdm" else (ISOLINUX, LDLINUX)
        return *first, with_needs(IPXE_BIOS, needs)
    if chain is Chain.SHIM_GRUB:
        return SHIM_FOR_GRUB, GRUB_NET
    if chain is Chain.SHIM_IPXE:
        return SHIM_FOR_IPXE, with_needs(IPXE_UEFI, needs, Signer.SHIM)
    return (with_needs(IPXE_UEFI, needs, Signer.SITE if chain is Chain.SITE_KEY else signer),)


def with_needs(part: Part, needs: Collection[str], signer: Signer = Signer.ANYONE) -> Part:
    """``part`` with more to do, and signed as wanted."""
    return replace(part, needs=part.needs | frozenset(needs), signer=signer)
