"""``vmboot rehearse``: boot in QEMU exactly what the vCenter holds for one machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rich_click as click

from vmboot.cli.connecting import fleet_and_session
from vmboot.cli.exits import Exit
from vmboot.cli.options import (
    DIRECTORY,
    FILE,
    Connection,
    connection_options,
    events_option,
    fleet_argument,
)
from vmboot.cli.options import command as make_command
from vmboot.cli.progress import watching
from vmboot.cli.terminal import Terminal
from vmboot.errors import InputError


@dataclass(frozen=True)
class Options:
    """
    :param dead: addresses or names of boot servers that do not answer; ``None``: the first of
        several
    :param bootstrap_files: what the servers serve, by the name the machine asks for
    :param db: certificates that the machine's firmware trusts
    :param firmware_variables: OVMF's variables to begin with
    """

    fleet: Path
    vm: str
    connection: Connection
    dead: tuple[str, ...] | None = None
    bootstrap_files: tuple[tuple[str, Path], ...] = ()
    out: Path | None = None
    deadline: float | None = None
    db: tuple[Path, ...] = ()
    firmware_variables: Path | None = None
    events: bool = False


@make_command(
    "rehearse",
    example="""
    vmboot rehearse fleet.yml --vm pvs-001
    vmboot rehearse fleet.yml --vm pvs-002 --dead 10.0.0.11 --bootstrap-file ARDBP32.BIN=a.bin
    vmboot rehearse fleet.yml --vm sb-01 --db site.crt --bootstrap-file boot.efi=signed/boot.efi
    """,
)
@fleet_argument
@click.option("--vm", required=True, metavar="NAME", help="Name or inventory path of the machine.")
@click.option(
    "--dead",
    multiple=True,
    metavar="ADDRESS",
    help="A boot server that shall not answer; repeatable, 'none' for all alive."
    "  [default: the first of several]",
)
@click.option(
    "--bootstrap-file",
    "bootstrap_files",
    multiple=True,
    metavar="NAME=PATH",
    help="Serve this file under NAME; without it a program that prints a line stands in.",
)
@click.option("--out", type=DIRECTORY, help="Keep serial log, screenshot and capture here.")
@click.option("--deadline", type=float, help="Seconds to wait.  [default: BIOS 90, UEFI 180]")
@click.option(
    "--db",
    type=FILE,
    multiple=True,
    help="A certificate that the machine's Secure Boot trusts beside Microsoft's; repeatable.",
)
@click.option(
    "--firmware-variables",
    type=FILE,
    help="OVMF's variables to begin with.  [default: the distribution's, with Microsoft's keys]",
)
@events_option
@connection_options
def command(terminal: Terminal, **values: Any) -> Exit:
    """Boot in QEMU exactly what the vCenter holds for one machine.

    Firmware, NIC, boot order and the bytes of the boot ISO or BDM disk come from the vCenter; all
    other disks are blank, each at its slot. The boot servers are played in an isolated network.
    Says how far the boot came, and what it waited for.
    """
    return run(parse(values), terminal)


def parse(values: dict[str, Any]) -> Options:
    """Options from the flags.

    :raises InputError: a flag that cannot be read
    """
    given = tuple(values.pop("dead"))
    dead = None if not given else tuple(each for each in given if each != "none")
    files = parse_files(values.pop("bootstrap_files"))
    return Options(dead=dead, bootstrap_files=files, **values)


def parse_files(texts: Sequence[str]) -> tuple[tuple[str, Path], ...]:
    """``NAME=PATH`` pairs."""
    pairs = []
    for text in texts:
        name, equals, path = text.partition("=")
        if not (name and equals and path):
            raise InputError(
                f"--bootstrap-file {text}: not NAME=PATH",
                hint="NAME is what the machine asks for, PATH the file on this machine",
            )
        if not Path(path).is_file():
            raise InputError(
                f"--bootstrap-file {text}: there is no file {path}",
                hint="PATH is a file on this machine; without the flag a stand-in is served",
            )
        pairs.append((name, Path(path)))
    return tuple(pairs)


def run(options: Options, terminal: Terminal) -> Exit:
    """Boot, show each stage as it comes, then the verdict."""
    from vmboot import api
    from vmboot.cli.views.rehearsal import rehearsal_view

    with (
        watching(terminal, events=options.events) as sink,
        fleet_and_session(options.fleet, options.connection, terminal, sink=sink) as opened,
    ):
        fleet, session = opened
        report = api.rehearse(
            fleet,
            session,
            options.vm,
            dead=options.dead,
            files=dict(options.bootstrap_files),
            out=options.out,
            deadline_s=options.deadline,
            db=options.db,
            firmware_variables=options.firmware_variables,
            sink=sink,
        )
    terminal.deliver(report.to_json, lambda: rehearsal_view(report))
    return Exit.OK if report.ok else Exit.FAILED
