"""Entries of a FAT directory: names, long and short, first cluster, size.

Source: Microsoft "FAT: General Overview of On-Disk Format" 1.03.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from vmboot.media.fatnames import ATTR_LONG, LAST, checksum, unpack

ENTRY = 32
MAX_LONG = 20  # long-name entries of one file: 255 characters, 13 in each
ATTR_LABEL, ATTR_DIRECTORY = 0x08, 0x10
_DELETED = 0xE5
LOWER_BASE, LOWER_EXTENSION = 0x08, 0x10
_NO_NAME = "NO NAME"


@dataclass(frozen=True)
class Item:
    """A file or directory; ``start`` is its first cluster."""

    name: str
    directory: bool
    start: int
    size: int


def read_entries(directory: bytes) -> Iterator[Item]:
    """What a directory holds, without itself and its parent."""
    long: list[bytes] = []
    for at in range(0, len(directory) - ENTRY + 1, ENTRY):
        first, attributes = directory[at], directory[at + 11]
        if first == 0:
            return
        if first == _DELETED:
            long = []
            continue
        entry = directory[at : at + ENTRY]
        if attributes & 0x3F == ATTR_LONG:
            long = [entry] if first & LAST else [entry, *long[:MAX_LONG]]
            continue
        item = _item(entry, long)
        long = []
        if not attributes & ATTR_LABEL and item.name not in {".", ".."}:
            yield item


def label_in(root: bytes) -> str:
    """The volume label in a root directory, ``""`` without one."""
    for at in range(0, len(root) - ENTRY + 1, ENTRY):
        first, attributes = root[at], root[at + 11]
        if first == 0:
            break
        if first != _DELETED and attributes & 0x3F != ATTR_LONG and attributes & ATTR_LABEL:
            return readable(root[at : at + 11])
    return ""


def readable(label: bytes) -> str:
    """A label of 11 bytes as text."""
    text = _safe(label.decode("latin-1").rstrip(" \0"))
    return "" if text == _NO_NAME else text


def _item(entry: bytes, long: list[bytes]) -> Item:
    high, low, size = struct.unpack_from("<H4xHI", entry, 20)
    return Item(
        name=long_name(entry[:11], long) or short_name_of(entry),
        directory=bool(entry[11] & ATTR_DIRECTORY),
        start=low | high << 16,
        size=size,
    )


def long_name(short: bytes, entries: list[bytes]) -> str:
    """The long name if its entries, first part first, belong to ``short``, else ``""``."""
    if not entries:
        return ""
    right = checksum(short)
    if any(entry[13] != right for entry in entries):
        return ""
    units = b"".join(entry[1:11] + entry[14:26] + entry[28:32] for entry in entries)
    return _safe(units.decode("utf-16-le", "replace").split("\0", 1)[0])


def short_name_of(entry: bytes) -> str:
    """The 8.3 name of an entry, in the case that its flags ask for."""
    base, dot, extension = unpack(entry[:11]).partition(".")
    base = base.lower() if entry[12] & LOWER_BASE else base
    extension = extension.lower() if entry[12] & LOWER_EXTENSION else extension
    return _safe(base + dot + extension)


def _safe(name: str) -> str:
    return "".join(char if char.isprintable() and char != "/" else "?" for char in name)
