"""What cannot be put on boot media is refused with the value in the message."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from tests.unit.media.synthetic import config
from vmboot.errors import InputError
from vmboot.media.check import check, split_address
from vmboot.model import BootServer, Bootstrap, Firmware, Network, NetworkMode, Transport

IP, MASK = IPv4Address("10.0.0.5"), IPv4Address("255.255.255.0")
STATIC = NetworkMode.STATIC


def servers(count: int) -> tuple[BootServer, ...]:
    return tuple(BootServer(f"10.0.1.{number}") for number in range(1, count + 1))


def bios(file: str, **more: object) -> dict[Firmware, Bootstrap]:
    return {Firmware.BIOS: Bootstrap(file, **more)}  # type: ignore[arg-type]


GOOD = {
    "plain": {},
    "one server": {"servers": servers(1)},
    "32 servers": {"servers": servers(32)},
    "a name with a port": {"servers": (BootServer("pvs.example.net:6969", "pvs-1"),)},
    "static": {"network": Network(STATIC, IP, MASK, IPv4Address("10.0.0.1"))},
    "static /31": {"network": Network(STATIC, IP, IPv4Address("255.255.255.254"))},
    "vlan 1": {"network": Network(vlan=1)},
    "vlan 4094": {"network": Network(vlan=4094)},
    "backslashes": {"bootstrap": bios("boot\\x64\\wdsnbp.com")},
    "special characters": {"bootstrap": bios("a/b$c&d|e#f%20?x=${y}")},
    "work and no bootstrap": {"work": True, "bootstrap": {}},
    "work and a bootstrap": {"work": True},
    "work by a port": {
        "work": True,
        "servers": (BootServer("10.0.0.1:8080"),),
        "bootstrap": bios("a", transport=Transport.HTTP),
    },
    "snippet": {"snippet": "echo hi\nset foo bar\n"},
}

BAD = {
    "no server": ({"servers": ()}, "no boot server"),
    "33 servers": ({"servers": servers(33)}, "33 boot servers"),
    "twice": ({"servers": servers(1) * 2}, "twice"),
    "bad octet": ({"servers": (BootServer("10.0.0.300"),)}, "10.0.0.300"),
    "three octets": ({"servers": (BootServer("10.0.0"),)}, "10.0.0"),
    "white space": ({"servers": (BootServer("10.0.0.1 10.0.0.2"),)}, "not a boot server"),
    "injection": ({"servers": (BootServer("${net0/gateway}"),)}, "not a boot server"),
    "url": ({"servers": (BootServer("http://x/"),)}, "not a boot server"),
    "ipv6": ({"servers": (BootServer("fe80::1"),)}, "not a boot server"),
    "empty": ({"servers": (BootServer(""),)}, "not a boot server"),
    "port 0": ({"servers": (BootServer("10.0.0.1:0"),)}, "port"),
    "port 65536": ({"servers": (BootServer("10.0.0.1:65536"),)}, "port"),
    "port words": ({"servers": (BootServer("10.0.0.1:tftp"),)}, "port"),
    "long label": ({"servers": (BootServer("x" * 64 + ".net"),)}, "not a boot server"),
    "work by a port, bootstrap by TFTP": (
        {"work": True, "servers": (BootServer("10.0.0.1:8080"),)},
        "cannot serve both",
    ),
    "multicast": ({"servers": (BootServer("224.0.0.1"),)}, "224.0.0.1"),
    "loopback": ({"servers": (BootServer("127.0.0.1"),)}, "127.0.0.1"),
    "broadcast": ({"servers": (BootServer("255.255.255.255"),)}, "255.255.255.255"),
    "name with space": ({"servers": (BootServer("10.0.0.1", "pvs one"),)}, "pvs one"),
    "name that expands": ({"servers": (BootServer("10.0.0.1", "${ip}"),)}, "name"),
    "name with newline": ({"servers": (BootServer("10.0.0.1", "a\nreboot"),)}, "name"),
    "no bootstrap": ({"bootstrap": {}}, "no bootstrap"),
    "empty file": ({"bootstrap": bios("")}, "without a leading slash"),
    "absolute file": ({"bootstrap": bios("/etc/passwd")}, "without a leading slash"),
    "parent": ({"bootstrap": bios("../x")}, "'..'"),
    "file with space": ({"bootstrap": bios("a b")}, "space"),
    "file with newline": ({"bootstrap": bios("a\nreboot")}, "printable"),
    "file not ascii": ({"bootstrap": bios("ä.efi")}, "printable"),
    "long file": ({"bootstrap": bios("x" * 201)}, "longer"),
    "bad digest": ({"bootstrap": bios("x", sha256="12")}, "sha256"),
    "vlan 0": ({"network": Network(vlan=0)}, "VLAN 0"),
    "vlan 4095": ({"network": Network(vlan=4095)}, "VLAN 4095"),
    "no netmask": ({"network": Network(STATIC, IP)}, "needs a netmask"),
    "no address": ({"network": Network(STATIC, None, MASK)}, "needs an address"),
    "holes": ({"network": Network(STATIC, IP, IPv4Address("255.0.255.0"))}, "not a netmask"),
    "network address": (
        {"network": Network(STATIC, IPv4Address("10.0.0.0"), MASK)},
        "network or broadcast",
    ),
    "far gateway": (
        {"network": Network(STATIC, IP, MASK, IPv4Address("10.9.0.1"))},
        "gateway 10.9.0.1",
    ),
    "dhcp with address": ({"network": Network(address=IP)}, "the network is DHCP"),
    "name without dns": (
        {"network": Network(STATIC, IP, MASK), "servers": (BootServer("pvs.example.net"),)},
        "no DNS server",
    ),
    "no timeout": ({"server_timeout": 0}, "server timeout"),
    "endless timeout": ({"server_timeout": float("inf")}, "server timeout"),
    "nan pause": ({"retry_pause": float("nan")}, "retry pause"),
    "snippet with mark": ({"snippet": "# vmboot: snippet ends\n"}, "line 1"),
    "snippet with label": ({"snippet": "echo\n:vmboot_rest\n"}, "line 2"),
    "snippet not ascii": ({"snippet": "echo ä"}, "printable"),
    "huge snippet": ({"snippet": "x" * 20000}, "larger"),
}


@pytest.mark.parametrize("instead", GOOD.values(), ids=GOOD)
def test_good_configs_pass(instead: dict[str, object]) -> None:
    check(config(**instead))


@pytest.mark.parametrize(("instead", "words"), BAD.values(), ids=BAD)
def test_bad_configs_are_refused_in_plain_words(instead: dict[str, object], words: str) -> None:
    with pytest.raises(InputError) as caught:
        check(config(**instead))
    assert words in caught.value.message


def test_more_than_four_servers_with_the_pvs_bios_bootstrap_are_a_warning() -> None:
    codes = {warning.code for warning in check(config(servers=servers(5)))}
    assert codes == {"pvs-bios-servers"}
    other = config(servers=servers(5), bootstrap=bios("undionly.kpxe"))
    assert check(other) == ()


def test_one_server_is_a_warning() -> None:
    assert [each.code for each in check(config(servers=servers(1)))] == ["one-server"]


def test_work_alone_is_a_warning() -> None:
    alone = check(config(bootstrap={}, work=True))
    assert [each.code for each in alone] == ["work-only"]
    assert check(config(work=True)) == ()


def test_a_snippet_that_leaves_is_a_warning() -> None:
    assert [each.code for each in check(config(snippet="exit\n"))] == ["snippet-leaves"]


def test_a_port_is_split_off() -> None:
    assert split_address("10.0.0.1:8080") == ("10.0.0.1", 8080)
    assert split_address("pvs1") == ("pvs1", None)
