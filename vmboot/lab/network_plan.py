"""Which address answers what in the lab network of one rehearsal. Pure: values in, a plan out."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from vmboot.errors import InputError, RefusedError
from vmboot.model import BootServer, Network, NetworkMode

_FALLBACK_SUBNET = IPv4Network("10.99.0.0/24")
_HTTP_PORT = 80


@dataclass(frozen=True)
class LabServer:
    """A boot server as the lab plays it.

    :param address: the address the machine asks; for a server known by name, one the lab chose
    :param http_port: the port of its HTTP service
    :param dead: nobody has this address
    """

    label: str
    address: IPv4Address
    http_port: int = _HTTP_PORT
    dead: bool = False
    name: str = ""


@dataclass(frozen=True)
class LabPlan:
    """Everything that the inside of the lab network needs to know.

    :param owned: addresses that answer, as the lab's own interface addresses
    :param subnet: the machine's subnet; the lab has a route to it
    :param gateway: the machine's gateway, played by the lab; ``None`` if it has none
    :param lease: the address DHCP hands out; ``None`` without DHCP
    :param names: what DNS answers
    :param vlan: the machine must tag its frames with this id; ``None`` for untagged
    """

    servers: tuple[LabServer, ...]
    owned: tuple[IPv4Address, ...]
    subnet: IPv4Network
    gateway: IPv4Address | None = None
    lease: IPv4Address | None = None
    names: Mapping[str, IPv4Address] = field(default_factory=dict)
    vlan: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The plan with addresses as text, for :mod:`vmboot.lab.netns`."""
        return {
            "servers": [
                {
                    "label": server.label,
                    "address": str(server.address),
                    "http_port": server.http_port,
                    "dead": server.dead,
                    "name": server.name,
                }
                for server in self.servers
            ],
            "owned": [str(address) for address in self.owned],
            "subnet": str(self.subnet),
            "gateway": str(self.gateway) if self.gateway else None,
            "lease": str(self.lease) if self.lease else None,
            "names": {name: str(address) for name, address in self.names.items()},
            "vlan": self.vlan,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LabPlan:
        """The reverse of :meth:`to_json`."""

        def address(text: str | None) -> IPv4Address | None:
            return IPv4Address(text) if text else None

        return cls(
            servers=tuple(
                LabServer(**{**server, "address": IPv4Address(server["address"])})
                for server in data["servers"]
            ),
            owned=tuple(IPv4Address(text) for text in data["owned"]),
            subnet=IPv4Network(data["subnet"]),
            gateway=address(data["gateway"]),
            lease=address(data["lease"]),
            names={name: IPv4Address(text) for name, text in data["names"].items()},
            vlan=data["vlan"],
        )


def plan_network(
    servers: Sequence[BootServer],
    *,
    dead: Collection[BootServer] = (),
    network: Network | None = None,
) -> LabPlan:
    """The lab network in which ``servers`` answer, except those in ``dead``.

    With DHCP the machine lives in the /24 of the first server that is an address; with a static
    network, where its configuration says. Servers named by DNS get free addresses of that subnet.

    :raises InputError: a server's address or the static network is not usable
    :raises RefusedError: two servers, one dead and one alive, share an address
    """
    network = network or Network()
    parsed = [_parse(server) for server in servers]
    fixed = [address for _, address, _ in parsed if address]
    subnet = _subnet(network, fixed)
    taken = {*fixed, *_configured(network), subnet.network_address, subnet.broadcast_address}
    played = [
        LabServer(
            label=server.label,
            address=address or _free(subnet, taken),
            http_port=port,
            dead=server in dead,
            name="" if address else _host(server),
        )
        for server, address, port in parsed
    ]
    _check_conflicts(played)
    static = network.mode is NetworkMode.STATIC
    gateway = network.gateway if static else _free(subnet, taken)
    lease = None if static else _free(subnet, taken, backwards=True)
    return LabPlan(
        servers=tuple(played),
        owned=_owned(played, gateway, network.dns if static else None),
        subnet=subnet,
        gateway=gateway,
        lease=lease,
        names={server.name: server.address for server in played if server.name},
        vlan=network.vlan,
    )


def _host(server: BootServer) -> str:
    return server.address.partition(":")[0]


def _parse(server: BootServer) -> tuple[BootServer, IPv4Address | None, int]:
    host, _, port = server.address.partition(":")
    if not host or (port and not (port.isdecimal() and 0 < int(port) < 65536)):
        raise InputError(f"'{server.address}' is not an address or name with an optional port")
    try:
        address = IPv4Address(host)
    except ipaddress.AddressValueError:
        return server, None, int(port or _HTTP_PORT)
    if address.is_loopback or address.is_multicast or address.is_unspecified:
        raise InputError(
            f"no machine can boot from {address}",
            hint="Name an address of the boot server that other machines reach.",
        )
    return server, address, int(port or _HTTP_PORT)


def _subnet(network: Network, fixed: Sequence[IPv4Address]) -> IPv4Network:
    if network.mode is NetworkMode.STATIC:
        if network.address is None or network.netmask is None:
            raise InputError("a static network needs an address and a netmask")
        return IPv4Network((int(network.address), str(network.netmask)), strict=False)
    return IPv4Network((int(fixed[0]), 24), strict=False) if fixed else _FALLBACK_SUBNET


def _configured(network: Network) -> set[IPv4Address]:
    return {a for a in (network.address, network.gateway, network.dns) if a is not None}


def _free(subnet: IPv4Network, taken: set[IPv4Address], *, backwards: bool = False) -> IPv4Address:
    """A host of ``subnet`` that nobody has; it is taken from now on."""
    last = subnet.num_addresses - 1
    for offset in range(last - 1, 0, -1) if backwards else range(1, last):
        address = subnet[offset]
        if address not in taken:
            taken.add(address)
            return address
    raise InputError(f"no free address is left in {subnet}")


def _check_conflicts(servers: Sequence[LabServer]) -> None:
    dead = {server.address: server for server in servers if server.dead}
    for server in servers:
        if not server.dead and server.address in dead:
            raise RefusedError(
                f"{server.label} and {dead[server.address].label} share the address"
                f" {server.address}: one cannot be dead while the other answers"
            )


def _owned(
    servers: Sequence[LabServer], gateway: IPv4Address | None, dns: IPv4Address | None
) -> tuple[IPv4Address, ...]:
    dead = {server.address for server in servers if server.dead}
    wanted = [a for a in (gateway, dns) if a] + [server.address for server in servers]
    return tuple(dict.fromkeys(address for address in wanted if address not in dead))


def dnsmasq_config(plan: LabPlan, *, interface: str, root: str, lease_file: str) -> str:
    """The configuration of the one dnsmasq that plays DHCP, DNS and every TFTP server.

    :param root: the folder that all live servers serve
    """
    lines = [
        f"interface={interface}",
        "except-interface=lo",
        "bind-dynamic",
        "no-resolv",
        "no-hosts",
        "no-poll",
        "no-ping",  # the address is free: nobody else is here
        "user=root",
        "group=",
        "pid-file=",
        "log-facility=-",
        "local=/#/",
        "enable-tftp",
        f"tftp-root={root}",
    ]
    lines += [f"host-record={name},{address}" for name, address in plan.names.items()]
    if plan.lease:
        lines += [
            f"dhcp-range={plan.lease},{plan.lease},{plan.subnet.netmask},1h",
            f"dhcp-leasefile={lease_file}",
            "dhcp-authoritative",
        ]
        if plan.gateway:
            lines += [
                f"dhcp-option=option:router,{plan.gateway}",
                f"dhcp-option=option:dns-server,{plan.gateway}",
            ]
    return "\n".join(lines) + "\n"
