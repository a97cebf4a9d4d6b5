"""The server list of a PVS site, from whatever of three places an admin has it in.

The Configuration Wizard's answer file, ``Get-PvsServerBootstrap`` (or its BIOS sister), and
``Get-PvsServer``, the last two as CSV or JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vmboot.errors import InputError, Place
from vmboot.media.check import SERVER_NAME
from vmboot.media.pvsanswers import read_answers
from vmboot.media.pvsexport import Record, read_export
from vmboot.media.pvslogin import (
    LOGIN_PORT,
    MAX_LOGIN_SERVERS,
    NOBODY,
    LoginServer,
    as_boot_servers,
    check_unique,
    ipv4,
    port,
)
from vmboot.media.pvstext import decode, read_bytes
from vmboot.model import BootServer

Kind = Literal["auto", "answers", "csv", "json"]

MAX_SERVERS = 32  # what boot media of ours carry
_NUMBERED = re.compile(r"bootserver(\d{1,3})_ip\Z")
_ANSWER = re.compile(r"[ \t]*[A-Za-z]\w*[ \t]*=")
_FIRST_LINES, _SAMPLE = 20, 8192
_TYPE_NAME = re.compile(r"System\.[A-Za-z.]+\[\]\Z")


@dataclass(frozen=True)
class ServerList:
    """What was found.

    :param source: ``answers``, ``bootstrap`` or ``servers``
    :param logins: in failover order
    :param notes: what the reader of the list should know
    """

    source: str
    logins: tuple[LoginServer, ...]
    notes: tuple[str, ...] = ()

    @property
    def servers(self) -> tuple[BootServer, ...]:
        """The same as boot servers of a fleet document."""
        return as_boot_servers(self.logins)

    def to_json(self) -> dict[str, Any]:
        """Keys source, servers (address, name, netmask, gateway, login_port) and notes."""
        return {
            "source": self.source,
            "servers": [
                {
                    "address": each.address,
                    "name": each.name,
                    "netmask": each.netmask,
                    "gateway": each.gateway,
                    "login_port": each.port,
                }
                for each in self.logins
            ],
            "notes": list(self.notes),
        }


def read_servers(path: str | Path, *, kind: Kind = "auto", bios: bool = False) -> ServerList:
    """The server list in a file.

    :param kind: what the file is; ``auto`` looks into it
    :param bios: it is for BIOS bootstraps, which know four servers and no more
    :raises NotFoundError: there is no such file
    :raises InputError: it is none of these, or what it says is not possible; with file, line, field
    """
    return parse_servers(read_bytes(path), file=str(path), kind=kind, bios=bios)


def parse_servers(
    raw: bytes, *, file: str = "servers", kind: Kind = "auto", bios: bool = False
) -> ServerList:
    """The same for a file that is already in memory."""
    found = _from_answers(raw, file) if _is_answers(raw, file, kind) else _from_export(raw, file)
    if not found.logins:
        raise InputError(
            "no boot server is set in it", place=Place(file), hint="0.0.0.0 counts as not set"
        )
    check_unique(found.logins, place=Place(file))
    most = MAX_LOGIN_SERVERS if bios else MAX_SERVERS
    if len(found.logins) > most:
        what = "a BIOS bootstrap knows" if bios else "boot media carry at most"
        raise InputError(
            f"{len(found.logins)} servers, and {what} {most}",
            place=Place(file),
            hint="keep the rows of those that should answer first",
        )
    return ServerList(found.source, found.logins, (*found.notes, *_notes(found.logins)))


def _is_answers(raw: bytes, file: str, kind: Kind) -> bool:
    if kind != "auto":
        return kind == "answers"
    text = decode(raw, file=file).text.lstrip()
    if text.startswith(("#TYPE", "{", "[", '"')):
        return False
    return any(_ANSWER.match(line) for line in text[:_SAMPLE].splitlines()[:_FIRST_LINES])


def _from_answers(raw: bytes, file: str) -> ServerList:
    answers = read_answers(raw, file=file)
    return ServerList("answers", answers.login_servers(), answers.problems())


def _from_export(raw: bytes, file: str) -> ServerList:
    records = read_export(raw, file=file)
    if any(_NUMBERED.match(name) for name in records[0].fields):
        return _from_bootstraps(records)
    if records[0].has("Ip"):
        return ServerList("servers", tuple(_server(each) for each in records), _spare(records))
    raise InputError(
        "no column Ip and no column Bootserver1_Ip",
        place=records[0].place,
        hint="export Get-PvsServer or Get-PvsServerBootstrap -Name ARDBP32.BIN",
    )


def _from_bootstraps(records: Sequence[Record]) -> ServerList:
    """Every server has its own bootstrap file; the lists in them should be the same."""
    lists = [tuple(_logins(record)) for record in records]
    for record, other in zip(records, lists, strict=True):
        if other != lists[0]:
            raise record.error(
                "Bootserver1_Ip…",
                "another list than that of the first bootstrap in this file",
                hint="make the bootstraps alike in the console, or export one server's only",
            )
    lookup = any(record.text("Lookup").lower() == "true" for record in records)
    notes = ("the bootstrap asks DNS for its servers (Lookup); the list may not be used",)
    return ServerList("bootstrap", lists[0], notes if lookup else ())


def _logins(record: Record) -> Iterator[LoginServer]:
    for name in sorted(record.fields):
        match = _NUMBERED.match(name)
        if match and not 0 < int(match.group(1)) <= MAX_LOGIN_SERVERS and record.text(name):
            raise record.error(
                name, "a bootstrap has Bootserver1 to Bootserver4", hint="look where it came from"
            )
    for number in range(1, MAX_LOGIN_SERVERS + 1):
        head = f"Bootserver{number}_"
        address = _address(record, f"{head}Ip")
        if address != NOBODY:
            yield LoginServer(
                address,
                _address(record, f"{head}Netmask"),
                _address(record, f"{head}Gateway"),
                port(
                    record.text(f"{head}Port"),
                    field=record.field(f"{head}Port"),
                    place=record.place,
                ),
            )


def _address(record: Record, name: str) -> str:
    return ipv4(record.text(name), field=record.field(name), place=record.place)


def _server(record: Record) -> LoginServer:
    """A server of ``Get-PvsServer``: its first streaming address, and its first port."""
    addresses = _streaming(record)
    if not addresses:
        raise record.error("Ip", "it is empty", hint="a server without streaming address serves no")
    return LoginServer(
        ipv4(addresses[0], field=record.field("Ip"), place=record.place),
        port=port(record.text("FirstPort"), field=record.field("FirstPort"), place=record.place),
        name=record.text("ServerName", "Name"),
    )


def _streaming(record: Record) -> list[str]:
    text = record.text("Ip")
    if _TYPE_NAME.match(text):
        raise record.error(
            "Ip",
            f"Export-Csv wrote {text} instead of the addresses",
            hint="Get-PvsServer | Select-Object ServerName,FirstPort,"
            "@{n='Ip';e={$_.Ip -join ','}} | Export-Csv -NoTypeInformation FILE",
        )
    return re.split(r"[\s,;]+", text) if text else []


def _spare(records: Sequence[Record]) -> tuple[str, ...]:
    return tuple(
        f"{record.text('ServerName', 'Name') or record.text('Ip')} has further streaming "
        f"addresses ({', '.join(_streaming(record)[1:])}); the first one is taken"
        for record in records
        if len(_streaming(record)) > 1
    )


def _notes(logins: Sequence[LoginServer]) -> Iterator[str]:
    if len(logins) > MAX_LOGIN_SERVERS:
        yield (
            f"a BIOS bootstrap knows {MAX_LOGIN_SERVERS} login servers; "
            f"{len(logins) - MAX_LOGIN_SERVERS} of these are more"
        )
    for name in (
        each.name for each in logins if each.name and not SERVER_NAME.fullmatch(each.name)
    ):
        yield f"the name {name!r} is left out: media show letters, digits, '.', '_' and '-' only"
    ports = sorted({each.port for each in logins} - {LOGIN_PORT})
    if ports:
        yield f"the login port is {', '.join(map(str, ports))}, not {LOGIN_PORT}"
