"""``vmboot media inspect``: what any ISO or disk image holds, ours or a stranger's."""

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


@make_command(
    "inspect", example="vmboot media inspect boot.iso\nvmboot media inspect BDM.vhdx --json"
)
@click.argument("file", type=FILE)
def command(terminal: Terminal, file: Path) -> Exit:
    """Show what an ISO or disk image holds and boots, and why not, for BIOS and UEFI.

    Disks: raw, VMDK, VHD and VHDX; the content decides, not the name. Shown are the partition
    table or El Torito entries, files, loaders and who signed them, server list and network.
    """
    return run(Options(file=file), terminal)


def run(options: Options, terminal: Terminal) -> Exit:
    """Read the file and show what it is."""
    from vmboot import api
    from vmboot.cli.views.inspection import inspection_view

    inspection = api.inspect(options.file)
    terminal.deliver(inspection.to_json, lambda: inspection_view(str(options.file), inspection))
    return Exit.OK
