"""The story of a boot from its frames."""

import io
import struct
from ipaddress import IPv4Address

import pytest

from vmboot.errors import MediaError
from vmboot.lab.network_frames import parse, tagged, untagged, vlan_of
from vmboot.lab.network_pcap import PcapWriter, read_pcap
from vmboot.lab.network_wire import WireEvent, WireWatch

MACHINE = bytes.fromhex("005056010203")
LAB = bytes.fromhex("02aabbccddee")
GUEST = IPv4Address("10.0.0.254")
PVS1, PVS2 = IPv4Address("10.0.0.11"), IPv4Address("10.0.0.12")
SYN, ACK, PUSH, RST, FIN = 2, 16, 24, 20, 17


def ethernet(source: bytes, kind: int, body: bytes) -> bytes:
    target = LAB if source == MACHINE else MACHINE
    return target + source + struct.pack("!H", kind) + body


def arp(source: bytes, sender: IPv4Address, target: IPv4Address, *, reply: bool = False) -> bytes:
    head = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 2 if reply else 1)
    body = head + source + sender.packed + bytes(6) + target.packed
    return ethernet(source, 0x0806, body + bytes(18))


def ipv4(source: bytes, protocol: int, sender, target, body: bytes) -> bytes:
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, 64, protocol, 0)
    return ethernet(source, 0x0800, head + sender.packed + target.packed + body)


def udp(source: bytes, sender, sport: int, target, dport: int, payload: bytes) -> bytes:
    head = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0)
    return ipv4(source, 17, sender, target, head + payload)


def tcp(source: bytes, sender, sport, target, dport, seq, ack, flags, payload=b"") -> bytes:
    head = struct.pack("!HHIIBBHHH", sport, dport, seq, ack, 0x50, flags, 1000, 0, 0)
    return ipv4(source, 6, sender, target, head + payload)


def dhcp(source: bytes, kind: int, offered: str = "0.0.0.0") -> bytes:
    head = struct.pack("!BBBBIHH", 1, 1, 6, 0, 7, 0, 0) + bytes(4)
    head += IPv4Address(offered).packed + bytes(8) + MACHINE + bytes(10 + 192)
    payload = head + b"\x63\x82\x53\x63" + bytes((0, 53, 1, kind, 255))
    ports = (68, 67) if source == MACHINE else (67, 68)
    return udp(source, GUEST, ports[0], PVS2, ports[1], payload)


def story(*frames: bytes, vlan: int | None = None) -> list[WireEvent]:
    """Events of frames that come half a second apart."""
    watch = WireWatch(machine=MACHINE, servers={PVS1: "pvs1", PVS2: "pvs2"}, vlan=vlan)
    return [event for at, frame in enumerate(frames) for event in watch.feed(at / 2, frame)]


def kinds(events: list[WireEvent]) -> list[tuple[str, str]]:
    return [(event.kind, event.server) for event in events]


def from_guest(dport: int, payload: bytes) -> bytes:
    return udp(MACHINE, GUEST, 2000, PVS2, dport, payload)


def from_server(payload: bytes) -> bytes:
    return udp(LAB, PVS2, 3000, GUEST, 2000, payload)


RRQ = from_guest(69, b"\0\1boot/x.efi\0octet\0blksize\x001024\0tsize\x000\0")


def test_dead_server_then_the_next():
    ask1, ask2 = arp(MACHINE, GUEST, PVS1), arp(MACHINE, GUEST, PVS2)
    events = story(ask1, ask1, ask1, ask2, arp(LAB, PVS2, GUEST, reply=True))
    assert kinds(events) == [
        ("server.asked", "pvs1"),
        ("server.asked", "pvs2"),
        ("server.answered", "pvs2"),
    ]
    assert [event.at for event in events] == [0.0, 1.5, 2.0]


