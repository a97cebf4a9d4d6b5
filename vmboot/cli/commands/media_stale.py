"""``vmboot media stale``: which machines still carry which boot server list."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rich_click as click

from vmboot.cli.connecting import fleet_and_session
from vmboot.cli.exits import Exit
from vmboot.cli.options import (
    Connection,
    connection_options,
    events_option,
    fleet_argument,
    gathered,
    limit_option,
    loader_dir_option,
)
from vmboot.cli.options import command as make_command
from vmboot.cli.progress import watching
from vmboot.cli.terminal import Terminal


@dataclass(frozen=True)
class Options:
    fleet: Path
    connection: Connection
    limit: tuple[str, ...] = ()
    all: bool = False
    loader_dirs: tuple[Path, ...] = ()
    events: bool = False


@make_command("stale", example="vmboot media stale fleet.yml")
@fleet_argument
@limit_option
@click.option("--all", is_flag=True, help="Name machines that are current, too.")
@loader_dir_option
@events_option
@connection_options
def command(terminal: Terminal, **values: Any) -> Exit:
    """Show which machines carry which boot server list, and which list fleet.yml wants.

    Exit code 6 when a machine carries another one or none, 0 when all are current.
    """
    return run(gathered(Options, values), terminal)


def run(options: Options, terminal: Terminal) -> Exit:
    """Look at the machines and show what they carry."""
    from vmboot import api
    from vmboot.cli.views.stale import stale_view

    with (
        watching(terminal, events=options.events) as sink,
        fleet_and_session(options.fleet, options.connection, terminal, sink=sink) as opened,
    ):
        fleet, session = opened
        report = api.stale(
            fleet, session, limit=options.limit, loader_dirs=options.loader_dirs, sink=sink
        )
    terminal.deliver(report.to_json, lambda: stale_view(report, everything=options.all))
    return Exit.CHANGES if report.stale else Exit.OK
