"""``vmboot media bdm``: build a boot disk from flags, or from a fleet document."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import rich_click as click

from vmboot.cli.commands.media_flags import (
    chain_option,
    config_options,
    note_limits,
    parse_source,
)
from vmboot.cli.exits import Exit
from vmboot.cli.files import check_new, write_once
from vmboot.cli.options import FILE, loader_dir_option
from vmboot.cli.options import command as make_command
from vmboot.cli.terminal import Terminal
from vmboot.errors import InputError
from vmboot.model import BootConfig, BootMethod

if TYPE_CHECKING:
    from vmboot.media.bdm import BootDisk
    from vmboot.media.diskfiles import DiskFormat

_SIZE = re.compile(r"([0-9]{1,6})(M|MiB)", re.IGNORECASE)
# Names by which other programs would take a raw disk for what it is not.
_NOT_RAW = {
    ".vhd": "qemu-img convert -f raw -O vpc -o subformat=fixed,force_size",
    ".vhdx": "qemu-img convert -f raw -O vhdx",
    ".qcow2": "qemu-img convert -f raw -O qcow2",
    ".iso": "name it .img or .vmdk; a CD is built by 'vmboot media iso'",
}


@dataclass(frozen=True)
class Options:
    """
    :param source: the fleet document to read, or what the flags say
    :param layout: of the partition table; ``None`` for the source's own
    :param size: of the disk in bytes; ``None`` for the source's own, or what is needed
    :param name: part of the disk's file name; ``None`` for the source's own
    :param chain: how UEFI machines start
    """

    source: Path | BootConfig
    layout: str | None = None
    format: DiskFormat = "raw"
    size: int | None = None
    out: Path | None = None
    name: str | None = None
    chain: str = "ipxe"
    loader_dirs: tuple[Path, ...] = ()


@make_command(
    "bdm",
    example="""
    vmboot media bdm --server 10.0.0.11 --server 10.0.0.12 \\
        --bootstrap bios=ARDBP32.BIN --bootstrap uefi=pvsnbpx64.efi --out boot.vmdk
    vmboot media bdm --server 10.0.0.11 --pxe-on-disk --format raw --out work.img
    """,
)
@config_options
@chain_option
@click.option(
    "--pxe-on-disk",
    is_flag=True,
    help="Ask the servers for work first; without work boot the next device.",
)
@click.option(
    "--layout",
    type=click.Choice(["auto", "mbr", "gpt"]),
    help="Partition table: mbr starts BIOS and UEFI machines, gpt UEFI only.  [default: auto, mbr]",
)
@click.option("--size", metavar="8M", help="Size of the disk.  [default: 8M, or what is needed]")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["raw", "vmdk-stream", "vmdk-flat"]),
    help="What to write; vmdk-flat is two files.  [default: by --out: raw, .vmdk: vmdk-stream]",
)
@click.option("--name", help="Part of the file name.  [default: the fleet's, or boot]")
@click.option("--out", type=FILE, help="File to write.  [default: its content-addressed name]")
@loader_dir_option
def command(terminal: Terminal, **values: Any) -> Exit:
    """Build a boot disk (BDM) that starts BIOS machines, UEFI machines or both.

    The same input gives the same bytes. Its configuration is the plain file autoexec.ipxe. Prints
    the SHA-256 of the raw disk and the manifest that is on it. An existing file is not replaced.
    """
    return run(parse(values), terminal)


def parse(values: Mapping[str, Any]) -> Options:
    """Options from the flags.

    :raises InputError: flags that contradict each other or cannot be read
    """
    return Options(
        source=parse_source(values, work=values["pxe_on_disk"]),
        layout=values["layout"],
        format=_format(values["format_"], values["out"]),
        size=parse_size(values["size"]),
        out=values["out"],
        name=values["name"],
        chain=values["chain"],
        loader_dirs=tuple(values["loader_dirs"]),
    )


def _format(given: str | None, out: Path | None) -> DiskFormat:
    _check_suffix(out)
    vmdk = out is None or out.suffix.lower() == ".vmdk"
    chosen = given or ("vmdk-stream" if vmdk else "raw")
    if chosen == "raw" and out is not None and vmdk:
        raise InputError(
            f"--format raw with --out {out}: a raw disk is no VMDK",
            hint="name it .img, or choose --format vmdk-stream or vmdk-flat",
        )
    if chosen != "raw" and not vmdk:
        raise InputError(
            f"--format {chosen} with --out {out}: other programs tell a VMDK by its name",
            hint="name it .vmdk, or choose --format raw",
        )
    return cast("DiskFormat", chosen)


def _check_suffix(out: Path | None) -> None:
    """Refuse a name that promises another format than can be written."""
    hint = _NOT_RAW.get(out.suffix.lower()) if out else None
    if out is None or hint is None:
        return
    if "qemu-img" in hint:
        raw = out.with_suffix(".img")
        hint = f"write {raw}, then {hint} {raw} {out}"
    raise InputError(
        f"--out {out}: a boot disk is written as raw, vmdk-stream or vmdk-flat only", hint=hint
    )


def parse_size(text: str | None) -> int | None:
    """Bytes of ``8M`` or ``8MiB``; ``None`` of nothing or ``auto``."""
    from vmboot.media.bdm import SIZES

    if text in (None, "auto"):
        return None
    found = _SIZE.fullmatch(text or "")
    size = int(found[1]) << 20 if found else 0
    if size not in SIZES:
        least, most = SIZES[0] >> 20, SIZES[-1] >> 20
        raise InputError(
            f"--size {text}: not a size from {least}M to {most}M", hint="write it as 8M"
        )
    return size


def run(options: Options, terminal: Terminal) -> Exit:
    """Build, write, and show what it is."""
    from vmboot import api
    from vmboot.cli.views.media import bdm_view
    from vmboot.media.bdm import Layout, firmwares_for
    from vmboot.media.check import check

    source = options.source
    if options.out is not None:
        check_new(options.out)
    wanted = api.load_fleet(source) if isinstance(source, Path) else source
    config = wanted if isinstance(wanted, BootConfig) else wanted.boot_config(BootMethod.BDM)
    for warning in check(config):
        terminal.note(f"warning: {warning.message}")
    note_limits(terminal, options.chain, config)
    disk = api.build_bdm(
        wanted,
        name=options.name,
        layout=options.layout,
        size=options.size,
        chain=options.chain,
        loader_dirs=options.loader_dirs,
    )
    written = _write(disk, options.format, options.out)
    starts = firmwares_for(config, Layout(disk.layout))
    document = {
        "file": str(written[0]),
        "files": [str(each) for each in written],
        "format": options.format,
        "layout": disk.layout,
        "starts": [firmware.value for firmware in starts],
        "sha256": disk.sha256,
        "size": len(disk.data),
        "manifest": dict(disk.manifest),
    }
    terminal.deliver(lambda: document, lambda: bdm_view(document))
    return Exit.OK


def _write(disk: BootDisk, form: DiskFormat, out: Path | None) -> tuple[Path, ...]:
    """Write the disk, data before the descriptor that names them; the one to name first."""
    from vmboot.media.diskfiles import disk_files

    given = out or Path(disk.file_name)
    names, contents = zip(*disk_files(disk.data, stem=given.stem, format=form).items(), strict=True)
    first, *others = (given.with_name(name) for name in names)
    paths = (out or first, *others)
    write_once(dict(reversed(tuple(zip(paths, contents, strict=True)))))
    return paths
