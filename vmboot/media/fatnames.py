"""File names on FAT volumes: 8.3 names and the long-name entries before them."""

from __future__ import annotations

import struct
from collections.abc import Set as AbstractSet

from vmboot.errors import MediaError

SHORT_CHARACTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'()-@^_`{}~")
FORBIDDEN = frozenset('"*/:<>?\\|')
ATTR_LONG = 0x0F
LAST = 0x40
PER_ENTRY = 13  # UTF-16 units in one long-name entry
MAX_UNITS = 255


def check_name(name: str) -> str:
    """``name`` if a FAT directory can hold it, else :class:`MediaError`."""
    bad = (
        name in {"", ".", ".."}
        or any(c in FORBIDDEN or not c.isprintable() for c in name)
        or name[-1] in " ."
        or len(name.encode("utf-16-le", "surrogatepass")) // 2 > MAX_UNITS
    )
    if bad:
        raise MediaError(f"a FAT volume cannot hold a file named {name!r}")
    return name


def is_short(name: str) -> bool:
    """Whether ``name`` needs no long-name entry."""
    base, _, extension = name.partition(".")
    parts = (base + extension).encode("ascii", "replace")
    fits = 0 < len(base) <= 8 and len(extension) <= 3 and not name.endswith(".")
    return fits and all(byte in SHORT_CHARACTERS for byte in parts)


def short_name(name: str, *, taken: AbstractSet[bytes]) -> bytes:
    """The 11-byte name of the 8.3 entry, unique among ``taken``."""
    if is_short(name):
        base, _, extension = name.partition(".")
        plain = _pack(base.encode("ascii"), extension.encode("ascii"))
        if plain not in taken:
            return plain
    stem, dot, extension = name.rpartition(".")
    long, tail = _squeeze(stem if dot else name), _squeeze(extension if dot else "")[:3]
    for number in range(1, 1_000_000):
        mark = b"~%d" % number
        candidate = _pack((long[: 8 - len(mark)] or b"_") + mark, tail)
        if candidate not in taken:
            return candidate
    raise MediaError(f"too many names like {name!r} in one directory")


def long_entries(name: str, short: bytes) -> bytes:
    """The long-name entries that go before the 8.3 entry ``short``, possibly none."""
    if unpack(short) == name:
        return b""
    units = name.encode("utf-16-le")
    count = -(-len(units) // (2 * PER_ENTRY))
    if len(units) < count * 2 * PER_ENTRY:
        units = (units + b"\0\0").ljust(count * 2 * PER_ENTRY, b"\xff")
    check = checksum(short)
    out = []
    for number in range(count, 0, -1):
        part = units[(number - 1) * 26 : number * 26]
        order = number | (LAST if number == count else 0)
        out.append(
            struct.pack(
                "<B10sBBB12sH4s", order, part[:10], ATTR_LONG, 0, check, part[10:22], 0, part[22:]
            )
        )
    return b"".join(out)


def checksum(short: bytes) -> int:
    """The checksum that ties long-name entries to their 8.3 entry."""
    total = 0
    for byte in short:
        total = ((total & 1) << 7 | total >> 1) + byte & 0xFF
    return total


def unpack(short: bytes) -> str:
    """The 11 bytes of an 8.3 entry as ``BASE.EXT``."""
    text = short.decode("latin-1")
    base, extension = text[:8].rstrip(), text[8:11].rstrip()
    return f"{base}.{extension}" if extension else base


def _pack(base: bytes, extension: bytes) -> bytes:
    return base.ljust(8) + extension.ljust(3)


def _squeeze(text: str) -> bytes:
    upper = text.upper().encode("ascii", "ignore")
    return bytes(byte for byte in upper if byte in SHORT_CHARACTERS)
