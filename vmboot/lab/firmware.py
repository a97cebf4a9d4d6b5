"""Where the distribution keeps QEMU and the firmware that rehearsals start machines with."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from vmboot.errors import MissingToolError
from vmboot.model import Firmware

QEMU = "qemu-system-x86_64"


@dataclass(frozen=True)
class FirmwareFiles:
    """The flash of one machine.

    :param code: read-only firmware; ``None`` for a BIOS machine: QEMU brings SeaBIOS itself
    :param variables: a *template* of the variable store, to be copied for each machine
    """

    code: Path | None = None
    variables: Path | None = None


_OVMF = (  # Debian and Ubuntu (newest first), then Fedora and its relatives, then Arch
    ("OVMF/OVMF_CODE_4M.fd", "OVMF/OVMF_VARS_4M.fd"),
    ("OVMF/OVMF_CODE.fd", "OVMF/OVMF_VARS.fd"),
    ("edk2/ovmf/OVMF_CODE.fd", "edk2/ovmf/OVMF_VARS.fd"),
    ("edk2/x64/OVMF_CODE.4m.fd", "edk2/x64/OVMF_VARS.4m.fd"),
)
_OVMF_SECURE = (  # with Microsoft's keys enrolled and enforcement on
    ("OVMF/OVMF_CODE_4M.secboot.fd", "OVMF/OVMF_VARS_4M.ms.fd"),
    ("OVMF/OVMF_CODE.secboot.fd", "OVMF/OVMF_VARS.ms.fd"),
    ("edk2/ovmf/OVMF_CODE.secboot.fd", "edk2/ovmf/OVMF_VARS.secboot.fd"),
)


def find_qemu() -> Path:
    """The emulator.

    :raises MissingToolError: not installed
    """
    return find_program(QEMU, package="qemu-system-x86 (Fedora: qemu-system-x86-core)")


def find_program(name: str, *, package: str) -> Path:
    """``name`` on the PATH or in the system folders that an ordinary user's PATH may lack.

    :raises MissingToolError: not installed
    """
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/libexec")
    if found is None:
        raise MissingToolError(
            f"{name} is not installed; a rehearsal needs it", hint=f"Install the package {package}."
        )
    return Path(found)


def find_firmware(
    firmware: Firmware, *, secure_boot: bool, share: Path = Path("/usr/share")
) -> FirmwareFiles:
    """The flash files for a machine.

    :param share: where packages keep architecture-independent files
    :raises MissingToolError: no UEFI firmware (of that kind) is installed
    """
    if firmware is Firmware.BIOS:
        return FirmwareFiles()
    for code, variables in _OVMF_SECURE if secure_boot else _OVMF:
        pair = FirmwareFiles(share / code, share / variables)
        if (share / code).is_file() and (share / variables).is_file():
            return pair
    kind = "UEFI firmware with Secure Boot keys" if secure_boot else "UEFI firmware"
    raise MissingToolError(
        f"no {kind} for QEMU is installed",
        hint="Install the package ovmf (Fedora: edk2-ovmf).",
    )
