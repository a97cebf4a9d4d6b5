"""Read our own iPXE script back into the config it was made from."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import unquote

from vmboot.errors import InputError, MediaError
from vmboot.media.check import check
from vmboot.media.dialect import HEADER, NO_PAUSE, PLATFORM, SNIPPET_MARKS, WORK_FIRST
from vmboot.model import (
    BootConfig,
    BootServer,
    Bootstrap,
    Firmware,
    Network,
    NetworkMode,
    Transport,
)

MAX_SCRIPT = 256 * 1024
_ASK = re.compile(r"echo vmboot: asking (?:(\S+) )?(\S+) \(\d+/\d+\) for ")
_FETCH = re.compile(
    r"imgfetch --name \S+ --timeout (\d{1,9}) \S+?://([^/\s]+)/(?:\$\{vmboot_file\}|work\?\S+) "
)
_LABEL = re.compile(r":vmboot_(bios|uefi)")
_SETTING = re.compile(r"set \$\{vmboot_dev\}/(ip|netmask|gateway|dns) (\S+)")
_VLAN = re.compile(r"vcreate --tag (\d{1,4}) ")
_SLEEP = re.compile(rf"sleep (\d{{1,6}})|{NO_PAUSE} (\d{{1,6}}) s")


def is_ours(text: str) -> bool:
    """Whether ``text`` is a script that :func:`vmboot.media.script.render` wrote."""
    return HEADER in text[:200].splitlines()


def parse(text: str) -> BootConfig:
    """The config behind a script of ours.

    :raises MediaError: not our script, or it was changed so that it makes no sense
    """
    if not is_ours(text) or len(text) > MAX_SCRIPT:
        raise MediaError("not a vmboot boot script")
    snippet, lines = _without_snippet(text.splitlines())
    try:
        config = BootConfig(
            servers=_servers(lines),
            bootstrap=_bootstraps(lines),
            network=_network(lines),
            server_timeout=_timeout(lines) / 1000,
            retry_pause=float(_last(_SLEEP, lines)),
            random_start=":vmboot_pick" in lines or ":vmboot_pick_work" in lines,
            snippet=snippet,
            work=any(line.endswith(f", {WORK_FIRST}") for line in lines[:3]),
        )
        check(config)
    except (ValueError, InputError) as error:
        raise MediaError(f"the vmboot boot script was changed: {error}") from error
    return config


def _without_snippet(lines: list[str]) -> tuple[str, list[str]]:
    if SNIPPET_MARKS[0] not in lines or SNIPPET_MARKS[1] not in lines:
        return "", lines
    begin, end = lines.index(SNIPPET_MARKS[0]), lines.index(SNIPPET_MARKS[1])
    inner = lines[begin + 1 : end]
    return "".join(f"{line}\n" for line in inner), lines[:begin] + lines[end:]


def _servers(lines: Iterable[str]) -> tuple[BootServer, ...]:
    """Names from the messages, addresses from the commands that are really run."""
    names: dict[str, str] = {}
    addresses = []
    for line in lines:
        if ask := _ask(line):
            names[ask[1]] = ask[0]
        if fetch := _FETCH.match(line):
            addresses.append(fetch[2])
    return tuple(BootServer(each, names.get(each, "")) for each in dict.fromkeys(addresses))


def _ask(line: str) -> tuple[str, str] | None:
    match = _ASK.match(line)
    return (match[1] or "", match[2]) if match else None


def _bootstraps(lines: Iterable[str]) -> dict[Firmware, Bootstrap]:
    found: dict[Firmware, Bootstrap] = {}
    values: dict[str, str] = {}
    label = ""
    for line in lines:
        if match := _LABEL.fullmatch(line):
            label, values = match[1], {}
        elif label and line.startswith(("set vmboot_", "# sha256 ")):
            key, value = line.removeprefix("set vmboot_").removeprefix("# ").split(" ", 1)
            values[key] = value
        elif label and line.startswith("goto "):
            found[Firmware(label)] = Bootstrap(
                unquote(values.get("file", "")),
                Transport(values.get("scheme", "")),
                values.get("sha256"),
            )
            label = ""
    used = [f for f in PLATFORM if any(f"&& goto vmboot_{f.value} " in line for line in lines)]
    return {firmware: found[firmware] for firmware in used if firmware in found}


def _network(lines: Iterable[str]) -> Network:
    settings = {}
    vlan = None
    for line in lines:
        if match := _SETTING.fullmatch(line):
            settings[match[1]] = ipaddress.IPv4Address(match[2])
        if match := _VLAN.match(line):
            vlan = int(match[1])
    return Network(
        mode=NetworkMode.STATIC if settings else NetworkMode.DHCP,
        address=settings.get("ip"),
        netmask=settings.get("netmask"),
        gateway=settings.get("gateway"),
        dns=settings.get("dns"),
        vlan=vlan,
    )


def _timeout(lines: Iterable[str]) -> int:
    found = {int(match[1]) for line in lines if (match := _FETCH.match(line))}
    if len(found) != 1:
        raise ValueError("no server, or different timeouts")
    return found.pop()


def _last(pattern: re.Pattern[str], lines: Iterable[str]) -> int:
    found = [
        int(next(filter(None, match.groups())))
        for line in lines
        if (match := pattern.fullmatch(line))
    ]
    if not found:
        raise ValueError("no pause")
    return found[-1]
