"""Read VMDK images: stream-optimized, sparse, and flat ones described by a text file.

A stream-optimized file keeps zlib-packed grains; a grain is never unpacked beyond its size. Grain
directory and tables are read entry by entry, so a header's claims cost nothing.

Source: VMware "Virtual Disk Format 5.0".
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field

from vmboot.errors import MediaError
from vmboot.media.container import Piece, damaged, is_power_of_two
from vmboot.media.source import Source
from vmboot.media.vmdkformat import (
    DEFLATE,
    END_OF_STREAM,
    FLAG_COMPRESSED,
    FLAG_MARKERS,
    FLAG_ZERO_GRAINS,
    FOOTER,
    GD_AT_END,
    MAGIC,
    SECTOR,
    SparseHeader,
    read_header,
)
from vmboot.media.vmdktext import Descriptor, parse_descriptor

MAX_GRAIN = 2048  # sectors: 1 MiB; usual are 128
MAX_DESCRIPTOR = 128  # sectors
_ZERO_GRAIN = 1
_DELTA_HINT = (
    "it is the delta of a snapshot or linked clone: clone the VM or consolidate it, "
    "and take the disk that comes out"
)


def is_sparse_vmdk(head: bytes) -> bool:
    """Whether ``head`` is the beginning of a sparse extent."""
    return head[:4] == MAGIC


def open_sparse(source: Source) -> SparseImage:
    """Open a sparse extent: a whole monolithicSparse or streamOptimized disk, or a part of one.

    :raises MediaError: damaged, cut off, or only the difference to another disk
    """
    header = read_header(source.read(0, SECTOR))
    _check(header, 0)
    if header.flags & FLAG_MARKERS and header.gd_at == GD_AT_END:
        header = _footer(source)
    if header.descriptor_at:
        refuse_delta(_descriptor(source, header))
    tables = -(-header.capacity // (header.grain * header.gtes_per_table))
    if (header.gd_at * SECTOR) + 4 * tables > source.size:
        raise damaged("the VMDK's grain directory is cut off", header.gd_at * SECTOR)
    packed = bool(header.flags & FLAG_COMPRESSED)
    notes = ("it was not closed cleanly: a VM may be using it",) if header.unclean else ()
    return SparseImage(
        source=source,
        format="vmdk-stream" if packed else "vmdk-sparse",
        size=header.capacity * SECTOR,
        header=header,
        notes=notes,
    )


def refuse_delta(text: Descriptor) -> None:
    """:raises MediaError: the descriptor names a parent"""
    if text.is_delta:
        raise MediaError("this VMDK holds only what differs from its parent disk", hint=_DELTA_HINT)


@dataclass
class SparseImage:
    """Grains found through a directory of tables; the last grain and table are kept."""

    source: Source
    format: str
    size: int
    header: SparseHeader
    notes: tuple[str, ...] = ()
    _tables: dict[int, bytes] = field(default_factory=dict, repr=False)
    _grains: dict[int, bytes] = field(default_factory=dict, repr=False)

    def piece(self, at: int, most: int) -> Piece:
        grain = self.header.grain * SECTOR
        number, inside = divmod(at, grain)
        size = min(most, grain - inside)
        sector = self._entry(number)
        if sector == 0 or (sector == _ZERO_GRAIN and self.header.flags & FLAG_ZERO_GRAINS):
            return Piece(size, None)
        if not self.header.flags & FLAG_COMPRESSED:
            return Piece(size, self.source.read(sector * SECTOR + inside, size))
        if number not in self._grains:
            self._grains = {number: self._unpacked(number, sector * SECTOR)}
        return Piece(size, self._grains[number][inside : inside + size])

    def _entry(self, number: int) -> int:
        """Where grain ``number`` is, in sectors."""
        which, slot = divmod(number, self.header.gtes_per_table)
        if which not in self._tables:
            self._tables = {which: self._table(which)}
        table = self._tables[which]
        return int.from_bytes(table[4 * slot : 4 * slot + 4], "little")

    def _table(self, which: int) -> bytes:
        at = self.header.gd_at * SECTOR + 4 * which
        (sector,) = struct.unpack("<I", self.source.read(at, 4))
        return self.source.read(sector * SECTOR, 4 * self.header.gtes_per_table) if sector else b""

    def _unpacked(self, number: int, at: int) -> bytes:
        grain = self.header.grain * SECTOR
        lba, size = struct.unpack("<QI", self.source.read(at, 12))
        if lba != number * self.header.grain or size > 2 * grain:
            raise damaged(f"grain {number} of the VMDK is not where its table says", at)
        unpacker = zlib.decompressobj()
        try:
            data = unpacker.decompress(self.source.read(at + 12, size), grain + 1)
        except zlib.error as error:
            raise damaged(f"grain {number} of the VMDK cannot be unpacked", at) from error
        wanted = min(grain, self.size - number * grain)
        if not unpacker.eof or not wanted <= len(data) <= grain:
            raise damaged(f"grain {number} of the VMDK has the wrong size", at)
        return data


def _check(header: SparseHeader, at: int) -> None:
    if header.version not in {1, 2, 3}:
        raise damaged(f"the VMDK has version {header.version}; 1 to 3 are known", at)
    if header.flags & 1 and not header.newlines_hold:
        raise damaged(
            "the VMDK went through a transfer that changed its line ends",
            at,
            hint="transfer it again in binary mode",
        )
    if not is_power_of_two(header.grain) or header.grain > MAX_GRAIN:
        raise damaged(f"the VMDK's grain size of {header.grain} sectors is not possible", at)
    if not 0 < header.gtes_per_table <= 512 or not 0 < header.capacity < 1 << 53:
        raise damaged("the VMDK's table size or capacity is not possible", at)
    if header.flags & FLAG_COMPRESSED and (
        header.algorithm != DEFLATE or not header.flags & FLAG_MARKERS
    ):
        raise damaged("the VMDK is packed in an unknown way", at)


def _footer(source: Source) -> SparseHeader:
    """The header that a stream ends with, between its marker and the end-of-stream marker."""
    at = source.size - 3 * SECTOR
    end = source.read(at, 3 * SECTOR) if at > 0 else b""
    kinds = tuple(struct.unpack_from("<QII", end, place) for place in (0, 2 * SECTOR) if end)
    if kinds != ((1, 0, FOOTER), (0, 0, END_OF_STREAM)) or end[SECTOR : SECTOR + 4] != MAGIC:
        raise damaged(
            "the VMDK has no footer: it is cut off", max(0, at), hint="copy or download it again"
        )
    header = read_header(end[SECTOR : 2 * SECTOR])
    _check(header, at + SECTOR)
    if header.gd_at == GD_AT_END:
        raise damaged("the VMDK's footer names no grain directory", at + SECTOR)
    return header


def _descriptor(source: Source, header: SparseHeader) -> Descriptor:
    sectors = min(header.descriptor_size, MAX_DESCRIPTOR)
    raw = source.read(header.descriptor_at * SECTOR, sectors * SECTOR)
    return parse_descriptor(raw.split(b"\0", 1)[0])


def refuse_esx_sparse(head: bytes) -> None:
    """:raises MediaError: an ESX(i) snapshot delta, which no other program reads either"""
    if head[:4] == b"COWD":
        raise MediaError("this VMDK is an ESXi snapshot delta (COWD)", hint=_DELTA_HINT)
