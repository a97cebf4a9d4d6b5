import ipaddress

import pytest

from vmboot.cli.commands.media_flags import parse_bootstraps, parse_network, parse_server
from vmboot.errors import InputError
from vmboot.model import BootServer, Bootstrap, Firmware, Network, NetworkMode, Transport


def address(text):
    return ipaddress.IPv4Address(text)


def test_a_server_may_have_a_name_and_a_port():
    assert parse_server("pvs1=10.0.0.11:6910") == BootServer("10.0.0.11:6910", "pvs1")


@pytest.mark.parametrize("text", ["ARDBP32.BIN", "bios=", "arm64=x.efi", "=x"])
def test_a_bootstrap_names_its_firmware(text):
    with pytest.raises(InputError, match="not FIRMWARE=FILE"):
        parse_bootstraps([text], Transport.TFTP)


def test_a_firmware_has_one_bootstrap():
    with pytest.raises(InputError, match="given twice"):
        parse_bootstraps(["bios=a", "bios=b"], Transport.TFTP)


def test_the_protocol_is_that_of_every_bootstrap():
    found = parse_bootstraps(["bios=/a", "uefi=b"], Transport.HTTP)
    assert found == {
        Firmware.BIOS: Bootstrap("a", Transport.HTTP),
        Firmware.UEFI: Bootstrap("b", Transport.HTTP),
    }


def test_static_settings_are_read():
    assert parse_network("address=10.0.0.5,netmask=255.255.255.0,gateway=10.0.0.1", 7) == Network(
        mode=NetworkMode.STATIC,
        address=address("10.0.0.5"),
        netmask=address("255.255.255.0"),
        gateway=address("10.0.0.1"),
        vlan=7,
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("address=10.0.0.5", "needs netmask="),
        ("netmask=255.0.0.0", "needs address="),
        ("adress=10.0.0.5", "has no 'adress'"),
        ("address=10.0.0,netmask=255.0.0.0", "not an IPv4 address"),
        ("address=10.0.0.5,address=10.0.0.6", "given twice"),
    ],
)
def test_static_settings_that_cannot_be_meant_are_refused(text, words):
    with pytest.raises(InputError, match=words):
        parse_network(text, None)
