"""Which programs start a UEFI machine from boot media, and where they lie on the FAT volume."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmboot.media.loaders import LoaderSet
    from vmboot.model import BootConfig


class Chain(StrEnum):
    """How a UEFI machine gets from its firmware to the bootstrap.

    Only the first is for machines without Secure Boot alone.
    """

    IPXE = "ipxe"  # BOOTX64.EFI is iPXE as found, signed or not
    SHIM_GRUB = "shim-grub"  # the distribution's signed shim and network GRUB
    SHIM_IPXE = "shim-ipxe"  # upstream's iPXE shim and signed iPXE
    SITE_KEY = "site-key"  # iPXE signed with the site's own key


def uefi_files(
    config: BootConfig, loaders: LoaderSet, script: bytes, *, chain: Chain = Chain.IPXE
) -> Mapping[str, bytes]:
    """What the EFI system partition holds, by path.

    :param script: the iPXE script that :func:`vmboot.media.script.render` made of ``config``
    """
    return {"EFI/BOOT/BOOTX64.EFI": loaders.ipxe_efi, "EFI/BOOT/autoexec.ipxe": script}
