"""What boot ISO and boot disk are told by flags: the config that they carry."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import rich_click as click

from vmboot.cli.options import FILE
from vmboot.cli.terminal import Terminal
from vmboot.errors import InputError
from vmboot.model import (
    BootConfig,
    BootServer,
    Bootstrap,
    Firmware,
    Network,
    NetworkMode,
    Transport,
)

Command = Callable[..., Any]

_STATIC_KEYS = ("address", "netmask", "gateway", "dns")
_OPTIONS = (
    click.option("--fleet", type=FILE, help="Take everything from this fleet document."),
    click.option(
        "--server",
        "servers",
        multiple=True,
        metavar="[NAME=]ADDRESS",
        help="Boot server; repeatable, the order is the failover order.",
    ),
    click.option(
        "--bootstrap",
        "bootstraps",
        multiple=True,
        metavar="bios|uefi=FILE",
        help="File to start, per firmware.",
    ),
    click.option(
        "--protocol",
        type=click.Choice(["tftp", "http"]),
        default="tftp",
        show_default=True,
        help="How the file is downloaded.",
    ),
    click.option(
        "--static",
        metavar="KEY=VALUE,..",
        help="Fixed IPv4 settings: address=, netmask=, gateway=, dns= (the last two optional).",
    ),
    click.option("--vlan", type=click.IntRange(1, 4094), help="VLAN to boot in."),
    click.option("--snippet", type=FILE, help="iPXE commands of your own, run first."),
    click.option("--random-start", is_flag=True, help="Begin at a random server."),
    click.option(
        "--server-timeout", type=float, help="Seconds a dead server may cost.  [default: 3]"
    ),
    click.option("--retry-pause", type=float, help="Seconds between two rounds.  [default: 5]"),
)


chain_option = click.option(
    "--chain",
    type=click.Choice(["ipxe", "shim-grub", "shim-ipxe", "site-key"]),
    default="ipxe",
    show_default=True,
    help="How UEFI machines start; all but ipxe are for Secure Boot, see 'vmboot loaders status'.",
)


def note_limits(terminal: Terminal, chain: str, config: BootConfig) -> None:
    """Say what to know of a chain before machines depend on it."""
    from vmboot.media.chain import Chain, limits

    for text in limits(Chain(chain), config):
        terminal.note(f"{chain}: {text}")


def config_options(function: Command) -> Command:
    """Add --fleet and the flags that stand for it: servers, bootstraps, network, waits."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def parse_source(values: Mapping[str, Any], *, work: bool = False) -> Path | BootConfig:
    """The fleet document to read, or what the flags say.

    :param work: work is asked for first, so there need be no bootstrap
    :raises InputError: flags that contradict each other or cannot be read
    """
    if values["fleet"] is not None:
        _refuse_mix(values, work=work)
        return Path(values["fleet"])
    return _config(values, work=work)


def _refuse_mix(values: Mapping[str, Any], *, work: bool = False) -> None:
    """Refuse any flag that the fleet document speaks of."""
    for key, flag in (
        ("servers", "--server"),
        ("bootstraps", "--bootstrap"),
        ("static", "--static"),
        ("vlan", "--vlan"),
        ("snippet", "--snippet"),
        ("random_start", "--random-start"),
        ("server_timeout", "--server-timeout"),
        ("retry_pause", "--retry-pause"),
        ("work", "--pxe-on-disk"),
    ):
        if {**values, "work": work}[key]:
            raise InputError(
                f"{flag} and --fleet exclude each other",
                hint="the fleet document says it all; change it there",
            )


def _config(values: Mapping[str, Any], *, work: bool) -> BootConfig:
    if not values["servers"]:
        raise InputError("no boot server given", hint="add --server ADDRESS, or --fleet FILE")
    if not values["bootstraps"] and not work:
        raise InputError("no bootstrap given", hint="add e.g. --bootstrap bios=ARDBP32.BIN")
    waits = {k: values[k] for k in ("server_timeout", "retry_pause") if values[k] is not None}
    return BootConfig(
        servers=tuple(parse_server(text) for text in values["servers"]),
        bootstrap=parse_bootstraps(values["bootstraps"], Transport(values["protocol"])),
        network=parse_network(values["static"], values["vlan"]),
        random_start=values["random_start"],
        snippet=_read_snippet(values["snippet"]),
        work=work,
        **waits,
    )


def parse_server(text: str) -> BootServer:
    """``ADDRESS`` or ``NAME=ADDRESS``."""
    name, equals, address = text.partition("=")
    return BootServer(address=address, name=name) if equals else BootServer(address=text)


def parse_bootstraps(texts: Sequence[str], transport: Transport) -> dict[Firmware, Bootstrap]:
    """``bios=FILE`` and ``uefi=FILE``, each at most once."""
    found: dict[Firmware, Bootstrap] = {}
    for text in texts:
        name, equals, file = text.partition("=")
        if not equals or name not in tuple(Firmware) or not file:
            raise InputError(
                f"--bootstrap {text}: not FIRMWARE=FILE",
                hint="write bios=FILE or uefi=FILE",
            )
        if Firmware(name) in found:
            hint = "a firmware starts one file"
            raise InputError(f"--bootstrap {name}=… is given twice", hint=hint)
        found[Firmware(name)] = Bootstrap(file=file.lstrip("/"), transport=transport)
    return found


def parse_network(static: str | None, vlan: int | None) -> Network:
    """``address=10.0.0.5,netmask=255.255.255.0,…``; DHCP without it."""
    if static is None:
        return Network(vlan=vlan)
    given = [part.partition("=") for part in static.split(",") if part]
    values: dict[str, ipaddress.IPv4Address] = {}
    for key, _, text in given:
        if key not in _STATIC_KEYS:
            raise InputError(
                f"--static has no {key!r}", hint=f"its keys are {', '.join(_STATIC_KEYS)}"
            )
        if key in values:
            raise InputError(f"--static {key}= is given twice", hint="leave one of them out")
        values[key] = _address(key, text)
    for key in ("address", "netmask"):
        if key not in values:
            hint = "such as --static address=10.0.0.5,netmask=255.255.255.0"
            raise InputError(f"--static needs {key}=", hint=hint)
    return Network(mode=NetworkMode.STATIC, vlan=vlan, **values)


def _address(key: str, text: str) -> ipaddress.IPv4Address:
    try:
        return ipaddress.IPv4Address(text)
    except ValueError:
        hint = "write it as 10.0.0.5"
        raise InputError(f"--static {key}={text}: not an IPv4 address", hint=hint) from None


def _read_snippet(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        return file.read_text("utf-8")
    except OSError as error:
        hint = "name a text file with iPXE commands"
        raise InputError(f"--snippet {file}: {error.strerror}", hint=hint) from None
    except UnicodeDecodeError:
        hint = "save the file as UTF-8"
        raise InputError(f"--snippet {file}: this is no UTF-8 text", hint=hint) from None
