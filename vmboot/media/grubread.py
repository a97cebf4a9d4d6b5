"""Read our own GRUB script back into the config it was made from."""

from __future__ import annotations

import ipaddress
import re
import shlex

from vmboot.errors import InputError, MediaError
from vmboot.media.check import check
from vmboot.media.grubcfg import HEADER
from vmboot.model import BootConfig, BootServer, Bootstrap, Firmware, Network, NetworkMode

MAX_SCRIPT = 256 * 1024
_ASK = re.compile(r"  echo 'vmboot: asking (?:(\S+) )?(\S+) \(\d+/\d+\) for ")
_SERVER = re.compile(r"  set root=tftp,(\S+)")
_FILE = re.compile(r"  if chainloader ('.+'); then")
_DIGEST = re.compile(r"# sha256 ([0-9a-f]{64})")
_ADDRESS = re.compile(r"    if net_add_addr \S+ \$card (\S+); then")
_LAN = re.compile(r"      net_add_route \S+ (\S+/\d+) \S+")
_GATEWAY = re.compile(r"      net_add_route \S+ 0\.0\.0\.0/0 gw (\S+)")
_DNS = re.compile(r"      net_add_dns (\S+) only-ipv4")
_SLEEP = re.compile(r"  sleep (\d{1,6})")


def is_grub_script(text: str) -> bool:
    """Whether ``text`` is a script that :func:`vmboot.media.grubcfg.render_grub` wrote."""
    return text.startswith(f"{HEADER}\n")


def parse_grub(text: str) -> BootConfig:
    """The config behind a GRUB script of ours; waits that GRUB cannot keep are the usual ones.

    :raises MediaError: not our script, or it was changed so that it makes no sense
    """
    if not is_grub_script(text) or len(text) > MAX_SCRIPT:
        raise MediaError("not a vmboot GRUB script")
    try:
        servers = _servers(text)
        config = BootConfig(
            servers=servers,
            bootstrap={Firmware.UEFI: _bootstrap(text, len(servers))},
            network=_network(text),
            retry_pause=float(_first(_SLEEP, text)),
        )
        check(config)
    except (ValueError, InputError) as error:
        raise MediaError(f"the vmboot GRUB script was changed: {error}") from error
    return config


def _servers(text: str) -> tuple[BootServer, ...]:
    """Names from the messages, addresses from the commands that are really run."""
    names = {match[2]: match[1] or "" for match in _lines(_ASK, text)}
    return tuple(BootServer(each[1], names.get(each[1], "")) for each in _lines(_SERVER, text))


def _bootstrap(text: str, servers: int) -> Bootstrap:
    files = [match[1] for match in _lines(_FILE, text)]
    if len(files) != servers or len(set(files)) != 1:
        raise ValueError("no bootstrap, or different ones")
    (word,) = shlex.split(files[0])
    digest = next((match[1] for match in _lines(_DIGEST, text)), None)
    return Bootstrap(word.removeprefix("/"), sha256=digest)


def _network(text: str) -> Network:
    if not any(_lines(_ADDRESS, text)):
        return Network()
    lan = ipaddress.IPv4Network(_first(_LAN, text))
    gateways = [match[1] for match in _lines(_GATEWAY, text)]
    dns = [match[1] for match in _lines(_DNS, text)]
    return Network(
        NetworkMode.STATIC,
        ipaddress.IPv4Address(_first(_ADDRESS, text)),
        lan.netmask,
        ipaddress.IPv4Address(gateways[0]) if gateways else None,
        ipaddress.IPv4Address(dns[0]) if dns else None,
    )


def _lines(pattern: re.Pattern[str], text: str) -> list[re.Match[str]]:
    return [match for line in text.splitlines() if (match := pattern.match(line))]


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = _lines(pattern, text)
    if not found:
        raise ValueError(f"nothing like {pattern.pattern!r}")
    return found[0][1]
