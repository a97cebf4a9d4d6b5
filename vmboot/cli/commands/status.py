"""``vmboot status``: are the machines still as fleet.yml wishes?"""

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


@make_command("status", example="vmboot status fleet.yml")
@fleet_argument
@limit_option
@click.option("--all", is_flag=True, help="List machines that are as wished, too.")
@loader_dir_option
@events_option
@connection_options
def command(terminal: Terminal, **values: Any) -> Exit:
    """Compare the machines with fleet.yml, and list unfinished runs.

    Exit code 6 when a machine is not as wished, 0 when all are.
    """
    return run(gathered(Options, values), terminal)


def run(options: Options, terminal: Terminal) -> Exit:
    """Look at every machine and show what differs."""
    from vmboot import api
    from vmboot.cli.views.status import status_view

    with (
        watching(terminal, events=options.events) as sink,
        fleet_and_session(options.fleet, options.connection, terminal, sink=sink) as opened,
    ):
        fleet, session = opened
        status = api.status(
            fleet, session, limit=options.limit, loader_dirs=options.loader_dirs, sink=sink
        )
    terminal.deliver(status.to_json, lambda: status_view(status, everything=options.all))
    return Exit.CHANGES if status.has_drift else Exit.OK