def test_the_same_server_asked_again_after_a_pause_is_a_new_question():
    watch = WireWatch(machine=MACHINE, servers={PVS1: "pvs1"})
    ask = arp(MACHINE, GUEST, PVS1)
    counts = [len(watch.feed(at, ask)) for at in (0.0, 1.0, 3.0, 9.0, 9.5)]
    assert counts == [1, 0, 0, 1, 0]


def test_dhcp_in_four_steps_each_told_once():
    steps = [dhcp(MACHINE, 1), dhcp(MACHINE, 1), dhcp(LAB, 2, "10.0.0.254"), dhcp(MACHINE, 3)]
    events = story(*steps, dhcp(LAB, 5, "10.0.0.254"))
    assert [event.kind for event in events] == [
        "dhcp.discover",
        "dhcp.offer",
        "dhcp.request",
        "dhcp.ack",
    ]
    assert events[-1].detail == "10.0.0.254"


def test_a_dhcp_answer_from_a_boot_server_address_is_not_the_boot_servers_answer():
    offer = udp(LAB, PVS2, 67, GUEST, 68, b"")
    assert story(offer) == []


def test_tftp_transfer_with_negotiated_blocks():
    events = story(
        RRQ,
        from_server(b"\0\6blksize\x001024\0tsize\x001500\0"),
        from_guest(3000, b"\0\4\0\0"),
        from_server(b"\0\3\0\1" + bytes(1024)),
        from_guest(3000, b"\0\4\0\1"),
        from_server(b"\0\3\0\2" + bytes(476)),
        from_server(b"\0\3\0\2" + bytes(476)),
        from_guest(3000, b"\0\4\0\2"),
    )
    assert kinds(events) == [
        ("server.asked", "pvs2"),
        ("server.answered", "pvs2"),
        ("transfer.started", "pvs2"),
        ("transfer.finished", "pvs2"),
    ]
    assert (events[-1].file, events[-1].size, events[-1].how) == ("boot/x.efi", 1500, "tftp")


def test_tftp_block_numbers_wrap():
    watch = WireWatch(machine=MACHINE, servers={PVS2: "pvs2"})
    watch.feed(0, from_guest(69, b"\0\1big\0octet\0"))
    for block in range(1, 65540):
        data = bytes(512 if block < 65539 else 10)
        watch.feed(1, from_server(struct.pack("!HH", 3, block & 0xFFFF) + data))
    (event,) = watch.feed(2, from_guest(3000, struct.pack("!HH", 4, 65539 & 0xFFFF)))
    assert event.size == 65538 * 512 + 10


def test_tftp_size_probe_that_is_aborted_is_no_transfer():
    events = story(
        RRQ, from_server(b"\0\6tsize\x001500\0"), from_guest(3000, b"\0\5\0\x08aborted\0")
    )
    assert "transfer.finished" not in [event.kind for event in events]


def test_tftp_refusal_carries_the_servers_words():
    events = story(RRQ, from_server(b"\0\5\0\1not found\0"))
    assert events[-1].kind == "server.refused"
    assert events[-1].detail == "TFTP error: not found"


def http(*, body: bytes, status: str = "200 OK", last_ack: bool = True) -> list[WireEvent]:
    request = b"GET /boot/x.efi HTTP/1.1\r\nHost: pvs2\r\n\r\n"
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    me, you = (MACHINE, GUEST, 4000, PVS2, 80), (LAB, PVS2, 80, GUEST, 4000)
    base = 0xFFFFFF00  # sequence numbers wrap in the middle
    end = (base + 1 + len(head) + len(body)) % (1 << 32)
    return story(
        tcp(*me, 1, 0, SYN),
        tcp(*you, base, 2, SYN + ACK),
        tcp(*me, 2, base + 1, PUSH, request),
        tcp(*you, base + 1, 99, PUSH, head),
        tcp(*you, (base + 1 + len(head)) % (1 << 32), 99, PUSH, body),
        *([tcp(*me, 99, end, ACK)] if last_ack else []),
    )


