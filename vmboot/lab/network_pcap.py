"""Packet capture files in the classic pcap format (microsecond stamps, Ethernet).

Reference: the format's description at the Wireshark wiki, "Libpcap File Format".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from vmboot.errors import MediaError

_MAGIC = 0xA1B2C3D4
_SNAP = 65535
_ETHERNET = 1
DEFAULT_LIMIT = 64 * 1024 * 1024


class PcapWriter:
    """Writes frames to ``stream`` until ``limit`` bytes, then counts what it leaves out."""

    def __init__(self, stream: BinaryIO, *, limit: int = DEFAULT_LIMIT) -> None:
        self._stream = stream
        self._left = limit
        self.left_out = 0
        stream.write(struct.pack("<IHHiIII", _MAGIC, 2, 4, 0, 0, _SNAP, _ETHERNET))

    def write(self, at: float, frame: bytes) -> None:
        """Add one frame seen at ``at`` (seconds since the epoch)."""
        size = 16 + len(frame)
        if size > self._left:
            self.left_out += 1
            return
        self._left -= size
        micros = round(at * 1_000_000)
        header = struct.pack(
            "<IIII", micros // 1_000_000, micros % 1_000_000, len(frame), len(frame)
        )
        self._stream.write(header + frame)


def read_pcap(stream: BinaryIO) -> Iterator[tuple[float, bytes]]:
    """The frames of a capture as (seconds since the epoch, bytes).

    A capture that ends in the middle of a frame ends there: its writer may have been killed.

    :raises MediaError: not a little-endian classic pcap file
    """
    head = stream.read(24)
    if len(head) < 24 or struct.unpack_from("<I", head)[0] != _MAGIC:
        raise MediaError("not a packet capture in pcap format")
    while len(header := stream.read(16)) == 16:
        seconds, micros, size, _ = struct.unpack("<IIII", header)
        if size > _SNAP:
            raise MediaError(f"a captured frame claims {size} bytes")
        frame = stream.read(size)
        if len(frame) < size:
            return
        yield seconds + micros / 1_000_000, frame
