"""HTTP downloads seen from outside, one request or several on a connection. Pure.

Bytes are followed in the order of their sequence numbers; headers must arrive in order, which
they do on a network without loss. Reference: RFC 9112.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from vmboot.lab.network_frames import ACK, FIN, RST, SYN, Segment
from vmboot.lab.network_tftp import Told

_HEADER_LIMIT = 8192
_REMEMBERED = 64
_WRAP = 1 << 32

_Key = tuple[IPv4Address, int, IPv4Address, int]


@dataclass
class _Connection:
    """Sequence numbers are relative to the server's first byte."""

    base: int | None = None
    request: bytes = b""
    header: bytes = b""
    read: int = 0
    file: str = ""
    method: str = ""
    body_at: int | None = None
    length: int | None = None
    sent: bool = False


class HttpWatch:
    """Follows every TCP connection by its two ends."""

    def __init__(self) -> None:
        self._open: dict[_Key, _Connection] = {}

    def feed(self, packet: Segment) -> list[Told]:
        """What this segment tells."""
        key = (packet.source, packet.source_port, packet.target, packet.target_port)
        if packet.flags & SYN and not packet.flags & ACK:
            self._open[key] = _Connection()
            while len(self._open) > _REMEMBERED:
                del self._open[next(iter(self._open))]
            return []
        if key in self._open:
            return _from_client(self._open[key], packet)
        back = (packet.target, packet.target_port, packet.source, packet.source_port)
        if back in self._open:
            return _from_server(self._open[back], packet)
        return []


def _from_client(link: _Connection, packet: Segment) -> list[Told]:
    told = _finished(link, acknowledged=packet.acknowledged)
    link.request = (link.request + packet.payload)[:_HEADER_LIMIT]
    line, found, _ = link.request.partition(b"\r\n")
    if found and packet.payload and not link.method:
        words = line.decode("latin-1").split(" ")
        if len(words) == 3:
            link.method, link.file = words[0], words[1].lstrip("/")
            if link.method == "GET":
                told.append(Told("transfer.started", link.file))
    return told


def _from_server(link: _Connection, packet: Segment) -> list[Told]:
    if packet.flags & RST and link.base is None:
        return [Told("server.refused", "", detail="connection refused")]
    if packet.flags & SYN:
        link.base = (packet.sequence + 1) % _WRAP
        return []
    if link.base is None:
        return []
    at = (packet.sequence - link.base) % _WRAP
    told: list[Told] = []
    if packet.payload and at == link.read:
        link.read += len(packet.payload)
        told = _reply(link, packet.payload) + _sent(link)
    if packet.flags & FIN and link.body_at is not None and link.length is None:
        link.length = link.read - link.body_at  # a body that ends with its connection
    return told


def _reply(link: _Connection, payload: bytes) -> list[Told]:
    if link.body_at is not None or len(link.header) > _HEADER_LIMIT:
        return []
    link.header += payload
    head, found, body = link.header.partition(b"\r\n\r\n")
    if not found:
        return []
    lines = head.decode("latin-1").split("\r\n")
    status = lines[0].split(" ", 2)[1:2]
    if status not in (["200"], ["206"]):
        file = link.file
        _next_request(link)
        return [Told("server.refused", file, detail=f"HTTP status {' '.join(status)}")]
    link.body_at = link.read - len(body)
    for line in lines[1:]:
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-length" and value.strip().isdigit():
            link.length = int(value)
    if link.method == "HEAD":
        _next_request(link)
    return []


def _sent(link: _Connection) -> list[Told]:
    """The last byte of the body is on its way.

    A loader may start the bootstrap without ever acknowledging it: iPXE stops when it has read
    as much as Content-Length says.
    """
    if link.sent or link.method != "GET" or link.body_at is None or link.length is None:
        return []
    link.sent = link.read >= link.body_at + link.length
    return [Told("transfer.sent", link.file, link.length)] if link.sent else []


def _finished(link: _Connection, *, acknowledged: int) -> list[Told]:
    """The client has acknowledged the last byte of the body."""
    if link.body_at is None or link.length is None or link.base is None:
        return []
    if (acknowledged - link.base) % _WRAP < link.body_at + link.length:
        return []
    file, size = link.file, link.length
    _next_request(link)
    return [Told("transfer.finished", file, size)]


def _next_request(link: _Connection) -> None:
    link.request = link.header = b""
    link.method = link.file = ""
    link.body_at = link.length = None
    link.sent = False
