"""``vmboot media iso``: build a boot ISO from flags, or from a fleet document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rich_click as click

from vmboot.cli.commands.media_flags import (
    chain_option,
    config_options,
    note_limits,
    parse_source,
)
from vmboot.cli.exits import Exit
from vmboot.cli.files import check_new, write_new
from vmboot.cli.options import FILE, loader_dir_option
from vmboot.cli.options import command as make_command
from vmboot.cli.terminal import Terminal
from vmboot.model import BootConfig


@dataclass(frozen=True)
class Options:
    """
    :param source: the fleet document to read, or what the flags say
    :param name: part of the ISO's file name; ``None`` for the source's own
    :param chain: how UEFI machines start
    """

    source: Path | BootConfig
    out: Path | None = None
    name: str | None = None
    chain: str = "ipxe"
    loader_dirs: tuple[Path, ...] = ()


@make_command(
    "iso",
    example="""
    vmboot media iso --server 10.0.0.11 --server 10.0.0.12 \\
        --bootstrap bios=ARDBP32.BIN --bootstrap uefi=pvsnbpx64.efi --out boot.iso
    vmboot media iso --fleet fleet.yml
    """,
)
@config_options
@chain_option
@click.option("--name", help="Part of the file name.  [default: the fleet's, or boot]")
@click.option("--out", type=FILE, help="File to write.  [default: its content-addressed name]")
@loader_dir_option
def command(terminal: Terminal, **values: Any) -> Exit:
    """Build a boot ISO that starts BIOS and UEFI machines.

    The same input gives the same bytes. Prints the SHA-256 and the manifest that is on the ISO.
    """
    return run(parse(values), terminal)


def parse(values: Mapping[str, Any]) -> Options:
    """Options from the flags.

    :raises InputError: flags that contradict each other or cannot be read
    """
    return Options(
        source=parse_source(values),
        out=values["out"],
        name=values["name"],
        chain=values["chain"],
        loader_dirs=tuple(values["loader_dirs"]),
    )


def run(options: Options, terminal: Terminal) -> Exit:
    """Build, write, and show what it is."""
    from vmboot import api
    from vmboot.cli.views.media import iso_view
    from vmboot.media.check import check

    source = options.source
    if options.out is not None:
        check_new(options.out)
    wanted = api.load_fleet(source) if isinstance(source, Path) else source
    config = wanted if isinstance(wanted, BootConfig) else wanted.boot_config()
    for warning in check(config):
        terminal.note(f"warning: {warning.message}")
    note_limits(terminal, options.chain, config)
    iso = api.build_iso(
        wanted, name=options.name, chain=options.chain, loader_dirs=options.loader_dirs
    )
    file = options.out or Path(iso.file_name)
    write_new(file, iso.data)
    document = {
        "file": str(file),
        "sha256": iso.sha256,
        "size": len(iso.data),
        "manifest": dict(iso.manifest),
    }
    terminal.deliver(lambda: document, lambda: iso_view(document))
    return Exit.OK
