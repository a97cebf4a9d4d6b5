"""The GRUB script on boot media: the same order of work as the iPXE script, in GRUB's words.

GRUB goes through the network cards, configures one, asks every server on it by TFTP and goes on
to the next; after the last one it pauses and begins again, for ever. The console messages are
those of :mod:`vmboot.media.script`, so that people and rehearsals read both alike.

Source: GNU GRUB manual 2.06, chapters "Networking" and "Commands"; grub-core/net/net.c for the
classful mask that ``net_add_addr`` gives an address, which a static network has to correct.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Iterator

from vmboot.errors import InputError
from vmboot.media.check import check, split_address
from vmboot.model import (
    BootConfig,
    BootServer,
    Bootstrap,
    Firmware,
    Network,
    NetworkMode,
    Transport,
)

HEADER = "# vmboot GRUB script, format 1"
MAX_CARDS = 4  # GRUB has no command that tells how many there are; VMs seldom have more
_INTERFACE = "vmboot0"


def render_grub(config: BootConfig) -> str:
    """The grub.cfg for ``config``; the same config gives the same text.

    :raises InputError: the config asks for what GRUB cannot do (see :func:`refusals`), or cannot
        be put on any media
    """
    check(config)
    reasons = refusals(config)
    if reasons:
        raise InputError(
            f"the signed GRUB cannot boot this: {reasons[0]}",
            hint="use the chain shim-ipxe or site-key, whose loader is iPXE",
        )
    bootstrap = config.bootstrap[Firmware.UEFI]
    parts = (_head(config), _ask(config, bootstrap), _rounds(config))
    return "".join(f"{line}\n" for part in parts for line in part)


def refusals(config: BootConfig) -> tuple[str, ...]:
    """What ``config`` asks for and GRUB has no means for, in plain words."""
    return tuple(_refusals(config))


def _refusals(config: BootConfig) -> Iterator[str]:
    bootstrap = config.bootstrap.get(Firmware.UEFI)
    if bootstrap is None:
        yield "there is no bootstrap for UEFI machines"
    elif bootstrap.transport is not Transport.TFTP:
        yield f"it downloads by TFTP only, not by {bootstrap.transport.value.upper()}"
    if config.network.vlan is not None:
        yield f"it cannot tag frames, so VLAN {config.network.vlan} is out of its reach"
    if config.snippet.strip():
        yield "the snippet is in iPXE's language"
    if config.work:
        yield "it cannot ask a server for work"
    for server in config.servers:
        if split_address(server.address)[1] is not None:
            yield f"it asks TFTP servers on port 69 only, not {server.address}"


def _head(config: BootConfig) -> Iterator[str]:
    yield HEADER
    yield f"# servers: {len(config.servers)}, network: {config.network.mode.value}"
    digest = config.bootstrap[Firmware.UEFI].sha256
    if digest:
        yield f"# sha256 {digest.lower()}"
    yield "set pager=0"
    yield 'echo "vmboot: boot media started on efi, GRUB"'
    yield ""


def _ask(config: BootConfig, bootstrap: Bootstrap) -> Iterator[str]:
    count = len(config.servers)
    yield "function vmboot_ask {"
    for number, server in enumerate(config.servers, 1):
        yield from _one_server(server, f"{number}/{count}", bootstrap.file)
    yield '  echo "vmboot: no boot server answered on $1"'
    yield "}"
    yield ""


def _one_server(server: BootServer, place: str, file: str) -> Iterator[str]:
    name = f"{server.name} " if server.name else ""
    yield f"  echo {_quoted(f'vmboot: asking {name}{server.address} ({place}) for {file}')}"
    yield f"  set root=tftp,{server.address}"  # chainloader takes its device from there
    yield f"  if chainloader {_quoted(f'/{file}')}; then"
    yield f"    echo {_quoted(f'vmboot: starting {file}')}"
    yield "    boot"
    yield f"    echo {_quoted(f'vmboot: {file} did not start, or came back')}"
    yield "  fi"


def _quoted(text: str) -> str:
    """One word of a GRUB script whatever is in it."""
    return "'" + text.replace("'", "'\\''") + "'"


def _rounds(config: BootConfig) -> Iterator[str]:
    cards = " ".join(f"efinet{number}" for number in range(MAX_CARDS))
    seconds = max(1, math.ceil(config.retry_pause))
    yield "while true; do"
    yield f"  for card in {cards}; do"
    yield from _dhcp() if config.network.mode is NetworkMode.DHCP else _static(config.network)
    yield "  done"
    yield f"  echo 'vmboot: nothing answered, trying again in {seconds} s'"
    yield f"  sleep {seconds}"
    yield "done"


def _dhcp() -> Iterator[str]:
    yield '    echo "vmboot: asking for an address on $card (if there is one)"'
    yield "    if net_bootp $card; then"
    yield "      vmboot_ask $card"
    yield "      net_del_addr $card:dhcp"
    yield "    fi"


def _static(network: Network) -> Iterator[str]:
    assert network.address is not None  # check() saw to it
    subnet = ipaddress.IPv4Network((int(network.address), _bits(network)), strict=False)
    yield f"    if net_add_addr {_INTERFACE} $card {network.address}; then"
    yield f"      net_del_route {_INTERFACE}:local"
    yield f"      net_add_route vmboot_lan {subnet} {_INTERFACE}"
    if network.gateway is not None:
        yield f"      net_add_route vmboot_gateway 0.0.0.0/0 gw {network.gateway}"
    if network.dns is not None:
        yield f"      net_add_dns {network.dns} only-ipv4"
    yield f'      echo "vmboot: $card is {network.address}"'
    yield "      vmboot_ask $card"
    if network.gateway is not None:
        yield "      net_del_route vmboot_gateway"
    yield "      net_del_route vmboot_lan"
    yield f"      net_del_addr {_INTERFACE}"
    yield "    fi"


def _bits(network: Network) -> int:
    return f"{int(network.netmask or 0):032b}".count("1")
