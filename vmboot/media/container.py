"""What every disk container format offers once it is open: some bytes at an offset.

A container answers with a piece at a time, so that nothing depends on the size that its header
claims: neither memory nor work.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from vmboot.errors import MediaError
from vmboot.media.source import Source

DAMAGED_HINT = "copy or export the disk again; `qemu-img check` names more damage"
CONVERT_HINT = "convert it first: qemu-img convert -O raw FILE disk.raw"


@dataclass(frozen=True)
class Piece:
    """``size`` bytes of the disk; ``data`` is ``None`` where they are zeroes."""

    size: int
    data: bytes | None


class Container(Protocol):
    """An open disk image.

    :ivar format: e.g. ``"vhdx-dynamic"``
    :ivar size: of the disk, in bytes
    :ivar notes: what a person should know, in plain words
    """

    @property
    def format(self) -> str: ...

    @property
    def size(self) -> int: ...

    @property
    def notes(self) -> tuple[str, ...]: ...

    def piece(self, at: int, most: int) -> Piece:
        """One to ``most`` bytes at ``at``; the caller has checked that they are on the disk.

        :raises MediaError: the bytes cannot be had
        """


@dataclass(frozen=True)
class Plain:
    """A disk that lies in one file as it is: raw, or an extent, or a fixed VHD."""

    format: str
    source: Source
    size: int
    start: int = 0
    notes: tuple[str, ...] = ()

    def piece(self, at: int, most: int) -> Piece:
        return Piece(most, self.source.read(self.start + at, most))


def damaged(what: str, at: int, *, hint: str = DAMAGED_HINT) -> MediaError:
    """An error that says what is wrong and at which offset of the file."""
    return MediaError(f"{what} (at offset {at} of the file)", hint=hint)


def is_power_of_two(number: int) -> bool:
    return number > 0 and not number & (number - 1)
