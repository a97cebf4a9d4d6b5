"""Set every date in an ISO that vmboot built to one fixed moment.

pycdlib stamps the wall clock and the local time zone into volume descriptors, directory records
and Rock Ridge entries; there is no way to give it a date. So the finished image is walked and each
date overwritten in place, which moves nothing.

Sources: ECMA-119 sections 8.4.26, 9.1.5; RRIP 1.12 section 4.1.6 (TF).
"""

from __future__ import annotations

import struct

BLOCK = 2048
FIRST_DESCRIPTOR = 16
VOLUME_DATE = b"2020010100000000\0"
NO_DATE = b"0000000000000000\0"
RECORD_DATE = bytes((120, 1, 1, 0, 0, 0, 0))
PRIMARY, SUPPLEMENTARY, TERMINATOR = 1, 2, 255
DIRECTORY = 0x02  # file flag
ITSELF_AND_PARENT = (0, 1)  # the names of "." and "..", one byte each
_DATES_AT = 813  # creation, modification, expiration, effective: 17 bytes each


def fix_dates(image: bytes) -> bytes:
    """``image`` with fixed dates. For images that vmboot just built; trusts their structure."""
    data = bytearray(image)
    for block in range(FIRST_DESCRIPTOR, len(data) // BLOCK):
        at = block * BLOCK
        if data[at] == TERMINATOR:
            break
        if data[at] in {PRIMARY, SUPPLEMENTARY}:
            data[at + _DATES_AT : at + _DATES_AT + 68] = VOLUME_DATE * 2 + NO_DATE * 2
            data[at + 156 + 18 : at + 156 + 25] = RECORD_DATE
            extent, size = struct.unpack_from("<I4xI", data, at + 156 + 2)
            _fix_directory(data, extent * BLOCK, size)
    return bytes(data)


def _fix_directory(data: bytearray, at: int, size: int) -> None:
    """All records of a directory and of those below it."""
    end = at + size
    while at < end:
        length = data[at]
        if not length:  # records do not cross blocks
            at = (at // BLOCK + 1) * BLOCK
            continue
        data[at + 18 : at + 25] = RECORD_DATE
        name = data[at + 32]
        _fix_system_use(data, at + 33 + name + (1 - name % 2), at + length)
        itself = name == 1 and data[at + 33] in ITSELF_AND_PARENT
        if data[at + 25] & DIRECTORY and not itself:
            extent, below = struct.unpack_from("<I4xI", data, at + 2)
            _fix_directory(data, extent * BLOCK, below)
        at += length


def _fix_system_use(data: bytearray, at: int, end: int) -> None:
    while at + 4 <= end and data[at + 2] >= 4:
        mark, length = bytes(data[at : at + 2]), data[at + 2]
        if mark == b"TF":
            count = (length - 5) // 7
            data[at + 5 : at + 5 + 7 * count] = RECORD_DATE * count
        if mark == b"CE":
            block, offset, size = struct.unpack_from("<I4xI4xI", data, at + 4)
            _fix_system_use(data, block * BLOCK + offset, block * BLOCK + offset + size)
        at += length
