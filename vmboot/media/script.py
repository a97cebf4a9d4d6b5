"""The iPXE script on boot media: whom to ask, in which order, and what to say meanwhile.

The script goes through the network cards, configures one, asks every server on it, and goes on to
the next card; after the last one it pauses and begins again, for ever. Where work is asked for
first, a server that has none sends the machine on to its next boot device at once. A person at the
console always sees what it is doing. :mod:`vmboot.media.scriptread` reads it back.

Source of the commands and settings: https://ipxe.org/cmd, https://ipxe.org/cfg.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from urllib.parse import quote

from vmboot.media.check import ConfigWarning, check, is_ipv4, split_address
from vmboot.media.dialect import (
    HEADER,
    IDENTITY,
    IMAGE,
    MAGIC,
    NO_PAUSE,
    NOT_FOUND,
    PLATFORM,
    SNIPPET_MARKS,
    WORK,
    WORK_FIRST,
)
from vmboot.media.scriptread import parse
from vmboot.model import BootConfig, BootServer, Bootstrap, Firmware, Network, NetworkMode

__all__ = ["ConfigWarning", "check", "parse", "render"]

LINK_WAIT_MS = 5000  # static mode: a card without link costs this much
NEXT_DISK = 0x81  # BIOS number of the disk behind the one that was booted
URL_SAFE = "/._-~+=:,@!()*'"  # everything else is percent-encoded, so no '$', '&', '|' or '#'


def render(config: BootConfig, *, disk: bool = False) -> str:
    """The script for ``config``; the same config gives the same text.

    :param disk: it starts from a boot disk, so that the machine's own disk is the second one
    :raises InputError: the config cannot be put on media (see :func:`vmboot.media.check.check`)
    """
    check(config)
    parts = (
        _head(config),
        _choose_bootstrap(config),
        _choose_card(config.network),
        _snippet(config.snippet),
        _ask_for_work(config) if config.work else (),
        _ask(config) if config.bootstrap else (),
        _rest(config),
        _start() if config.bootstrap else (),
        _do_work(disk=disk) if config.work else (),
    )
    return "".join(f"{line}\n" for part in parts for line in part)


def _head(config: BootConfig) -> Iterator[str]:
    yield MAGIC
    yield HEADER
    work = f", {WORK_FIRST}" if config.work else ""
    yield f"# servers: {len(config.servers)}, network: {config.network.mode.value}{work}"
    if not config.bootstrap:
        yield f"{NO_PAUSE} {_pause(config)} s"
    yield ""
    yield "echo vmboot: boot media started on ${platform}, iPXE ${version}"


def _choose_bootstrap(config: BootConfig) -> Iterator[str]:
    if not config.bootstrap:
        return
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


def _ask_for_work(config: BootConfig) -> Iterator[str]:
    yield ":vmboot_ask"
    yield from _each_server(config, "work", _one_work_server)
    yield "echo vmboot: no server answered whether there is work"


def _ask(config: BootConfig) -> Iterator[str]:
    yield ":vmboot_files" if config.work else ":vmboot_ask"
    yield from _each_server(config, "server", _one_server)
    yield "echo vmboot: no boot server answered on ${vmboot_dev}"


def _each_server(
    config: BootConfig, label: str, one: Callable[[BootServer, str, float], Iterator[str]]
) -> Iterator[str]:
    """What ``one`` says, for each server in order, or from a random one on."""
    count = len(config.servers)
    random = config.random_start and count > 1
    silent = "vmboot_silent" if label == "server" else f"vmboot_silent_{label}"
    if random:
        yield from _random_start(count, label)
    for number, server in enumerate(config.servers, 1):
        yield f":vmboot_{label}_{number}"
        yield from one(server, f"{number}/{count}", config.server_timeout)
        if random:
            yield "inc vmboot_asked"
            yield f"iseq ${{vmboot_asked}} {count} && goto {silent} ||"
    if random:
        yield f"goto vmboot_{label}_1"
        yield f":{silent}"


def _random_start(count: int, label: str) -> Iterator[str]:
    """Pick a server by counting up to a byte of the machine's UUID plus the clock.

    iPXE has neither modulo nor less-than, so the pick walks round the list until it has counted
    to the seed. The UUID spreads machines started together, the clock spreads boots of one. A
    ``uint8`` setting keeps the low byte of what is put in, and ``inc`` wraps at 256.
    """
    yield "set vmboot_asked:int32 0"
    yield "set vmboot_seed:uint8 ${unixtime} ||"
    yield "inc vmboot_seed ${smbios/1.23.1:uint8} ||"
    pick = "vmboot_pick" if label == "server" else f"vmboot_pick_{label}"
    yield f"isset ${{vmboot_seed}} || goto vmboot_{label}_1"
    yield "set vmboot_count:uint8 0"
    yield f":{pick}"
    for number in range(1, count + 1):
        yield f"iseq ${{vmboot_count}} ${{vmboot_seed}} && goto vmboot_{label}_{number} ||"
        yield "inc vmboot_count"
    yield f"goto {pick}"


def _one_server(server: BootServer, place: str, timeout: float) -> Iterator[str]:
    host, _ = split_address(server.address)
    name = f"{server.name} " if server.name else ""
    yield f"echo vmboot: asking {name}{server.address} ({place}) for ${{vmboot_file}}"
    if is_ipv4(host):  # the bootstrap finds its server in the PXE reply that iPXE hands on
        yield f"set ${{vmboot_dev}}/next-server {host}"
    url = f"${{vmboot_scheme}}://{server.address}/${{vmboot_file}}"
    milliseconds = round(timeout * 1000)
    yield f"imgfetch --name {IMAGE} --timeout {milliseconds} {url} && goto vmboot_start ||"


def _one_work_server(server: BootServer, place: str, timeout: float) -> Iterator[str]:
    """Ask for work: a script to run, or the answer that there is none.

    An answer that iPXE numbers otherwise than here counts as none, so the next server is asked.
    """
    name = f"{server.name} " if server.name else ""
    yield f"echo vmboot: asking {name}{server.address} ({place}) for work"
    query = "&".join(f"{key}={value}" for key, value in IDENTITY.items())
    url = f"http://{server.address}/work?{query}"
    milliseconds = round(timeout * 1000)
    yield f"imgfetch --name {WORK} --timeout {milliseconds} {url} && goto vmboot_work ||"
    yield "set vmboot_error ${errno:hex}"
    for number in NOT_FOUND:
        yield f"iseq ${{vmboot_error}} {number} && goto vmboot_no_work ||"


def _pause(config: BootConfig) -> int:
    return max(1, math.ceil(config.retry_pause))


def _rest(config: BootConfig) -> Iterator[str]:
    yield ":vmboot_next_card"
    yield "ifclose ${vmboot_dev} ||"
    yield "inc vmboot_nic"
    yield "goto vmboot_card"
    yield ""
    yield ":vmboot_rest"
    if not config.bootstrap:
        yield "goto vmboot_next_device"
        return
    seconds = _pause(config)
    yield f"echo vmboot: nothing answered, trying again in {seconds} s"
    yield f"sleep {seconds}"
    yield "goto vmboot_round"


def _start() -> Iterator[str]:
    yield ""
    yield ":vmboot_start"
    yield "echo vmboot: starting ${vmboot_file}"
    yield f"boot {IMAGE} ||"
    yield "echo vmboot: ${vmboot_file} did not start, or came back"
    yield f"imgfree {IMAGE} ||"
    yield "goto vmboot_rest"


def _do_work(*, disk: bool) -> Iterator[str]:
    yield ""
    yield ":vmboot_work"
    yield "echo vmboot: starting the work"
    yield f"boot {WORK} ||"  # an empty answer (HTTP status 204) is no script and does not start
    yield "echo vmboot: there is no work, or it came back"
    yield f"imgfree {WORK} ||"
    yield "goto vmboot_next_device"
    yield ":vmboot_no_work"
    yield "echo vmboot: no work for this machine"
    yield ":vmboot_next_device"
    yield "echo vmboot: going on to the next boot device"
    if disk:  # a BIOS never goes from one disk to the next by itself
        yield f"iseq ${{platform}} {PLATFORM[Firmware.BIOS]} || exit 1"
        yield f"sanboot --no-describe --drive {NEXT_DISK:#x} ||"
    yield "exit 1"
