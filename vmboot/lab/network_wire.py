"""The story of a boot as told by the wire: frames and their times in, events out. Pure.

Feed :class:`WireWatch` every frame of the lab network in order; it answers with what happened:
DHCP, which boot server was asked and answered, which file was sent and how much of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from vmboot.lab.network_frames import Arp, Datagram, Packet, Segment, parse, parse_dhcp, vlan_of
from vmboot.lab.network_http import HttpWatch
from vmboot.lab.network_tftp import TftpWatch

# Asked again after this silence counts as a new question. iPXE repeats an unanswered ARP or read
# request well within it, and the media wait longer between two rounds.
_QUIET = 4.0
_DHCP_KINDS = {1: "dhcp.discover", 2: "dhcp.offer", 3: "dhcp.request", 5: "dhcp.ack", 6: "dhcp.nak"}
_DNS_PORT, _TFTP_PORT = 53, 69


@dataclass(frozen=True)
class WireEvent:
    """Something seen on the wire.

    :param at: seconds on the clock of whoever fed the watch
    :param kind: ``dhcp.discover|offer|request|ack|nak``, ``server.asked|answered|refused``,
        ``transfer.started|sent|finished`` (sent: the last byte left the server; finished: the
        machine acknowledged it), ``dns.asked|answered|failed``, ``vlan.wrong``
    :param server: label of the boot server concerned
    :param how: ``arp``, ``tftp`` or ``http``
    :param size: bytes, for ``transfer.finished``
    :param detail: an address, an error text, a name
    """

    at: float
    kind: str
    server: str = ""
    how: str = ""
    file: str = ""
    size: int = 0
    detail: str = ""

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> WireEvent:
        """The reverse of :meth:`to_json`."""
        return cls(**data)


class WireWatch:
    """Follows one machine's boot.

    :param machine: the machine's MAC address, six bytes
    :param servers: label of each boot server by address
    :param vlan: the id that the machine's frames must carry
    """

    def __init__(
        self, *, machine: bytes, servers: Mapping[IPv4Address, str], vlan: int | None = None
    ) -> None:
        self._machine = machine
        self._servers = servers
        self._vlan = vlan
        self._asked: tuple[IPv4Address, float] | None = None
        self._answered: set[IPv4Address] = set()
        self._last_dhcp = ""
        self._untagged_told = False
        self._tftp = TftpWatch()
        self._http = HttpWatch()

    def feed(self, at: float, frame: bytes) -> list[WireEvent]:
        """What ``frame``, seen at ``at`` seconds, tells that was not known before."""
        packet = parse(frame)
        if packet is None:
            return []
        if frame[6:12] == self._machine and vlan_of(frame) != self._vlan:
            return self._wrong_tag(at, frame)
        events = self._asking(at, packet)
        if isinstance(packet, Arp):
            return events
        if isinstance(packet, Datagram):
            return events + self._datagram(at, packet)
        return events + [
            self._event(at, packet, told.kind, told.file, told.size, told.detail, "http")
            for told in self._http.feed(packet)
        ]

    def _wrong_tag(self, at: float, frame: bytes) -> list[WireEvent]:
        if self._untagged_told:
            return []
        self._untagged_told = True
        tag = vlan_of(frame)
        return [WireEvent(at, "vlan.wrong", detail="untagged" if tag is None else f"VLAN {tag}")]

    def _asking(self, at: float, packet: Packet) -> list[WireEvent]:
        """Was a boot server asked, or did it show that it lives?"""
        if packet.source_mac == self._machine:
            target = packet.target
            if target not in self._servers or not _is_question(packet):
                return []
            before, self._asked = self._asked, (target, at)
            if before and before[0] == target and at - before[1] < _QUIET:
                return []
            how = _how(packet)
            return [WireEvent(at, "server.asked", self._servers[target], how)]
        sender = packet.sender if isinstance(packet, Arp) else packet.source
        asked = self._asked is not None and self._asked[0] == sender
        if not asked or sender in self._answered or _is_reset(packet):
            return []
        self._answered.add(sender)
        return [WireEvent(at, "server.answered", self._servers[sender], _how(packet))]

    def _datagram(self, at: float, packet: Datagram) -> list[WireEvent]:
        if 67 in (packet.source_port, packet.target_port):
            return self._dhcp(at, packet)
        if _DNS_PORT in (packet.source_port, packet.target_port):
            return _dns(at, packet)
        return [
            self._event(at, packet, told.kind, told.file, told.size, told.detail, "tftp")
            for told in self._tftp.feed(packet)
        ]

    def _dhcp(self, at: float, packet: Datagram) -> list[WireEvent]:
        message = parse_dhcp(packet.payload)
        if message is None or message.client_mac != self._machine:
            return []
        kind = _DHCP_KINDS.get(message.kind, "")
        if not kind or kind == self._last_dhcp:
            return []
        self._last_dhcp = kind
        detail = str(message.offered) if kind in ("dhcp.offer", "dhcp.ack") else ""
        return [WireEvent(at, kind, detail=detail)]

    def _event(
        self,
        at: float,
        packet: Datagram | Segment,
        kind: str,
        file: str,
        size: int,
        detail: str,
        how: str,
    ) -> WireEvent:
        ours = packet.target if packet.source_mac == self._machine else packet.source
        label = self._servers.get(ours, str(ours))
        return WireEvent(at, kind, label, how, file, size, detail)


def _is_question(packet: Packet) -> bool:
    """ARP for it, a TFTP read request to it, or a TCP connection to it."""
    if isinstance(packet, Arp):
        return packet.request
    if isinstance(packet, Datagram):
        return packet.target_port == _TFTP_PORT
    return packet.flags == _SYN


_SYN = 2


def _is_reset(packet: Packet) -> bool:
    return isinstance(packet, Segment) and bool(packet.flags & 4)


def _how(packet: Packet) -> str:
    if isinstance(packet, Arp):
        return "arp"
    return "tftp" if isinstance(packet, Datagram) else "http"


def _dns(at: float, packet: Datagram) -> list[WireEvent]:
    """One event per question and per answer; RFC 1035 section 4.1."""
    body = packet.payload
    if len(body) < 12:
        return []
    name = _dns_name(body)
    if not body[2] & 0x80:
        return [WireEvent(at, "dns.asked", detail=name)]
    failed = body[3] & 15 or not int.from_bytes(body[6:8], "big")
    return [WireEvent(at, "dns.failed" if failed else "dns.answered", detail=name)]


def _dns_name(body: bytes) -> str:
    labels, at = [], 12
    while at < len(body) and 0 < (size := body[at]) < 64:
        labels.append(body[at + 1 : at + 1 + size].decode("ascii", "replace"))
        at += 1 + size
    return ".".join(labels)
