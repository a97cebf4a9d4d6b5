"""The values every layer speaks of. Frozen, without I/O, without vendor types.

Words are those of ``docs/words.md``; one word per idea, the same in code, YAML and CLI.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Firmware(StrEnum):
    """What a machine starts with. vSphere spells UEFI ``efi``; people write ``uefi``."""

    BIOS = "bios"
    UEFI = "uefi"


class BootMethod(StrEnum):
    """How a target finds its loader."""

    ISO = "iso"
    PXE = "pxe"
    BDM = "bdm"


class Transport(StrEnum):
    """How a bootstrap is downloaded from a boot server."""

    TFTP = "tftp"
    HTTP = "http"


class NetworkMode(StrEnum):
    DHCP = "dhcp"
    STATIC = "static"


@dataclass(frozen=True, order=True)
class BootServer:
    """A host that serves the bootstrap. The order of a list of these is the failover order.

    :param address: IPv4 address or DNS name, optionally ``:port``
    :param name: what people call it; the address where they gave no name
    """

    address: str
    name: str = ""

    @property
    def label(self) -> str:
        return self.name or self.address


@dataclass(frozen=True)
class Bootstrap:
    """The file a loader downloads and starts (NBP).

    :param file: path on the boot server without a leading slash, e.g. ``"ARDBP32.BIN"``
    :param sha256: hex digest that ``doctor`` compares with what a server really sends
    """

    file: str
    transport: Transport = Transport.TFTP
    sha256: str | None = None


@dataclass(frozen=True)
class Network:
    """How a target gets its IPv4 configuration.

    ``address``, ``netmask`` and the optional ``gateway``, ``dns`` are set in static mode only;
    ``vlan`` (1 to 4094) in either.
    """

    mode: NetworkMode = NetworkMode.DHCP
    address: ipaddress.IPv4Address | None = None
    netmask: ipaddress.IPv4Address | None = None
    gateway: ipaddress.IPv4Address | None = None
    dns: ipaddress.IPv4Address | None = None
    vlan: int | None = None


@dataclass(frozen=True)
class BootConfig:
    """What boot media carry beside the loader: whom to ask, for what, and how.

    :param servers: 1 to 32, in failover order
    :param bootstrap: per firmware; media boot only the firmwares named here, or, where work is
        asked for and there is no bootstrap at all, both
    :param server_timeout: seconds a dead server may cost
    :param retry_pause: seconds between two rounds through the list
    :param random_start: begin at a random server, then go on in order
    :param snippet: iPXE commands of the user's own, run before the first server is asked
    :param work: ask each server for work first (PXE on disk); without work the machine goes on to
        its next boot device
    """

    servers: tuple[BootServer, ...]
    bootstrap: Mapping[Firmware, Bootstrap]
    network: Network = field(default_factory=Network)
    server_timeout: float = 3.0
    retry_pause: float = 5.0
    random_start: bool = False
    snippet: str = ""
    work: bool = False

    @property
    def firmwares(self) -> tuple[Firmware, ...]:
        """Whom media with this config boot."""
        if self.work and not self.bootstrap:
            return tuple(Firmware)
        return tuple(sorted(self.bootstrap))
