"""``vmboot media import``: take over a PVS site's own boot ISO or boot disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from vmboot.cli.exits import Exit
from vmboot.cli.files import check_new, write_once
from vmboot.cli.options import DIRECTORY, FILE, gathered
from vmboot.cli.options import command as make_command
from vmboot.cli.terminal import Terminal
from vmboot.errors import InputError, NotFoundError, RefusedError

if TYPE_CHECKING:
    from vmboot.media.importing import ImportedMedia
    from vmboot.media.pvsfiles import VendorFile


@dataclass(frozen=True)
class Options:
    """
    :param format: of a disk; ``None`` for the usual one
    :param out: folder; ``None`` looks only
    """

    file: Path
    rename_bootx64: bool = False
    replace: tuple[str, ...] = ()
    all: bool = False
    name: str = "pvs"
    format: str | None = None
    out: Path | None = None


@make_command(
    "import",
    example="""
    vmboot media import BDMTemplate_uefi.vhd
    vmboot media import BDMTemplate_uefi.vhd --rename-bootx64 \\
        --replace 10.0.0.11=10.0.0.21 --out media
    """,
)
@click.argument("file", type=FILE)
@click.option(
    "--rename-bootx64",
    is_flag=True,
    help="Call PVSBOOTX64.EFI what UEFI machines look for: BOOTX64.EFI.",
)
@click.option(
    "--replace",
    multiple=True,
    metavar="OLD=NEW",
    help="Exact text to replace in PVSBOOT.INI (OLD=>NEW if it has a '='); repeatable.",
)
@click.option("--all", is_flag=True, help="Replace a text also where it stands several times.")
@click.option("--name", default="pvs", show_default=True, help="Part of the file name.")
@click.option(
    "--format",
    type=click.Choice(["vmdk-stream", "vmdk-flat", "raw"]),
    help="How to write a disk.  [default: vmdk-stream]",
)
@click.option("--out", type=DIRECTORY, help="Folder to write to.  [default: look only]")
def command(terminal: Terminal, **values: Any) -> Exit:
    """Take over a site's own boot ISO or disk (VHD, VHDX, VMDK, raw), and say what it is.

    Shows whether it boots, what was replaced, and the lines for fleet.yml. Programs of the vendor
    are never altered; one by itself (ARDBP32.BIN, pvsnbpx64.efi) is identified.
    """
    return run(gathered(Options, values), terminal)


def run(options: Options, terminal: Terminal) -> Exit:
    """Read, change as asked, write if a folder is named, show what it is."""
    from vmboot import api
    from vmboot.cli.views.pvs import import_view
    from vmboot.media.importing import check_pairs

    program = api.identify(options.file)
    if program is not None:
        return _show_program(options, program, terminal)
    if options.out is not None:
        _check_folder(options.out)
    imported = api.import_media(
        options.file,
        name=options.name,
        rename_bootx64=options.rename_bootx64,
        replace=check_pairs(options.replace),
        replace_all=options.all,
    )
    if imported.kind == "iso" and options.format is not None:
        raise InputError("--format is for disks, and this is an ISO", hint="leave it out")
    written = [] if options.out is None else _write(imported, options.out, options.format)
    document = {**imported.to_json(), "files": written, "fleet": _fleet(imported, written)}
    terminal.deliver(lambda: document, lambda: import_view(str(options.file), imported, document))
    if options.out is None:
        terminal.note("nothing is written: name a folder with --out")
    return Exit.OK


def _show_program(options: Options, program: VendorFile, terminal: Terminal) -> Exit:
    """A boot program by itself: said what it is, with the lines that name it as bootstrap."""
    from vmboot.cli.views.pvs import program_view

    if options.rename_bootx64 or options.replace:
        raise RefusedError(
            f"{options.file} is not changed: it is a boot program ({program.words})",
            hint="import the boot disk or ISO that it is on",
        )
    if options.out is not None:
        raise InputError(
            f"{options.file} is a boot program, no media to be written to a folder",
            hint="leave --out out, and copy the program to your boot servers as it is",
        )
    entry = {"file": options.file.name, "sha256": program.sha256}
    fleet = {"bootstrap": {program.firmware.value: entry}} if program.is_bootstrap else {}
    document = {
        "kind": "program",
        "file": str(options.file),
        "program": program.to_json(),
        "fleet": fleet,
    }
    terminal.deliver(lambda: document, lambda: program_view(str(options.file), program, fleet))
    return Exit.OK


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise NotFoundError(f"the folder {folder} does not exist", hint=f"make it: mkdir {folder}")
    check_new(folder / "x")


def _write(imported: ImportedMedia, folder: Path, format: Any) -> list[str]:
    """Data before the descriptor that names them; returns the file to name first."""
    files = {folder / n: data for n, data in imported.files(format or "vmdk-stream").items()}
    write_once(dict(reversed(files.items())))
    return [str(file) for file in files]


def _fleet(imported: ImportedMedia, written: list[str]) -> dict[str, Any]:
    """What to put into fleet.yml, as it would be read."""
    method = "iso" if imported.kind == "iso" else "bdm"
    image = written[0] if written else imported.file_name
    return {"media": {method: {"name": imported.name, "image": image}}}
