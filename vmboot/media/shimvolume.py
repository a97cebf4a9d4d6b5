"""A shim on a UEFI volume and the program that it starts: is it there, and may it start?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vmboot.errors import MediaError
from vmboot.media import pe
from vmboot.media.chain import FOLDER, PROGRAM
from vmboot.media.identify import identify
from vmboot.media.shimimage import accepts, next_program
from vmboot.media.trust import trusted_as_delivered


@dataclass(frozen=True)
class ShimFindings:
    """What stands against the boot; both ``""`` where nothing does, or where there is no shim.

    :param missing: stops every UEFI machine
    :param refused: stops machines with Secure Boot
    """

    missing: str = ""
    refused: str = ""


def check_shim(volume: Mapping[str, bytes]) -> ShimFindings:
    """Look at BOOTX64.EFI and its companion.

    :param volume: files by path
    """
    files = {path.lower(): data for path, data in volume.items()}
    shim = files.get(PROGRAM.lower(), b"")
    if not _is_shim(shim) or not next_program(shim):
        return ShimFindings()
    path = f"{FOLDER}/{next_program(shim)}"
    program = files.get(path.lower())
    if program is None:
        return ShimFindings(missing=f"BOOTX64.EFI is a shim that starts {path}, which is missing")
    if not _starts(shim, program):
        return ShimFindings(
            refused=f"{path} is not signed by a key that the shim trusts: "
            "VMs with Secure Boot will refuse it"
        )
    return ShimFindings()


def _is_shim(program: bytes) -> bool:
    try:
        known = identify(program) if pe.is_pe(program) else None
    except MediaError:
        return False
    return known is not None and known.kind == "shim"


def _starts(shim: bytes, program: bytes) -> bool:
    """A shim asks the firmware first, then its own vendor."""
    try:
        authorities = [each.issuer for each in pe.read_pe(program).signatures]
        return trusted_as_delivered(authorities) or accepts(shim, program)
    except MediaError:
        return False
