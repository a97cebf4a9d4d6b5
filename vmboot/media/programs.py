"""Collect the boot programs of one image, within bounds."""

from __future__ import annotations

from dataclasses import dataclass, field

from vmboot.errors import MediaError
from vmboot.media import pe
from vmboot.media.identify import Identity, identify
from vmboot.model import Firmware

MAX_LOADER = 16 * 1024 * 1024
MAX_LOADERS = 64
MAX_PROGRAMS = 500  # files looked at because of their names
MAX_PROGRAM_BYTES = 256 * 1024 * 1024  # in all
_SUFFIXES = (".efi", ".bin", ".c32", ".lkrn", ".krn")


def looks_like_program(path: str, size: int) -> bool:
    """Whether a file is worth reading because of its name."""
    return 0 < size <= MAX_LOADER and path.lower().endswith(_SUFFIXES)


@dataclass
class Programs:
    """Boot programs by path.

    :ivar unusable: why a file with the name of a boot program is none, by path
    :ivar problems: the same as sentences
    """

    known: dict[str, Identity] = field(default_factory=dict)
    unusable: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def note(self, path: str, data: bytes) -> None:
        """Look at one file."""
        if len(self.known) >= MAX_LOADERS or len(data) > MAX_LOADER:
            return
        try:
            identity = identify(data)
        except MediaError as error:
            self.refuse(path, f"is damaged: {error.message}")
            return
        if identity is None:
            return
        self.known[path] = identity
        if identity.damaged:
            self.problems.append(f"the signature of {path} cannot be read: {identity.damaged}")
        if identity.firmware is Firmware.UEFI and not pe.read_pe(data).efi:
            self.unusable[path] = "is a program for Windows, not for UEFI"

    def refuse(self, path: str, why: str) -> None:
        """A file that cannot be looked at."""
        self.unusable[path] = why
        self.problems.append(f"{path} {why}")
