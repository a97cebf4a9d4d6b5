"""TFTP transfers seen from outside (RFC 1350, 2347, 2348, 7440). Pure."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

from vmboot.lab.network_frames import Datagram

_RRQ, _DATA, _ACK, _ERROR, _OACK = 1, 3, 4, 5, 6
_PORT = 69
_REMEMBERED = 64


@dataclass(frozen=True)
class Told:
    """``kind`` as in :class:`vmboot.lab.network_wire.WireEvent`."""

    kind: str
    file: str
    size: int = 0
    detail: str = ""


@dataclass
class _Transfer:
    """``blocks`` counts the blocks in order; block numbers on the wire wrap at 65536."""

    file: str
    block_size: int = 512
    blocks: int = 0
    size: int = 0
    ended: bool = False
    started: bool = False


class TftpWatch:
    """Follows every read request by the client's address and port."""

    def __init__(self) -> None:
        self._transfers: dict[tuple[IPv4Address, int], _Transfer] = {}

    def feed(self, packet: Datagram) -> list[Told]:
        """What this datagram tells; an empty list if it is not part of a transfer."""
        if len(packet.payload) < 2:
            return []
        code = int.from_bytes(packet.payload[:2], "big")
        if packet.target_port == _PORT:
            self._request(packet, code)
            return []
        transfer = self._transfers.get((packet.target, packet.target_port))
        if transfer is not None:
            return _from_server(transfer, code, packet.payload)
        transfer = self._transfers.get((packet.source, packet.source_port))
        if transfer is not None:
            return self._from_client(transfer, code, packet)
        return []

    def _request(self, packet: Datagram, code: int) -> None:
        words = packet.payload[2:].split(b"\0")
        if code != _RRQ or len(words) < 2:
            return
        key = (packet.source, packet.source_port)
        if key not in self._transfers:
            self._transfers[key] = _Transfer(words[0].decode("utf-8", "replace"))
        while len(self._transfers) > _REMEMBERED:
            del self._transfers[next(iter(self._transfers))]

    def _from_client(self, transfer: _Transfer, code: int, packet: Datagram) -> list[Told]:
        key = (packet.source, packet.source_port)
        if code == _ERROR:
            del self._transfers[key]  # e.g. EDK2 asks the size first and then aborts
            return []
        block = int.from_bytes(packet.payload[2:4], "big")
        if code == _ACK and transfer.ended and block == transfer.blocks & 0xFFFF:
            del self._transfers[key]
            return [Told("transfer.finished", transfer.file, transfer.size)]
        return []


def _from_server(transfer: _Transfer, code: int, payload: bytes) -> list[Told]:
    if code == _ERROR:
        text = payload[4:].split(b"\0")[0].decode("utf-8", "replace")
        return [Told("server.refused", transfer.file, detail=f"TFTP error: {text}")]
    if code == _OACK:
        transfer.block_size = _option(payload[2:].split(b"\0"), b"blksize", 512)
        return []
    if code != _DATA or len(payload) < 4:
        return []
    started = [] if transfer.started else [Told("transfer.started", transfer.file)]
    transfer.started = True
    (block,) = struct.unpack_from("!H", payload, 2)
    if block == (transfer.blocks + 1) & 0xFFFF and not transfer.ended:
        transfer.blocks += 1
        transfer.size += len(payload) - 4
        transfer.ended = len(payload) - 4 < transfer.block_size
    return started


def _option(words: Sequence[bytes], name: bytes, default: int) -> int:
    for key, value in zip(words[::2], words[1::2], strict=False):
        if key.lower() == name and value.isdigit():
            return int(value)
    return default
