"""``vmboot loaders import``: boot programs that a person brings."""

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
    file: Path
    sha256: str | None = None


@make_command(
    "import",
    example="""
    vmboot loaders import ipxe.efi
    vmboot loaders import ipxeboot.tar.gz --sha256 4f0c...
    """,
)
@click.argument("file", type=FILE)
@click.option("--sha256", metavar="HEX", help="Refuse the file unless it has this digest.")
def command(terminal: Terminal, file: Path, sha256: str | None) -> Exit:
    """Keep the boot programs in FILE (one program, a tar or a zip archive) for media."""
    return run(Options(file=file, sha256=sha256), terminal)


def run(options: Options, terminal: Terminal) -> Exit:
    """Import, and show what was in it."""
    from vmboot.cli.views.loaders import loaders_table
    from vmboot.media.imported import import_loaders

    loaders = import_loaders(options.file, sha256=options.sha256)

    def document() -> dict[str, Any]:
        return {"loaders": [each.to_json() for each in loaders]}

    terminal.deliver(document, lambda: loaders_table(loaders))
    return Exit.OK
