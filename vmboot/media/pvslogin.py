"""A PVS login server as bootstraps and answer files know it, checked against the documented limits.

Source: Citrix Provisioning PowerShell guide, PvsServerBootstrap and PvsServerBiosBootstrap.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from vmboot.errors import InputError, Place
from vmboot.media.check import SERVER_NAME
from vmboot.model import BootServer

MAX_LOGIN_SERVERS = 4  # Bootserver1 to Bootserver4
LEAST_PORT, GREATEST_PORT, LOGIN_PORT = 1025, 65536, 6910
NOBODY = "0.0.0.0"


@dataclass(frozen=True)
class LoginServer:
    """Where a target device logs in; ``0.0.0.0`` as netmask or gateway means none is set.

    :param port: UDP port of the login, which is not that of TFTP
    """

    address: str
    netmask: str = NOBODY
    gateway: str = NOBODY
    port: int = LOGIN_PORT
    name: str = ""


def ipv4(text: str, *, field: str, place: Place) -> str:
    """``text`` as an IPv4 address, ``0.0.0.0`` where it is empty.

    :raises InputError: it is none
    """
    try:
        return str(ipaddress.IPv4Address(text.strip() or NOBODY))
    except ValueError:
        raise InputError(
            f"{field}: {text!r} is no IPv4 address", place=place, hint="write it as 10.0.0.11"
        ) from None


def port(text: str, *, field: str, place: Place) -> int:
    """``text`` as a login port, the usual one where it is empty.

    :raises InputError: no number, or outside of the documented range
    """
    return number(
        text.strip() or str(LOGIN_PORT), LEAST_PORT, GREATEST_PORT, field=field, place=place
    )


def number(text: str, least: int, greatest: int, *, field: str, place: Place) -> int:
    """``text`` as a whole number in a range.

    :raises InputError: it is none
    """
    clean = text.strip()
    value = int(clean) if clean.isascii() and clean.isdecimal() and len(clean) < 10 else -1
    if not least <= value <= greatest:
        raise InputError(
            f"{field}: {text!r} is not a number from {least} to {greatest}",
            place=place,
            hint="that is the range that Citrix documents",
        )
    return value


def check_unique(servers: Sequence[LoginServer], *, place: Place) -> None:
    """Refuse an address that is listed twice.

    :raises InputError: one is
    """
    twice = [address for address, n in Counter(s.address for s in servers).items() if n > 1]
    if twice:
        raise InputError(
            f"{twice[0]} is listed twice",
            place=place,
            hint="a second entry only makes the failover slower",
        )


def as_boot_servers(servers: Sequence[LoginServer]) -> tuple[BootServer, ...]:
    """The same hosts as boot servers, in the same order. The login port is not the port of TFTP,
    so it is left out, and so is a name that media cannot show."""
    return tuple(
        BootServer(each.address, each.name if SERVER_NAME.fullmatch(each.name) else "")
        for each in servers
    )
