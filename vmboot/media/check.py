"""Whether a :class:`~vmboot.model.BootConfig` can be put on boot media, and what to be warned of.

Everything that ends in an iPXE script is held to a narrow alphabet here, so that no name or path
can become a second command (iPXE expands ``${}`` and splits at white space, ``&&``, ``||``).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass

from vmboot.errors import InputError
from vmboot.media.dialect import OWN_LABEL, SNIPPET_MARKS
from vmboot.model import (
    BootConfig,
    BootServer,
    Bootstrap,
    Firmware,
    Network,
    NetworkMode,
    Transport,
)

MAX_SERVERS = 32  # Citrix PVS, option 11: "up to 32"; also what one screen of messages can show
PVS_BIOS_SERVERS = 4  # login servers in ARDBP32.BIN's own table
MAX_FILE = 200  # a TFTP request must fit 512 bytes with its options (RFC 1350, 2347)
MAX_SNIPPET = 16 * 1024
MAX_WAIT = 3600.0  # seconds
MAX_VLAN = 4094  # IEEE 802.1Q; 0 and 4095 are reserved

SERVER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_DNS_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LABEL_LINE = re.compile(rf"\s*:\s*{OWN_LABEL}")


@dataclass(frozen=True)
class ConfigWarning:
    """Something that works on the media but may not work at the site.

    :param code: stable name, e.g. ``"pvs-bios-servers"``
    """

    code: str
    message: str


def check(config: BootConfig) -> tuple[ConfigWarning, ...]:
    """Refuse what cannot work; return what may not.

    :raises InputError: the config cannot be put on media; the message names the value
    """
    _check_servers(config.servers)
    _check_bootstraps(config)
    _check_network(config.network)
    _check_names(config)
    _check_waits(config)
    _check_snippet(config.snippet)
    return tuple(_warnings(config))


def split_address(address: str) -> tuple[str, int | None]:
    """Host and port of ``host[:port]``.

    :raises InputError: not an IPv4 address or DNS name, or a bad port
    """
    host, colon, port = address.partition(":")
    if not (is_ipv4(host) or _is_dns_name(host)) or ":" in port or "/" in port:
        raise InputError(
            f"{address!r} is not a boot server address",
            hint="give an IPv4 address or a DNS name, with :port if it is not the usual one",
        )
    if not colon:
        return host, None
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):
        raise InputError(f"{address!r} has a port that is not between 1 and 65535")
    return host, int(port)


def is_ipv4(host: str) -> bool:
    """Whether ``host`` is an IPv4 address in dotted decimal."""
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True


def _is_dns_name(host: str) -> bool:
    labels = host.split(".")
    named = len(host) <= 253 and all(_DNS_LABEL.fullmatch(label) for label in labels)
    return named and not labels[-1].isdigit()  # RFC 1123: the last label is never a number


def _check_servers(servers: tuple[BootServer, ...]) -> None:
    if not servers:
        raise InputError("no boot server is given", hint="name at least one, e.g. 10.0.0.11")
    if len(servers) > MAX_SERVERS:
        raise InputError(f"{len(servers)} boot servers are given, the most is {MAX_SERVERS}")
    seen: dict[str, BootServer] = {}
    for server in servers:
        host, _ = split_address(server.address)
        if is_ipv4(host):
            _refuse_special(ipaddress.IPv4Address(host), "boot server")
        if server.name and not SERVER_NAME.fullmatch(server.name):
            raise InputError(
                f"{server.name!r} is not a usable boot server name",
                hint="letters, digits, '.', '_' and '-', at most 63",
            )
        if server.address.lower() in seen:
            raise InputError(f"the boot server {server.address} is given twice")
        seen[server.address.lower()] = server


def _check_bootstraps(config: BootConfig) -> None:
    if not config.bootstrap and not config.work:
        raise InputError(
            "no bootstrap is given for any firmware",
            hint="e.g. bios=ARDBP32.BIN or uefi=pvsnbpx64.efi",
        )
    for firmware, bootstrap in config.bootstrap.items():
        _check_bootstrap(firmware, bootstrap)
        if config.work and bootstrap.transport is Transport.TFTP:
            _check_work_ports(config.servers)


def _check_work_ports(servers: tuple[BootServer, ...]) -> None:
    """Work is asked for by HTTP; a port would have to be that of TFTP as well."""
    for server in servers:
        if split_address(server.address)[1] is not None:
            raise InputError(
                f"{server.address}: a port cannot serve both HTTP, for work, and TFTP, for the "
                "bootstrap",
                hint="leave the port out, or fetch the bootstrap by HTTP",
            )


def _check_bootstrap(firmware: Firmware, bootstrap: Bootstrap) -> None:
    path = bootstrap.file
    where = f"the {firmware.value} bootstrap {path!r}"
    if not path or path.startswith("/"):
        raise InputError(f"{where} must be a path on the boot server without a leading slash")
    if len(path.encode("utf-8", "surrogatepass")) > MAX_FILE:
        raise InputError(f"{where} is longer than {MAX_FILE} bytes")
    if any(not " " < char < "\x7f" for char in path):
        raise InputError(f"{where} has a character that is not printable ASCII, or a space")
    if any(part in {"", ".", ".."} for part in path.split("/")):
        raise InputError(f"{where} has an empty, '.' or '..' part")
    if bootstrap.sha256 is not None and not _DIGEST.fullmatch(bootstrap.sha256.lower()):
        raise InputError(f"the sha256 of {where} is not 64 hexadecimal digits")


def _check_network(network: Network) -> None:
    if network.vlan is not None and not 1 <= network.vlan <= MAX_VLAN:
        raise InputError(f"VLAN {network.vlan} is not between 1 and {MAX_VLAN}")
    given = (network.address, network.netmask, network.gateway, network.dns)
    if network.mode is NetworkMode.DHCP:
        if any(value is not None for value in given):
            raise InputError(
                "an address, netmask, gateway or DNS server is given, but the network is DHCP",
                hint="choose the static mode, or leave them out",
            )
        return
    if network.address is None or network.netmask is None:
        missing = "an address" if network.address is None else "a netmask"
        raise InputError(f"a static network needs {missing}")
    _check_static(network.address, network.netmask, network.gateway)


def _check_static(
    address: ipaddress.IPv4Address,
    netmask: ipaddress.IPv4Address,
    gateway: ipaddress.IPv4Address | None,
) -> None:
    hole = ~int(netmask) & 0xFFFFFFFF
    if hole & (hole + 1) or not int(netmask):
        raise InputError(f"{netmask} is not a netmask")
    _refuse_special(address, "static address")
    subnet = ipaddress.IPv4Network((int(address), 32 - hole.bit_length()), strict=False)
    ends = {subnet.network_address, subnet.broadcast_address} if subnet.prefixlen < 31 else set()
    if address in ends:
        raise InputError(f"{address} is the network or broadcast address of {subnet}")
    if gateway is not None and (gateway not in subnet or gateway in ends):
        raise InputError(f"the gateway {gateway} is not a host of {subnet}")


def _refuse_special(address: ipaddress.IPv4Address, what: str) -> None:
    special = address.is_multicast or address.is_unspecified or address.is_loopback
    if special or int(address) >> 28 == 0xF:
        raise InputError(f"{address} cannot be a {what}: it is not the address of one host")


def _check_names(config: BootConfig) -> None:
    if config.network.mode is NetworkMode.DHCP or config.network.dns is not None:
        return
    for server in config.servers:
        host, _ = split_address(server.address)
        if not is_ipv4(host):
            raise InputError(
                f"the boot server {host} is a name, but the static network has no DNS server",
                hint="give the network a dns address, or the boot server by IPv4 address",
            )


def _check_waits(config: BootConfig) -> None:
    waits = (("server timeout", config.server_timeout, 0.1), ("retry pause", config.retry_pause, 0))
    for what, seconds, least in waits:
        if not least <= seconds <= MAX_WAIT:
            raise InputError(f"a {what} of {seconds} s is not between {least} and {MAX_WAIT:g} s")


def _check_snippet(snippet: str) -> None:
    if len(snippet.encode("utf-8", "surrogatepass")) > MAX_SNIPPET:
        raise InputError(f"the iPXE snippet is larger than {MAX_SNIPPET} bytes")
    if any(not (" " <= char < "\x7f" or char in "\t\n\r") for char in snippet):
        raise InputError("the iPXE snippet has characters that are not printable ASCII")
    for number, line in enumerate(snippet.splitlines(), 1):
        if line.strip() in SNIPPET_MARKS or _LABEL_LINE.match(line):
            raise InputError(f"line {number} of the iPXE snippet is reserved: {line.strip()!r}")


def _warnings(config: BootConfig) -> Iterator[ConfigWarning]:
    bios = config.bootstrap.get(Firmware.BIOS)
    pvs = bios is not None and bios.file.upper().endswith("ARDBP32.BIN")
    if pvs and len(config.servers) > PVS_BIOS_SERVERS:
        yield ConfigWarning(
            "pvs-bios-servers",
            f"{len(config.servers)} boot servers: the PVS BIOS bootstrap itself knows only "
            f"{PVS_BIOS_SERVERS} login servers; the others serve the file only",
        )
    if "autoboot" in config.snippet or re.search(r"^\s*exit\b", config.snippet, re.MULTILINE):
        yield ConfigWarning(
            "snippet-leaves", "the iPXE snippet can leave the script before any server is asked"
        )
    if config.work and not config.bootstrap:
        yield ConfigWarning(
            "work-only",
            "no bootstrap: a machine that reaches no server goes on to its next boot device",
        )
    if len(config.servers) == 1:
        yield ConfigWarning("one-server", "one boot server only: no failover when it is down")
