"""Read VHDX images, fixed and dynamic.

All integers are little-endian. An image whose log still holds writes is refused: replaying a log
is the business of the hypervisor that wrote it.

Source: Microsoft [MS-VHDX] "Virtual Hard Disk v2 (VHDX) File Format", sections 2.2 to 2.6.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from vmboot.errors import MediaError
from vmboot.media.container import Piece, damaged, is_power_of_two
from vmboot.media.crc32c import crc32c
from vmboot.media.source import Source

MAGIC = b"vhdxfile"
KIB, MIB = 1024, 1024 * 1024
HEADERS_AT, HEADER_SIZE = (64 * KIB, 128 * KIB), 4 * KIB
REGIONS_AT, REGIONS_SIZE, MAX_REGIONS = (192 * KIB, 256 * KIB), 64 * KIB, 2047
METADATA_TABLE, MAX_ITEMS, MAX_ITEM = 64 * KIB, 2047, MIB
BAT = uuid.UUID("2DC27766-F623-4200-9D64-115E9BFD4A08")
METADATA = uuid.UUID("8B7CA206-4790-4B9A-B8FE-575F050F886E")
FILE_PARAMETERS = uuid.UUID("CAA16737-FA36-4D43-B3B6-33F0AA44E76B")
DISK_SIZE = uuid.UUID("2FA54224-CD1B-4876-B211-5DBED83BF4B8")
DISK_ID = uuid.UUID("BECA12AB-B2E6-4523-93EF-C309E000C746")
LOGICAL_SECTOR = uuid.UUID("8141BF1D-A96F-4709-BA47-F233A8FAAB5F")
PHYSICAL_SECTOR = uuid.UUID("CDA348C7-445D-4471-9CC9-E9885251C556")
PARENT_LOCATOR = uuid.UUID("A8D35F2D-B30B-454D-ABF7-D3D84834AB0C")
_KNOWN_ITEMS = {
    FILE_PARAMETERS,
    DISK_SIZE,
    DISK_ID,
    LOGICAL_SECTOR,
    PHYSICAL_SECTOR,
    PARENT_LOCATOR,
}
_LEAVE_ALLOCATED, _HAS_PARENT = 0x1, 0x2
_ITEM_REQUIRED = 0x4
FULLY_PRESENT = 6
_ZEROES = frozenset({0, 1, 2, 3})  # not present, undefined, zero, unmapped
_LOG_HINT = "convert or cleanly detach it first: Mount-VHD and Dismount-VHD, or qemu-img convert"
_DIFFERENCING_HINT = (
    "merge it into its parent first, e.g. Merge-VHD or `qemu-img convert -O raw FILE disk.raw`"
)


@dataclass(frozen=True)
class Region:
    """Where the BAT or the metadata lie, in bytes."""

    at: int
    size: int


def is_vhdx(head: bytes) -> bool:
    """Whether ``head`` is the beginning of a VHDX."""
    return head[:8] == MAGIC


def open_vhdx(source: Source) -> VhdxImage:
    """Open a VHDX.

    :raises MediaError: damaged, cut off, with writes left in its log, or a differencing disk
    """
    _check_header(source)
    regions = _regions(source)
    items = _items(source, regions[METADATA])
    block, flags = struct.unpack("<II", _item(source, items, FILE_PARAMETERS, 8))
    (size,) = struct.unpack("<Q", _item(source, items, DISK_SIZE, 8))
    (sector,) = struct.unpack("<I", _item(source, items, LOGICAL_SECTOR, 4))
    if flags & _HAS_PARENT:
        raise MediaError(
            "this VHDX is a differencing disk: what it does not hold is in its parent file",
            hint=_DIFFERENCING_HINT,
        )
    at = items[FILE_PARAMETERS].at
    if sector not in {512, 4096} or not size or size % sector or size > 64 << 40:
        raise damaged(f"a VHDX of {size} bytes in sectors of {sector} is not possible", at)
    if not is_power_of_two(block) or not MIB <= block <= 256 * MIB:
        raise damaged(f"the VHDX's block size of {block} bytes is not possible", at)
    image = VhdxImage(
        source=source,
        format="vhdx-fixed" if flags & _LEAVE_ALLOCATED else "vhdx-dynamic",
        size=size,
        bat=regions[BAT],
        block=block,
        ratio=(sector << 23) // block,
    )
    if image.entry_at(size - 1) + 8 > image.bat.at + image.bat.size:
        raise damaged("the VHDX's block allocation table is too short for its size", image.bat.at)
    return image


@dataclass(frozen=True)
class VhdxImage:
    """Blocks found through the block allocation table.

    :param ratio: payload blocks between two entries for sector bitmaps in the table
    """

    source: Source
    format: str
    size: int
    bat: Region
    block: int
    ratio: int
    notes: tuple[str, ...] = ()

    def entry_at(self, at: int) -> int:
        """Offset of the table entry for the block that holds byte ``at`` of the disk."""
        number = at // self.block
        return self.bat.at + 8 * (number + number // self.ratio)

    def piece(self, at: int, most: int) -> Piece:
        inside = at % self.block
        size = min(most, self.block - inside)
        place = self.entry_at(at)
        (entry,) = struct.unpack("<Q", self.source.read(place, 8))
        state, start = entry & 7, entry >> 20 << 20
        if state in _ZEROES:
            return Piece(size, None)
        if state != FULLY_PRESENT:
            raise damaged(f"a block of the VHDX has the unknown state {state}", place)
        return Piece(size, self.source.read(start + inside, size))


def _check_header(source: Source) -> None:
    """The valid header with the higher sequence number counts; its log must be empty."""
    best: tuple[int, bytes] | None = None
    for at in HEADERS_AT:
        block = source.read(at, HEADER_SIZE)
        if block[:4] == b"head" and _crc_holds(block):
            (sequence,) = struct.unpack_from("<Q", block, 8)
            best = max(best or (-1, b""), (sequence, block))
    if best is None:
        raise damaged("neither header of the VHDX is intact", HEADERS_AT[0])
    (version,) = struct.unpack_from("<H", best[1], 66)
    if version != 1:
        raise MediaError(f"this VHDX has format version {version}; only 1 is known")
    if any(best[1][48:64]):
        raise MediaError("this VHDX was not closed: writes are still in its log", hint=_LOG_HINT)


def _crc_holds(block: bytes) -> bool:
    wanted = int.from_bytes(block[4:8], "little")
    return crc32c(block[:4] + bytes(4) + block[8:]) == wanted


def _regions(source: Source) -> dict[uuid.UUID, Region]:
    for at in REGIONS_AT:
        table = source.read(at, REGIONS_SIZE)
        if table[:4] == b"regi" and _crc_holds(table):
            return _region_entries(source, table, at)
    raise damaged("neither region table of the VHDX is intact", REGIONS_AT[0])


def _region_entries(source: Source, table: bytes, at: int) -> dict[uuid.UUID, Region]:
    (count,) = struct.unpack_from("<I", table, 8)
    if count > MAX_REGIONS:
        raise damaged(f"the VHDX's region table claims {count} entries", at)
    found: dict[uuid.UUID, Region] = {}
    for number in range(count):
        raw, start, size, required = struct.unpack_from("<16sQII", table, 16 + 32 * number)
        kind = uuid.UUID(bytes_le=raw)
        if kind not in {BAT, METADATA}:
            if required & 1:
                raise MediaError(f"this VHDX needs the unknown region {kind}")
            continue
        if start < MIB or start + size > source.size or kind in found:
            raise damaged("a region of the VHDX is cut off, or named twice", at)
        found[kind] = Region(start, size)
    if found.keys() != {BAT, METADATA}:
        raise damaged("the VHDX names no block allocation table or no metadata", at)
    return found


def _items(source: Source, region: Region) -> dict[uuid.UUID, Region]:
    if region.size < METADATA_TABLE:
        raise damaged("the VHDX's metadata are too short", region.at)
    table = source.read(region.at, METADATA_TABLE)
    (count,) = struct.unpack_from("<H", table, 10)
    if table[:8] != b"metadata" or count > MAX_ITEMS:
        raise damaged("the VHDX's metadata table is damaged", region.at)
    found = {}
    for number in range(count):
        raw, start, size, flags = struct.unpack_from("<16sIII", table, 32 + 32 * number)
        kind = uuid.UUID(bytes_le=raw)
        if kind not in _KNOWN_ITEMS:
            if flags & _ITEM_REQUIRED:
                raise MediaError(f"this VHDX needs the unknown metadata item {kind}")
            continue
        if start + size > region.size or size > MAX_ITEM:
            raise damaged("a metadata item of the VHDX is cut off", region.at)
        found[kind] = Region(region.at + start, size)
    return found


def _item(source: Source, items: Mapping[uuid.UUID, Region], kind: uuid.UUID, size: int) -> bytes:
    if kind not in items or items[kind].size < size:
        raise MediaError(f"the VHDX's metadata lack the item {kind}", hint=_LOG_HINT)
    return source.read(items[kind].at, size)
