"""Read VHD images, fixed and dynamic.

All integers are big-endian. The bitmap in front of each block is not looked at, as in qemu: in a
disk without a parent, sectors never written are zeroes in the block as well.

Source: Microsoft "Virtual Hard Disk Image Format Specification" 1.0 (2006).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from vmboot.errors import MediaError
from vmboot.media.container import Container, Piece, Plain, damaged, is_power_of_two
from vmboot.media.source import Source

COOKIE, DYNAMIC_COOKIE = b"conectix", b"cxsparse"
FOOTER_SIZE, DYNAMIC_SIZE = 512, 1024
SECTOR = 512
FIXED, DYNAMIC, DIFFERENCING = 2, 3, 4
MIN_BLOCK, MAX_BLOCK = 4096, 256 * 1024 * 1024  # bytes; the default is 2 MiB
UNUSED = 0xFFFFFFFF
_DIFFERENCING_HINT = (
    "merge it into its parent first, e.g. Merge-VHD or `qemu-img convert -O raw FILE disk.raw`"
)


@dataclass(frozen=True)
class Footer:
    """The fields of a footer that matter, and where it was found."""

    at: int
    kind: int
    size: int
    data_at: int


def is_vhd(source: Source) -> bool:
    """Whether ``source`` has the cookie of a VHD at its end or its beginning."""
    return any(source.read(at, 8) == COOKIE for at in _places(source))


def open_vhd(source: Source) -> Container:
    """Open a VHD.

    :raises MediaError: damaged, cut off, or a differencing disk
    """
    footer = _footer(source)
    if footer.kind == DIFFERENCING:
        raise MediaError(
            "this VHD is a differencing disk: what it does not hold is in its parent file",
            hint=_DIFFERENCING_HINT,
        )
    if footer.size <= 0 or footer.size % SECTOR:
        raise damaged(f"the VHD's size of {footer.size} bytes is not possible", footer.at)
    if footer.kind == DYNAMIC:
        return _dynamic(source, footer)
    if footer.kind != FIXED:
        raise damaged(f"the VHD's disk type {footer.kind} is not known", footer.at)
    if footer.size > source.size - FOOTER_SIZE:
        raise damaged(
            f"the VHD is cut off: it should hold {footer.size} bytes before its footer", footer.at
        )
    return Plain("vhd-fixed", source, footer.size)


def checksum(block: bytes, at: int) -> int:
    """The one's complement of the sum of all bytes but the four of the checksum itself."""
    return ~(sum(block) - sum(block[at : at + 4])) & 0xFFFFFFFF


def _places(source: Source) -> tuple[int, ...]:
    """Where a footer or its copy can be; the one at the end is the one that counts."""
    return (source.size - FOOTER_SIZE, 0) if source.size >= FOOTER_SIZE else ()


def _footer(source: Source) -> Footer:
    blocks = [(at, source.read(at, FOOTER_SIZE)) for at in _places(source)]
    named = [(at, block) for at, block in blocks if block[:8] == COOKIE]
    for at, block in named:
        if struct.unpack_from(">I", block, 64)[0] == checksum(block, 64):
            (data_at,) = struct.unpack_from(">Q", block, 16)
            size, kind = struct.unpack_from(">Q4xI", block, 48)
            return Footer(at, kind, size, data_at)
    raise damaged("the checksum of the VHD's footer is wrong", named[0][0] if named else 0)


@dataclass(frozen=True)
class _Dynamic:
    """Blocks in the order they were first written, found through the block allocation table."""

    source: Source
    size: int
    table_at: int
    block: int
    format: str = "vhd-dynamic"
    notes: tuple[str, ...] = ()

    def piece(self, at: int, most: int) -> Piece:
        number, inside = divmod(at, self.block)
        size = min(most, self.block - inside)
        place = self.table_at + 4 * number
        (sector,) = struct.unpack(">I", self.source.read(place, 4))
        if sector == UNUSED:
            return Piece(size, None)
        return Piece(size, self.source.read(sector * SECTOR + self._bitmap + inside, size))

    @property
    def _bitmap(self) -> int:
        """Bytes in front of each block: one bit a sector, in whole sectors."""
        return -(-self.block // (8 * SECTOR * SECTOR)) * SECTOR


def _dynamic(source: Source, footer: Footer) -> _Dynamic:
    at = footer.data_at
    header = source.read(at, DYNAMIC_SIZE)
    if header[:8] != DYNAMIC_COOKIE:
        raise damaged("the VHD's dynamic header is not where its footer says", at)
    if struct.unpack_from(">I", header, 36)[0] != checksum(header, 36):
        raise damaged("the checksum of the VHD's dynamic header is wrong", at)
    table_at, _version, entries, block = struct.unpack_from(">QIII", header, 16)
    if not is_power_of_two(block) or not MIN_BLOCK <= block <= MAX_BLOCK:
        raise damaged(f"the VHD's block size of {block} bytes is not possible", at)
    if entries * block < footer.size:
        raise damaged(f"{entries} blocks are too few for a VHD of {footer.size} bytes", at)
    needed = -(-footer.size // block)
    if table_at + 4 * needed > source.size:
        raise damaged("the VHD's block allocation table is cut off", table_at)
    return _Dynamic(source, footer.size, table_at, block)
