"""Which programs start a UEFI machine from boot media, and where they lie.

A shim starts the program of one fixed name in its own folder, so its companion gets that name. The
signed GRUB reads ``grub.cfg`` from the folder built into it, on the volume it was started from;
started from a CD it takes the ISO 9660 tree for that volume, so there the file stands in both.

Sources: UEFI 2.10 section 3.5.1.1 (default boot file); :mod:`vmboot.media.shimimage`,
:mod:`vmboot.media.grubimage`; https://ipxe.org/secboot and https://ipxe.org/appnote/autoexec.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

from vmboot.errors import MediaError
from vmboot.media import pe
from vmboot.media.grubcfg import render_grub
from vmboot.media.grubimage import read_grub
from vmboot.media.shimimage import next_program
from vmboot.model import Firmware

if TYPE_CHECKING:
    from vmboot.media.loaders import LoaderSet
    from vmboot.model import BootConfig

FOLDER = "EFI/BOOT"
PROGRAM = f"{FOLDER}/BOOTX64.EFI"
SCRIPT = f"{FOLDER}/autoexec.ipxe"
GRUB_CFG = "grub.cfg"


class Chain(StrEnum):
    """How a UEFI machine gets from its firmware to the bootstrap.

    Only the first is for machines without Secure Boot alone.
    """

    IPXE = "ipxe"  # BOOTX64.EFI is iPXE as found, signed or not
    SHIM_GRUB = "shim-grub"  # the distribution's signed shim and network GRUB
    SHIM_IPXE = "shim-ipxe"  # upstream's iPXE shim and signed iPXE
    SITE_KEY = "site-key"  # iPXE signed with the site's own key


_PARTS = {
    Chain.IPXE: ("ipxe_efi",),
    Chain.SHIM_GRUB: ("shim_efi", "grub_efi"),
    Chain.SHIM_IPXE: ("shim_efi", "ipxe_efi"),
    Chain.SITE_KEY: ("ipxe_efi",),
}


def uefi_parts(chain: Chain) -> tuple[str, ...]:
    """The fields of :class:`~vmboot.media.loaders.LoaderSet` that ``chain`` needs."""
    return _PARTS[chain]


def part_of(kind: str) -> str:
    """The field of :class:`~vmboot.media.loaders.LoaderSet` for a program of this kind.

    :param kind: see :class:`vmboot.media.identify.Identity`
    :returns: ``""`` for what no chain puts on media
    """
    if kind.startswith("ipxe-"):
        return "ipxe_efi"
    return {"shim": "shim_efi", "grub-efi": "grub_efi"}.get(kind, "")


def uefi_files(
    config: BootConfig, loaders: LoaderSet, script: bytes, *, chain: Chain = Chain.IPXE
) -> Mapping[str, bytes]:
    """What the EFI system partition holds, by path.

    :param script: the iPXE script that :func:`vmboot.media.script.render` made of ``config``
    :raises InputError: ``config`` asks for what the chain's loader cannot do
    :raises MediaError: the shim does not say what it starts, or GRUB where its script is
    """
    if chain is Chain.SHIM_GRUB:
        grub = f"{FOLDER}/{_next(loaders)}"
        return {
            PROGRAM: loaders.shim_efi,
            grub: loaders.grub_efi,
            **iso_files(config, loaders, chain=chain),
        }
    if chain is Chain.SHIM_IPXE:
        ipxe = f"{FOLDER}/{_next(loaders)}"
        return {PROGRAM: loaders.shim_efi, ipxe: loaders.ipxe_efi, SCRIPT: script}
    return {PROGRAM: loaders.ipxe_efi, SCRIPT: script}


def iso_files(config: BootConfig, loaders: LoaderSet, *, chain: Chain) -> Mapping[str, bytes]:
    """What the chain needs in the ISO 9660 tree besides the FAT image, by path.

    :raises InputError: ``config`` asks for what the chain's loader cannot do
    :raises MediaError: GRUB does not say where its script is
    """
    if chain is not Chain.SHIM_GRUB:
        return {}
    prefix = read_grub(pe.read_pe(loaders.grub_efi).sections.get("mods", b"")).prefix
    if not prefix.startswith("/"):
        raise MediaError(
            "the signed GRUB does not say in which folder it looks for its script",
            hint="use the distribution's grubnetx64.efi.signed",
        )
    return {f"{prefix.strip('/')}/{GRUB_CFG}": render_grub(config).encode("ascii")}


def limits(chain: Chain, config: BootConfig) -> tuple[str, ...]:
    """What to know of ``chain`` before machines depend on it, in plain words."""
    return tuple(_limits(chain, config))


def _limits(chain: Chain, config: BootConfig) -> Iterator[str]:
    if chain is Chain.SHIM_GRUB:
        yield from _grub_limits(config)
    if chain is Chain.SHIM_IPXE:
        yield "the bootstrap must be signed by a key that the firmware or the iPXE shim trusts"
        yield "the configuration is autoexec.ipxe only: the signed iPXE has no script built in"
    if chain is Chain.SITE_KEY:
        yield "the site's certificate must be in the Secure Boot db of every machine"
        yield "the bootstrap must be signed, by the site's key or one the firmware trusts already"


def _grub_limits(config: BootConfig) -> Iterator[str]:
    yield "downloads by TFTP only, and without VLAN tags"
    yield "the bootstrap must be signed by a key that the shim or the firmware trusts"
    if len(config.servers) > 1:
        yield "a dead boot server costs 30 to 90 s, whatever server_timeout says"
    if config.random_start and len(config.servers) > 1:
        yield "random_start has no effect: the first boot server is always asked first"
    if config.bootstrap.get(Firmware.UEFI) and config.bootstrap[Firmware.UEFI].sha256:
        yield "the bootstrap's sha256 is compared by doctor only"
    yield "uses the firmware's own network driver, so the network card must be in the boot order"
    yield (
        "takes the network card for itself: a bootstrap that needs the firmware's PXE protocol, "
        "as PVS's does, does not find it"
    )


def _next(loaders: LoaderSet) -> str:
    name = next_program(loaders.shim_efi)
    if not name:
        raise MediaError(
            "the shim does not say which program it starts",
            hint="use the distribution's shimx64.efi.signed, or iPXE's own shim",
        )
    return name
