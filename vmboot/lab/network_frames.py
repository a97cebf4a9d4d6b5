"""Ethernet frames taken apart as far as a boot needs it: VLAN tag, ARP, IPv4, UDP, TCP, DHCP.

Damaged or foreign frames give ``None``: an observer never fails on what it sees.
References: RFC 826, 791, 768, 9293, 2131, 2132, IEEE 802.1Q.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address

_VLAN, _ARP, _IPV4 = 0x8100, 0x0806, 0x0800
_UDP, _TCP = 17, 6
_DHCP_COOKIE = b"\x63\x82\x53\x63"
FIN, SYN, RST, ACK = 1, 2, 4, 16


@dataclass(frozen=True)
class Arp:
    source_mac: bytes
    request: bool
    sender: IPv4Address
    target: IPv4Address


@dataclass(frozen=True)
class Datagram:
    """A UDP datagram."""

    source_mac: bytes
    source: IPv4Address
    target: IPv4Address
    source_port: int
    target_port: int
    payload: bytes


@dataclass(frozen=True)
class Segment:
    """A TCP segment; ``flags`` is a sum of FIN, SYN, RST, ACK."""

    source_mac: bytes
    source: IPv4Address
    target: IPv4Address
    source_port: int
    target_port: int
    sequence: int
    acknowledged: int
    flags: int
    payload: bytes


Packet = Arp | Datagram | Segment


def vlan_of(frame: bytes) -> int | None:
    """The VLAN id of a tagged frame; ``None`` for an untagged one."""
    if len(frame) >= 18 and frame[12:14] == b"\x81\x00":
        return int.from_bytes(frame[14:16], "big") & 0x0FFF
    return None


def untagged(frame: bytes) -> bytes:
    """The frame without its VLAN tag, if it has one."""
    return frame[:12] + frame[16:] if vlan_of(frame) is not None else frame


def tagged(frame: bytes, vlan: int) -> bytes:
    """The frame with a VLAN tag of priority 0."""
    return frame[:12] + struct.pack("!HH", _VLAN, vlan) + frame[12:]


def parse(frame: bytes) -> Packet | None:
    """What a frame carries, or ``None`` if nothing a boot uses."""
    frame = untagged(frame)
    if len(frame) < 34:
        return None
    source_mac, kind = frame[6:12], int.from_bytes(frame[12:14], "big")
    if kind == _ARP:
        return _arp(source_mac, frame[14:])
    if kind == _IPV4:
        return _ipv4(source_mac, frame[14:])
    return None


def _arp(source_mac: bytes, body: bytes) -> Arp | None:
    if len(body) < 28 or body[:6] != b"\0\1\x08\0\6\4":
        return None
    return Arp(source_mac, body[7] == 1, IPv4Address(body[14:18]), IPv4Address(body[24:28]))


def _ipv4(source_mac: bytes, packet: bytes) -> Packet | None:
    header = (packet[0] & 15) * 4
    total, fragment = struct.unpack_from("!HxxH", packet, 2)
    if packet[0] >> 4 != 4 or header < 20 or fragment & 0x1FFF or len(packet) < total:
        return None
    source, target = IPv4Address(packet[12:16]), IPv4Address(packet[16:20])
    body = packet[header:total]
    if packet[9] == _UDP and len(body) >= 8:
        source_port, target_port, size = struct.unpack_from("!HHH", body)
        return Datagram(source_mac, source, target, source_port, target_port, body[8:size])
    if packet[9] == _TCP and len(body) >= 20:
        source_port, target_port, sequence, acknowledged = struct.unpack_from("!HHII", body)
        offset = (body[12] >> 4) * 4
        return Segment(
            source_mac,
            source,
            target,
            source_port,
            target_port,
            sequence,
            acknowledged,
            body[13] & 0x3F,
            body[offset:],
        )
    return None


@dataclass(frozen=True)
class Dhcp:
    """What a DHCP message says; ``kind`` is option 53 (1 DISCOVER, 2 OFFER, 3 REQUEST, 5 ACK)."""

    kind: int
    client_mac: bytes
    offered: IPv4Address
    options: dict[int, bytes]


def parse_dhcp(payload: bytes) -> Dhcp | None:
    """The DHCP message in a UDP payload, ``None`` if it is none."""
    if len(payload) < 240 or payload[236:240] != _DHCP_COOKIE:
        return None
    options: dict[int, bytes] = {}
    at = 240
    while at + 1 < len(payload) and payload[at] != 255:
        if payload[at] == 0:
            at += 1
            continue
        size = payload[at + 1]
        options[payload[at]] = payload[at + 2 : at + 2 + size]
        at += 2 + size
    kind = options.get(53, b"")
    if len(kind) != 1:
        return None
    return Dhcp(kind[0], payload[28:34], IPv4Address(payload[16:20]), options)
