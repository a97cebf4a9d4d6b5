"""The iPXE script on boot media: whom to ask, in which order, and what to say meanwhile.

The script goes through the network cards, configures one, asks every server on it, and goes on to
the next card; after the last one it pauses and begins again, for ever. A person at the console
always sees what it is doing. :mod:`vmboot.media.scriptread` reads it back.

Source of the commands and settings: https://ipxe.org/cmd, https://ipxe.org/cfg.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from urllib.parse import quote

from vmboot.media.check import ConfigWarning, check, is_ipv4, split_address
from vmboot.media.dialect import HEADER, IMAGE, MAGIC, PLATFORM, SNIPPET_MARKS
from vmboot.media.scriptread import parse
from vmboot.model import BootConfig, BootServer, Bootstrap, Firmware, Network, NetworkMode

__all__ = ["ConfigWarning", "check", "parse", "render"]

LINK_WAIT_MS = 5000  # static mode: a card without link costs this much
URL_SAFE = "/._-~+=:,@!()*'"  # everything else is percent-encoded, so no '$', '&', '|' or '#'


def render(config: BootConfig) -> str:
    """The script for ``config``; the same config gives the same text.

    :raises InputError: the config cannot be put on media (see :func:`vmboot.media.check.check`)
    """
    check(config)
    parts = (
        _head(config),
        _choose_bootstrap(config),
        _choose_card(config.network),
        _snippet(config.snippet),
        _ask(config),
        _rest(config),
    )
    return "".join(f"{line}\n" for part in parts for line in part)


def _head(config: BootConfig) -> Iterator[str]:
    yield MAGIC
    yield HEADER
    yield f"# servers: {len(config.servers)}, network: {config.network.mode.value}"
    yield ""
    yield "echo vmboot: boot media started on ${platform}, iPXE ${version}"


def _choose_bootstrap(config: BootConfig) -> Iterator[str]:
    for firmware in sorted(config.bootstrap):
        yield f"iseq ${{platform}} {PLATFORM[firmware]} && goto vmboot_{firmware.value} ||"
    yield "echo vmboot: these media carry no bootstrap for ${platform}"
    yield "sleep 30"
    yield "exit 1"
    for firmware, bootstrap in sorted(config.bootstrap.items()):
        yield from _bootstrap(firmware, bootstrap)


def _bootstrap(firmware: Firmware, bootstrap: Bootstrap) -> Iterator[str]:
    yield f":vmboot_{firmware.value}"
    if bootstrap.sha256:
        yield f"# sha256 {bootstrap.sha256.lower()}"
    yield f"set vmboot_scheme {bootstrap.transport.value}"
    yield f"set vmboot_file {quote(bootstrap.file, safe=URL_SAFE)}"
    yield "goto vmboot_round"


def _choose_card(network: Network) -> Iterator[str]:
    yield ""
    yield ":vmboot_round"
    yield "set vmboot_nic:int32 0"
    yield ":vmboot_card"
    yield "isset ${net${vmboot_nic}/mac} || goto vmboot_rest"
    yield "set vmboot_dev net${vmboot_nic}"
    if network.vlan is not None:
        yield f"vcreate --tag {network.vlan} ${{vmboot_dev}} || goto vmboot_next_card"
        yield f"set vmboot_dev ${{vmboot_dev}}-{network.vlan}"
    if network.mode is NetworkMode.DHCP:
        yield "echo vmboot: asking for an address on ${vmboot_dev}"
        yield "dhcp ${vmboot_dev} || goto vmboot_next_card"
    else:
        yield from _static(network)
    yield "echo vmboot: ${vmboot_dev} is ${${vmboot_dev}/ip}"


def _static(network: Network) -> Iterator[str]:
    yield "ifopen ${vmboot_dev} || goto vmboot_next_card"
    yield "echo vmboot: waiting for the link of ${vmboot_dev}"
    # iPXE before 2020 has no iflinkwait: then, or without link, the servers' timeouts decide.
    yield f"iflinkwait --timeout {LINK_WAIT_MS} ${{vmboot_dev}} ||"
    for setting in ("address", "netmask", "gateway", "dns"):
        value = getattr(network, setting)
        if value is not None:
            name = "ip" if setting == "address" else setting
            yield f"set ${{vmboot_dev}}/{name} {value}"


def _snippet(snippet: str) -> Iterator[str]:
    if not snippet.strip():
        return
    yield "isset ${vmboot_ready} && goto vmboot_ask ||"
    yield SNIPPET_MARKS[0]
    yield from snippet.splitlines()
    yield SNIPPET_MARKS[1]
    yield "set vmboot_ready yes"


def _ask(config: BootConfig) -> Iterator[str]:
    count = len(config.servers)
    yield ":vmboot_ask"
    if config.random_start and count > 1:
        yield from _random_start(count)
    for number, server in enumerate(config.servers, 1):
        yield f":vmboot_server_{number}"
        yield from _one_server(server, f"{number}/{count}", config.server_timeout)
        if config.random_start and count > 1:
            yield "inc vmboot_asked"
            yield f"iseq ${{vmboot_asked}} {count} && goto vmboot_silent ||"
    if config.random_start and count > 1:
        yield "goto vmboot_server_1"
        yield ":vmboot_silent"


def _random_start(count: int) -> Iterator[str]:
    """Pick a server by counting up to a byte of the machine's UUID plus the clock.

    iPXE has neither modulo nor less-than, so the pick walks round the list until it has counted
    to the seed. The UUID spreads machines started together, the clock spreads boots of one. A
    ``uint8`` setting keeps the low byte of what is put in, and ``inc`` wraps at 256.
    """
    yield "set vmboot_asked:int32 0"
    yield "set vmboot_seed:uint8 ${unixtime} ||"
    yield "inc vmboot_seed ${smbios/1.23.1:uint8} ||"
    yield "isset ${vmboot_seed} || goto vmboot_server_1"
    yield "set vmboot_count:uint8 0"
    yield ":vmboot_pick"
    for number in range(1, count + 1):
        yield f"iseq ${{vmboot_count}} ${{vmboot_seed}} && goto vmboot_server_{number} ||"
        yield "inc vmboot_count"
    yield "goto vmboot_pick"


def _one_server(server: BootServer, place: str, timeout: float) -> Iterator[str]:
    host, _ = split_address(server.address)
    name = f"{server.name} " if server.name else ""
    yield f"echo vmboot: asking {name}{server.address} ({place}) for ${{vmboot_file}}"
    if is_ipv4(host):  # the bootstrap finds its server in the PXE reply that iPXE hands on
        yield f"set ${{vmboot_dev}}/next-server {host}"
    url = f"${{vmboot_scheme}}://{server.address}/${{vmboot_file}}"
    milliseconds = round(timeout * 1000)
    yield f"imgfetch --name {IMAGE} --timeout {milliseconds} {url} && goto vmboot_start ||"


def _rest(config: BootConfig) -> Iterator[str]:
    yield "echo vmboot: no boot server answered on ${vmboot_dev}"
    yield ":vmboot_next_card"
    yield "ifclose ${vmboot_dev} ||"
    yield "inc vmboot_nic"
    yield "goto vmboot_card"
    yield ""
    yield ":vmboot_rest"
    seconds = max(1, math.ceil(config.retry_pause))
    yield f"echo vmboot: nothing answered, trying again in {seconds} s"
    yield f"sleep {seconds}"
    yield "goto vmboot_round"
    yield ""
    yield ":vmboot_start"
    yield "echo vmboot: starting ${vmboot_file}"
    yield f"boot {IMAGE} ||"
    yield "echo vmboot: ${vmboot_file} did not start, or came back"
    yield f"imgfree {IMAGE} ||"
    yield "goto vmboot_rest"
