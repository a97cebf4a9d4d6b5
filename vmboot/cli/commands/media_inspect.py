"""``vmboot media inspect``: what any ISO holds, ours or a stranger's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import rich_click as click

from vmboot.cli.exits import Exit
from vmboot.cli.options import FILE
from vmboot.cli.options import command as make_command
from vmboot.cli.terminal import Terminal


@dataclass(frozen=True)
class Options:
    file: Path


@make_command("inspect", example="vmboot media inspect boot.iso")
@click.argument("file", type=FILE)
def command(terminal: Terminal, file: Path) -> Exit:
    """Show El Torito entries, loaders, server list and script of an ISO."""
    return run(Options(file=file), terminal)


def run(options: Options, terminal: Terminal) -> Exit:
    """Read the file and show what it is."""
    from vmboot import api
    from vmboot.cli.views.media import inspection_view

    inspection = api.inspect(options.file)
    terminal.deliver(inspection.to_json, lambda: inspection_view(str(options.file), inspection))
    return Exit.OK
