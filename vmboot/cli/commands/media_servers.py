"""``vmboot media servers``: the server list of a PVS site as lines for fleet.yml."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rich_click as click

from vmboot.cli.exits import Exit
from vmboot.cli.options import FILE
from vmboot.cli.options import command as make_command
from vmboot.cli.terminal import Terminal


@dataclass(frozen=True)
class Options:
    """
    :param kind: what the file is
    :param bios: for BIOS bootstraps, which know four servers
    """

    file: Path
    kind: Any = "auto"
    bios: bool = False


@make_command(
    "servers",
    example="""
    vmboot media servers ConfigWizard.ans
    vmboot media servers servers.csv --bios --json
    """,
)
@click.argument("file", type=FILE)
@click.option(
    "--from",
    "kind",
    type=click.Choice(["auto", "answers", "csv", "json"]),
    default="auto",
    show_default=True,
    help="What the file is: the Configuration Wizard's answers, or an export of PowerShell.",
)
@click.option("--bios", is_flag=True, help="Refuse more than the four that BIOS targets know.")
def command(terminal: Terminal, file: Path, kind: str, bios: bool) -> Exit:
    """Show the boot servers in an answer file, or in CSV or JSON of Get-PvsServer.

    Get-PvsServerBootstrap is understood, too. Prints a boot_servers block for fleet.yml.
    """
    return run(Options(file, kind, bios), terminal)


def run(options: Options, terminal: Terminal) -> Exit:
    """Read the file and show the list."""
    from vmboot import api
    from vmboot.cli.views.pvs import servers_view

    found = api.read_servers(options.file, kind=options.kind, bios=options.bios)
    for note in found.notes:
        terminal.note(f"note: {note}")
    terminal.deliver(found.to_json, lambda: servers_view(found.servers))
    return Exit.OK
