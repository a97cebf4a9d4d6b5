"""Read an ISO 9660 image that may be anybody's, damaged or hostile.

Work and memory are bounded by the limits below, whatever the image says; nothing is read that is
not asked for, so a 10 GB image costs no more than a small one.

Sources: ECMA-119 (4th edition) sections 8 and 9; RRIP 1.12 section 4.1.4 (NM).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from vmboot.errors import MediaError
from vmboot.media.source import MAX_READ, Source

__all__ = ["BLOCK", "MAX_READ", "IsoFile", "IsoImage", "Source", "is_iso", "read_iso"]

BLOCK = 2048
FIRST_DESCRIPTOR = 16
MAX_DESCRIPTORS = 64
MAX_DIRECTORY = 4 * 1024 * 1024  # bytes of one directory
MAX_ENTRIES = 20_000
MAX_DEPTH = 12
PRIMARY, BOOT_RECORD, TERMINATOR = 1, 0, 255
_HINT = "name an .iso file; one that was downloaded may be only half of it"
_DIRECTORY, _MORE_EXTENTS = 0x02, 0x80


@dataclass(frozen=True)
class IsoFile:
    """A file on the image: path without a leading slash, first block, size in bytes."""

    path: str
    block: int
    size: int


@dataclass(frozen=True)
class IsoImage:
    """The descriptors and the directory tree of one image.

    :param boot_catalog: block of the El Torito catalog, ``None`` without one
    :param partial: why the directory tree is incomplete, else ``""``
    """

    volume_id: str
    blocks: int
    boot_catalog: int | None
    files: tuple[IsoFile, ...]
    partial: str = ""

    def find(self, path: str) -> IsoFile | None:
        """The file at ``path``, regardless of case (ISO 9660 itself knows upper case only)."""
        wanted = path.strip("/").lower()
        return next((file for file in self.files if file.path.lower() == wanted), None)

    def at_block(self, block: int) -> IsoFile | None:
        """The file whose content starts at ``block``."""
        return next((file for file in self.files if file.block == block and file.size), None)


@dataclass
class _Walk:
    """What was seen so far, to stay bounded."""

    entries: int = 0
    directories: set[int] = field(default_factory=set)


def is_iso(source: Source) -> bool:
    """Whether ``source`` has the mark of ISO 9660 where it belongs."""
    at = FIRST_DESCRIPTOR * BLOCK
    return source.size >= at + BLOCK and source.read(at + 1, 5) == b"CD001"


def read_iso(source: Source) -> IsoImage:
    """Read descriptors and directories.

    :raises MediaError: no ISO 9660 image, or cut off
    """
    primary: bytes | None = None
    catalog: int | None = None
    for descriptor in _descriptors(source):
        if descriptor[0] == PRIMARY and primary is None:
            primary = descriptor
        if descriptor[0] == BOOT_RECORD and descriptor[7:30] == b"EL TORITO SPECIFICATION":
            catalog = int.from_bytes(descriptor[71:75], "little")
    if primary is None:
        raise MediaError("the ISO image has no primary volume descriptor")
    blocks, block_size = struct.unpack_from("<I44xH", primary, 80)
    if block_size != BLOCK:
        raise MediaError(f"the ISO image has blocks of {block_size} bytes, not {BLOCK}")
    if blocks * BLOCK > source.size:
        raise MediaError(
            f"the ISO image is cut off: {source.size} of {blocks * BLOCK} bytes are there",
            hint="copy or download it again",
        )
    files, partial = _tree(source, primary)
    return IsoImage(_text(primary[40:72]), blocks, catalog, files, partial)


def _descriptors(source: Source) -> Iterator[bytes]:
    for number in range(MAX_DESCRIPTORS):
        at = (FIRST_DESCRIPTOR + number) * BLOCK
        if at + BLOCK > source.size:
            raise MediaError(
                "not an ISO 9660 image, or cut off within its first blocks", hint=_HINT
            )
        descriptor = source.read(at, BLOCK)
        if descriptor[1:6] != b"CD001":
            if number == 0:
                raise MediaError("not an ISO 9660 image", hint=_HINT)
            return
        if descriptor[0] == TERMINATOR:
            return
        yield descriptor


def _tree(source: Source, primary: bytes) -> tuple[tuple[IsoFile, ...], str]:
    """All files; what went wrong on the way does not lose those already found."""
    files: list[IsoFile] = []
    block, size = struct.unpack_from("<I4xI", primary, 156 + 2)
    walk = _Walk()
    pending = [("", block, size, 0)]
    try:
        while pending:
            prefix, block, size, depth = pending.pop()
            if depth > MAX_DEPTH or block in walk.directories:
                raise MediaError(
                    "the directories of the ISO image are too deep, or run in a circle"
                )
            walk.directories.add(block)
            for name, directory, start, length in _records(source, block, size, walk):
                if directory:
                    pending.append((f"{prefix}{name}/", start, length, depth + 1))
                else:
                    files.append(IsoFile(f"{prefix}{name}", start, length))
    except MediaError as error:
        return tuple(files), error.message
    return tuple(files), ""


def _records(
    source: Source, block: int, size: int, walk: _Walk
) -> Iterator[tuple[str, bool, int, int]]:
    if size > MAX_DIRECTORY:
        raise MediaError("a directory of the ISO image is too large")
    data = source.read(block * BLOCK, size)
    at = 0
    while at < size:
        length = data[at]
        if not length:  # records do not cross blocks
            at = (at // BLOCK + 1) * BLOCK
            continue
        record = data[at : at + length]
        at += length
        walk.entries += 1
        if walk.entries > MAX_ENTRIES:
            raise MediaError(f"the ISO image has more than {MAX_ENTRIES} files")
        if length < 34 or len(record) < length or 33 + record[32] > length:
            raise MediaError("a directory record of the ISO image is damaged")
        if record[33 : 33 + record[32]] in {b"\0", b"\1"}:
            continue
        start, bytes_ = struct.unpack_from("<I4xI", record, 2)
        yield _record_name(record), bool(record[25] & _DIRECTORY), start, bytes_


def _record_name(record: bytes) -> str:
    end = 33 + record[32]
    rock_ridge = _rock_ridge_name(record[end + (1 - record[32] % 2) :])
    if rock_ridge:
        return rock_ridge
    plain = _text(record[33:end]).partition(";")[0]
    return plain.removesuffix(".")


def _rock_ridge_name(system_use: bytes) -> str:
    name = b""
    at = 0
    while at + 5 <= len(system_use) and system_use[at + 2] >= 4:
        length = system_use[at + 2]
        if system_use[at : at + 2] == b"NM":
            name += system_use[at + 5 : at + length]
        at += length
    return _text(name)


def _text(raw: bytes) -> str:
    text = raw.decode("utf-8", "replace").rstrip(" \0")
    return "".join(char if char.isprintable() and char != "/" else "?" for char in text)
