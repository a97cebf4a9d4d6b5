"""Screenshots: QEMU's portable pixmaps to PNG, without an imaging library.

References: the netpbm ppm(5) manual, PNG specification (RFC 2083).
"""

from __future__ import annotations

import re
import struct
import zlib

from vmboot.errors import MediaError

_PPM_HEAD = re.compile(rb"P6\s+(?:#[^\n]*\n\s*)*(\d+)\s+(\d+)\s+255\s", re.ASCII)
_RGB = 2


def ppm_to_png(pixmap: bytes) -> bytes:
    """A binary PPM (P6, 8 bits) as PNG.

    :raises MediaError: not such a pixmap, or cut short
    """
    head = _PPM_HEAD.match(pixmap)
    if head is None:
        raise MediaError("the screenshot is not a binary PPM")
    width, height = int(head[1]), int(head[2])
    pixels = pixmap[head.end() :]
    row = width * 3
    if not width or not height or len(pixels) < row * height:
        raise MediaError("the screenshot is cut short")
    lines = b"".join(b"\0" + pixels[y * row : (y + 1) * row] for y in range(height))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, _RGB, 0, 0, 0)),
            _chunk(b"IDAT", zlib.compress(lines, 6)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
