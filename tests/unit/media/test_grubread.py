"""A GRUB script of ours says which config it was made from."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.media.synthetic import config
from vmboot.errors import MediaError
from vmboot.media.grubcfg import render_grub
from vmboot.media.grubread import is_grub_script, parse_grub
from vmboot.model import BootConfig, BootServer, Bootstrap, Firmware, Network, NetworkMode

UEFI = {Firmware.UEFI: Bootstrap("boot/next.efi", sha256="ab" * 32)}
STATIC = Network(
    NetworkMode.STATIC,
    IPv4Address("192.0.2.50"),
    IPv4Address("255.255.255.128"),
    IPv4Address("192.0.2.1"),
    IPv4Address("192.0.2.2"),
)


def wanted(**instead: object) -> BootConfig:
    return config(**{"bootstrap": UEFI, **instead})


@pytest.mark.parametrize(
    "network", [Network(), STATIC, replace(STATIC, gateway=None), replace(STATIC, dns=None)]
)
def test_what_was_written_is_read(network: Network) -> None:
    assert parse_grub(render_grub(wanted(network=network))) == wanted(network=network)


printable = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="/"))


@given(
    file=printable.filter(lambda text: text not in ("", ".", "..")),
    names=st.lists(st.sampled_from(["", "pvs1", "a.b-c_d"]), min_size=1, max_size=5),
    pause=st.integers(1, 3600),
)
def test_any_config_that_grub_can_do_comes_back(file: str, names: list[str], pause: int) -> None:
    servers = tuple(BootServer(f"10.0.0.{n}", name) for n, name in enumerate(names, 1))
    made = wanted(
        servers=servers,
        bootstrap={Firmware.UEFI: Bootstrap(file[:200])},
        retry_pause=float(pause),
    )
    assert parse_grub(render_grub(made)) == made


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("set root=tftp,10.0.0.11", "set root=tftp,not!a!host"),
        ("chainloader '/boot/next.efi'", "chainloader '/other.efi'"),
        ("  sleep 5", "  halt"),
        ("chainloader '/boot/next.efi'", "chainloader '/open"),
    ],
)
def test_a_script_that_was_changed_is_not_believed(old: str, new: str) -> None:
    text = render_grub(wanted())
    assert old in text
    with pytest.raises(MediaError, match="was changed"):
        parse_grub(text.replace(old, new, 1))


def test_other_scripts_are_not_ours() -> None:
    for text in ("", "set timeout=5\n", "#!ipxe\n"):
        assert not is_grub_script(text)
        with pytest.raises(MediaError, match="not a vmboot GRUB script"):
            parse_grub(text)
