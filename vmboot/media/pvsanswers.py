"""The answer file of the PVS Configuration Wizard (``ConfigWizard.ans``).

``key=value`` lines in UTF-16 with a byte order mark; in another encoding the wizard silently does
nothing. Keys are as the wizard spells them, ``AdvancedInterrultSafeMode`` included. What is not
changed is written back byte for byte. The file may hold a password (``UserPass``), so no value of
it goes into a message unless it is one of the boot settings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from vmboot.errors import InputError, Place, VmbootError
from vmboot.media.pvslogin import (
    MAX_LOGIN_SERVERS,
    NOBODY,
    LoginServer,
    check_unique,
    ipv4,
    number,
    port,
)
from vmboot.media.pvstext import Text, decode

TIMINGS: Mapping[str, tuple[int, int]] = {
    "AdvancedRecoverSeconds": (10, 60_000),
    "AdvancedLoginPolling": (1_000, 60_000),  # milliseconds
    "AdvancedLoginGeneral": (1_000, 60_000),  # milliseconds
}
SWITCHES = (
    "AdvancedVerbose",
    "AdvancedInterrultSafeMode",
    "AdvancedMemorySupport",
    "AdvancedRebootFromHD",
)
_CORRECTED = "AdvancedInterruptSafeMode"
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_SERVER = re.compile(r"LS(\d{1,3})\Z", re.IGNORECASE)
_RANGES = {**TIMINGS, **dict.fromkeys(SWITCHES, (0, 1))}


@dataclass(frozen=True)
class Answers:
    """An answer file. Values are never changed in place: :meth:`changed` makes another one.

    :param lines: as they stand in the file, each with its line end
    """

    file: str
    lines: tuple[str, ...] = field(repr=False)
    text: Text = field(repr=False)

    def value(self, key: str) -> str | None:
        """The text behind ``key=``, or ``None``; keys have no case."""
        found = self._numbers(key)
        return _split(self.lines[found[0]])[1] if found else None

    def login_servers(self) -> tuple[LoginServer, ...]:
        """``LS1`` to ``LS4`` in the order of their numbers; those of address 0.0.0.0 are empty.

        :raises InputError: one of them cannot be read, or is there twice
        """
        found = dict(self._servers())
        servers = tuple(found[n] for n in sorted(found) if found[n].address != NOBODY)
        check_unique(servers, place=Place(self.file))
        return servers

    def setting(self, key: str) -> int | None:
        """A timing or switch (see :data:`TIMINGS`, :data:`SWITCHES`), ``None`` where it is not set.

        :raises InputError: no number, or outside of its range
        """
        numbers = self._numbers(key)
        if not numbers:
            return None
        text = _split(self.lines[numbers[0]])[1]
        return number(text, *_RANGES[key], field=key, place=self._place(numbers[0]))

    def problems(self) -> tuple[str, ...]:
        """What the wizard would not take as it is meant, in words."""
        return tuple(self._problems())

    def changed(self, values: Mapping[str, str | None]) -> Answers:
        """With other values; ``None`` takes a key out, a key that is not there yet is added.

        :raises InputError: a value has a line break or is outside of its range
        """
        lines = list(self.lines)
        for key, value in values.items():
            _check(key, value, self.file)
            _set(lines, key, value)
        return replace(self, lines=tuple(lines))

    def with_login_servers(self, servers: Sequence[LoginServer]) -> Answers:
        """With these servers as ``LS1`` and on, and no others.

        :raises InputError: more than four, or one of them is not possible
        """
        if not 0 < len(servers) <= MAX_LOGIN_SERVERS:
            raise InputError(
                f"{len(servers)} login servers: an answer file has 1 to {MAX_LOGIN_SERVERS}",
                hint="name the first four",
            )
        wanted: dict[str, str | None] = {
            f"LS{number}": f"{each.address},{each.netmask},{each.gateway},{each.port}"
            for number, each in enumerate(servers, start=1)
        }
        surplus = [_split(line)[0] for line in self.lines if _SERVER.match(_split(line)[0])]
        known = {key.upper() for key in wanted}
        made = self.changed({**{k: None for k in surplus if k.upper() not in known}, **wanted})
        made.login_servers()
        return made

    def to_bytes(self) -> bytes:
        """The file."""
        return self.text.encode("".join(self.lines))

    def _numbers(self, key: str) -> list[int]:
        wanted = key.lower()
        return [n for n, line in enumerate(self.lines) if _split(line)[0].lower() == wanted]

    def _place(self, line: int) -> Place:
        return Place(self.file, line + 1)

    def _servers(self) -> Iterator[tuple[int, LoginServer]]:
        seen: set[int] = set()
        for at, line in enumerate(self.lines):
            key, value = _split(line)
            match = _SERVER.match(key)
            if match is None:
                continue
            which = int(match.group(1))
            if which in seen or not 0 < which <= MAX_LOGIN_SERVERS:
                why = "is here twice" if which in seen else "is not one of LS1 to LS4"
                raise InputError(
                    f"{key} {why}", place=self._place(at), hint="remove the line that is wrong"
                )
            seen.add(which)
            yield which, _server(key, value, self._place(at))

    def _problems(self) -> Iterator[str]:
        if self._numbers(_CORRECTED):
            yield f"the wizard reads AdvancedInterrultSafeMode (spelled so), not {_CORRECTED}"
        for key in _RANGES:
            if len(self._numbers(key)) > 1:
                yield f"{key} is there more than once"
            try:
                self.setting(key)
            except VmbootError as error:
                yield str(error)


def read_answers(raw: bytes, *, file: str = "ConfigWizard.ans") -> Answers:
    """Read an answer file.

    :param file: what errors call it
    :raises InputError: it is not UTF-16 with a byte order mark, or has no ``key=value`` line
    """
    text = decode(raw, file=file)
    if not (text.bom and text.encoding.startswith("utf-16")):
        raise InputError(
            f"an answer file is UTF-16 with a byte order mark, and this looks like "
            f"{text.looks_like}",
            place=Place(file),
            hint="the Configuration Wizard ignores it like this; save it as Unicode (in "
            "PowerShell: Set-Content -Encoding Unicode)",
        )
    lines = tuple(_LINE.findall(text.text))
    if not any(_split(line)[0] for line in lines):
        raise InputError(
            "no line of the form key=value", place=Place(file), hint="name the right file"
        )
    return Answers(file, lines, text)


def _split(line: str) -> tuple[str, str]:
    """Key and value of a line; no key where it is not of that form."""
    key, equals, value = line.rstrip("\r\n").partition("=")
    return (key.strip(), value) if equals else ("", "")


def _server(key: str, value: str, place: Place) -> LoginServer:
    parts = value.split(",")
    if len(parts) != 4:
        raise InputError(
            f"{key} has {len(parts)} parts, not address,netmask,gateway,port",
            place=place,
            hint=f"write it as {key}=10.0.0.11,0.0.0.0,0.0.0.0,6910",
        )
    address, netmask, gateway = (
        ipv4(text, field=f"{key} {what}", place=place)
        for what, text in zip(("address", "netmask", "gateway"), parts, strict=False)
    )
    return LoginServer(address, netmask, gateway, port(parts[3], field=f"{key} port", place=place))


def _check(key: str, value: str | None, file: str) -> None:
    if "\n" in f"{key}{value}" or "\r" in f"{key}{value}" or "=" in key or not key.strip():
        raise InputError(
            f"{key!r} or its value cannot stand on one line of an answer file",
            place=Place(file),
            hint="give a plain key, and a value without line breaks",
        )
    if value is not None and key in _RANGES:
        number(value, *_RANGES[key], field=key, place=Place(file))
    if value is not None and _SERVER.match(key):
        _server(key, value, Place(file))


def _set(lines: list[str], key: str, value: str | None) -> None:
    numbers = [n for n, line in enumerate(lines) if _split(line)[0].lower() == key.lower()]
    if value is None:
        for number_ in reversed(numbers):
            del lines[number_]
    elif numbers:
        line = lines[numbers[0]]
        end = line[len(line.rstrip("\r\n")) :]
        lines[numbers[0]] = f"{line.partition('=')[0]}={value}{end}"
    else:
        _insert(lines, f"{key}={value}", after=_last_server(lines) if _SERVER.match(key) else None)


def _last_server(lines: Sequence[str]) -> int | None:
    found = [n for n, line in enumerate(lines) if _SERVER.match(_split(line)[0])]
    return found[-1] if found else None


def _insert(lines: list[str], line: str, *, after: int | None) -> None:
    """Add a line behind number ``after``, or at the end, with the line end that the file has."""
    first = lines[0] if lines else ""
    end = first[len(first.rstrip("\r\n")) :] or "\r\n"
    at = len(lines) if after is None else after + 1
    if at and not lines[at - 1].endswith(("\r", "\n")):
        lines[at - 1] += end
    lines.insert(at, line + end)
