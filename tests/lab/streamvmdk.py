"""A streamOptimized VMDK, written from the format's description and by nothing of vmboot's.

VMware, "Virtual Disk Format 5.0", "Stream-Optimized Compressed Sparse Extents". The parts are
arguments, so that a test can make each of them wrong.
"""

from __future__ import annotations

import struct
import zlib

SECTOR, GRAIN, PER_TABLE = 512, 128, 512
AT_END = (1 << 64) - 1
_HEADER = struct.Struct("<4sIIQQQQIQQQB4sH433x")
DESCRIPTOR = (
    "# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n"
    'createType="{kind}"\n\nRW {sectors} SPARSE "disk.vmdk"\n'
)


def stream(
    raw: bytes,
    *,
    magic: bytes = b"KDMV",
    version: int = 3,
    flags: int = 0x30001,
    algorithm: int = 1,
    kind: str = "streamOptimized",
    newlines: bytes = b"\n \r\n",
    footer: bool = True,
    end: bool = True,
    reverse: bool = False,
    bad_marker: bool = False,
) -> bytes:
    """``raw`` (a multiple of 512 bytes) as a stream of grains between header and end marker."""
    sectors = len(raw) // SECTOR
    text = DESCRIPTOR.format(kind=kind, sectors=sectors).encode()
    overhead = GRAIN

    def header(directory: int) -> bytes:
        fields = (sectors, GRAIN, 1, 20, PER_TABLE, 0, directory, overhead, 0, newlines, algorithm)
        return _HEADER.pack(magic, version, flags, *fields)

    out = bytearray(header(AT_END) + text)
    out += bytes(overhead * SECTOR - len(out))
    size = GRAIN * SECTOR
    numbers = range((len(raw) + size - 1) // size)
    table = [0] * PER_TABLE
    for number in reversed(numbers) if reverse else numbers:
        data = raw[number * size : (number + 1) * size].ljust(size, b"\0")
        if not any(data):
            continue
        table[number] = len(out) // SECTOR
        packed = zlib.compress(data)
        out += _padded(struct.pack("<QI", number * GRAIN, len(packed)) + packed)
    out += _marker(4, 1) + struct.pack(f"<{PER_TABLE}I", *table)
    at = len(out) // SECTOR
    out += _marker(1, 2) + _padded(struct.pack("<I", at - 4))
    if bad_marker:
        out += _marker(1, 9) + bytes(SECTOR)
    if footer:
        out += _marker(1, 3) + header(at + 1)
    if end:
        out += _marker(0, 0)
    return bytes(out)


def _marker(sectors: int, kind: int) -> bytes:
    return _padded(struct.pack("<QII", sectors, 0, kind))


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % SECTOR)