def test_http_download():
    events = http(body=bytes(900))
    assert kinds(events) == [
        ("server.asked", "pvs2"),
        ("server.answered", "pvs2"),
        ("transfer.started", "pvs2"),
        ("transfer.sent", "pvs2"),
        ("transfer.finished", "pvs2"),
    ]
    assert (events[-1].file, events[-1].size) == ("boot/x.efi", 900)


def test_http_download_that_starts_before_its_last_byte_is_acknowledged():
    assert http(body=bytes(900), last_ack=False)[-1].kind == "transfer.sent"


def test_http_status_other_than_ok_is_a_refusal():
    events = http(body=b"no", status="404 Not Found")
    assert (events[-1].kind, events[-1].detail) == ("server.refused", "HTTP status 404")


def test_nothing_listens_at_the_http_port():
    me, you = (MACHINE, GUEST, 4000, PVS2, 80), (LAB, PVS2, 80, GUEST, 4000)
    events = story(tcp(*me, 1, 0, SYN), tcp(*you, 0, 2, RST))
    assert kinds(events) == [("server.asked", "pvs2"), ("server.refused", "pvs2")]


def test_names_that_dns_does_not_know():
    question = b"\0\7\1\0\0\1\0\0\0\0\0\0\4pvs1\7example\0\0\1\0\1"
    answer = question[:2] + b"\x81\x83" + question[4:]
    events = story(
        udp(MACHINE, GUEST, 5000, PVS2, 53, question), udp(LAB, PVS2, 53, GUEST, 5000, answer)
    )
    assert [(event.kind, event.detail) for event in events] == [
        ("dns.asked", "pvs1.example"),
        ("dns.failed", "pvs1.example"),
    ]


def test_frames_without_the_networks_tag_reach_nobody():
    ask = arp(MACHINE, GUEST, PVS2)
    events = story(ask, ask, tagged(ask, 7), tagged(ask, 8), vlan=7)
    assert kinds(events) == [("vlan.wrong", ""), ("server.asked", "pvs2")]


def test_tags_go_on_and_off():
    frame = arp(MACHINE, GUEST, PVS1)
    assert vlan_of(frame) is None
    assert vlan_of(tagged(frame, 4094)) == 4094
    assert untagged(tagged(frame, 7)) == frame
    assert untagged(frame) == frame


@pytest.mark.parametrize("size", [0, 5, 13, 14, 20, 33, 34, 40, 41, 45])
def test_frames_cut_short_are_passed_over(size):
    for frame in (RRQ, arp(MACHINE, GUEST, PVS1), dhcp(MACHINE, 1)):
        parse(frame[:size])
        story(frame[:size])


def test_events_survive_json():
    event = WireEvent(1.5, "transfer.finished", "pvs1", "tftp", "x", 10, "")
    assert WireEvent.from_json(event.to_json()) == event


def test_capture_is_read_back():
    stream = io.BytesIO()
    writer = PcapWriter(stream)
    writer.write(1.25, b"first")
    writer.write(1_800_000_000.999999, b"second")
    stream.seek(0)
    assert list(read_pcap(stream)) == [(1.25, b"first"), (1_800_000_000.999999, b"second")]


def test_capture_is_bounded_and_counts_what_it_leaves_out():
    stream = io.BytesIO()
    writer = PcapWriter(stream, limit=60)
    for _ in range(3):
        writer.write(0, bytes(20))
    assert writer.left_out == 2
    assert len(stream.getvalue()) == 24 + 36


def test_capture_of_a_writer_that_was_killed_ends_early():
    stream = io.BytesIO()
    PcapWriter(stream).write(1.0, b"frame")
    assert list(read_pcap(io.BytesIO(stream.getvalue()[:-1]))) == []


@pytest.mark.parametrize("data", [b"", b"not a capture, but long enough for a header"])
def test_a_file_that_is_no_capture(data):
    with pytest.raises(MediaError, match="not a packet capture"):
        list(read_pcap(io.BytesIO(data)))
