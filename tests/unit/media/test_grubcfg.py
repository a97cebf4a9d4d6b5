"""The GRUB script: what it says and does, and what is refused because GRUB cannot do it."""

from __future__ import annotations

import shutil
import subprocess
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from tests.unit.media.synthetic import config
from vmboot.errors import InputError
from vmboot.media.grubcfg import refusals, render_grub
from vmboot.model import (
    BootConfig,
    BootServer,
    Bootstrap,
    Firmware,
    Network,
    NetworkMode,
    Transport,
)

UEFI = {Firmware.UEFI: Bootstrap("boot/pvsnbpx64.efi")}
STATIC = Network(
    NetworkMode.STATIC,
    IPv4Address("192.0.2.50"),
    IPv4Address("255.255.255.128"),
    IPv4Address("192.0.2.1"),
    IPv4Address("192.0.2.2"),
)


def wanted(**instead: object) -> BootConfig:
    return config(**{"bootstrap": UEFI, **instead})


def test_the_whole_script_for_dhcp() -> None:
    assert (
        render_grub(wanted())
        == """\
# vmboot GRUB script, format 1
# servers: 2, network: dhcp
set pager=0
echo "vmboot: boot media started on efi, GRUB"

function vmboot_ask {
  echo 'vmboot: asking pvs1 10.0.0.11 (1/2) for boot/pvsnbpx64.efi'
  set root=tftp,10.0.0.11
  if chainloader '/boot/pvsnbpx64.efi'; then
    echo 'vmboot: starting boot/pvsnbpx64.efi'
    boot
    echo 'vmboot: boot/pvsnbpx64.efi did not start, or came back'
  fi
  echo 'vmboot: asking 10.0.0.12 (2/2) for boot/pvsnbpx64.efi'
  set root=tftp,10.0.0.12
  if chainloader '/boot/pvsnbpx64.efi'; then
    echo 'vmboot: starting boot/pvsnbpx64.efi'
    boot
    echo 'vmboot: boot/pvsnbpx64.efi did not start, or came back'
  fi
  echo "vmboot: no boot server answered on $1"
}

while true; do
  for card in efinet0 efinet1 efinet2 efinet3; do
    echo "vmboot: asking for an address on $card (if there is one)"
    if net_bootp $card; then
      vmboot_ask $card
      net_del_addr $card:dhcp
    fi
  done
  echo 'vmboot: nothing answered, trying again in 5 s'
  sleep 5
done
"""
    )


def test_a_static_network_has_its_own_mask_gateway_and_dns() -> None:
    text = render_grub(wanted(network=STATIC))
    rounds = text[text.index("  for card") :]
    assert rounds.startswith("""\
  for card in efinet0 efinet1 efinet2 efinet3; do
    if net_add_addr vmboot0 $card 192.0.2.50; then
      net_del_route vmboot0:local
      net_add_route vmboot_lan 192.0.2.0/25 vmboot0
      net_add_route vmboot_gateway 0.0.0.0/0 gw 192.0.2.1
      net_add_dns 192.0.2.2 only-ipv4
      echo "vmboot: $card is 192.0.2.50"
      vmboot_ask $card
      net_del_route vmboot_gateway
      net_del_route vmboot_lan
      net_del_addr vmboot0
    fi
""")
    assert "net_bootp" not in text


def test_a_file_name_with_signs_of_the_language_stays_one_word() -> None:
    text = render_grub(wanted(bootstrap={Firmware.UEFI: Bootstrap("a';halt;$x'.efi")}))
    assert "chainloader '/a'\\'';halt;$x'\\''.efi'" in text


@pytest.mark.parametrize(
    ("instead", "reason"),
    [
        ({"bootstrap": {Firmware.UEFI: Bootstrap("x", Transport.HTTP)}}, "not by HTTP"),
        ({"bootstrap": {Firmware.BIOS: Bootstrap("x")}}, "no bootstrap for UEFI"),
        ({"network": Network(vlan=7)}, "VLAN 7 is out of its reach"),
        ({"snippet": "echo hello"}, "the snippet is in iPXE's language"),
        ({"work": True}, "cannot ask a server for work"),
        ({"servers": (BootServer("10.0.0.11:6969"),)}, "port 69 only, not 10.0.0.11:6969"),
    ],
)
def test_what_grub_cannot_do_is_refused(instead: dict[str, object], reason: str) -> None:
    assert any(reason in each for each in refusals(wanted(**instead)))
    with pytest.raises(InputError, match="the signed GRUB cannot boot this") as caught:
        render_grub(wanted(**instead))
    assert "shim-ipxe or site-key" in caught.value.hint


def test_nothing_stands_against_a_plain_config() -> None:
    assert refusals(wanted()) == refusals(wanted(network=STATIC)) == ()


@pytest.mark.parametrize("network", [Network(), STATIC])
def test_grubs_own_parser_takes_it(network: Network, tmp_path: Path) -> None:
    checker = shutil.which("grub-script-check") or shutil.which("grub2-script-check")
    if not checker:
        pytest.skip("grub-script-check is not installed: apt-get install grub-common")
    path = tmp_path / "grub.cfg"
    path.write_text(render_grub(wanted(network=network)))
    done = subprocess.run([checker, str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
