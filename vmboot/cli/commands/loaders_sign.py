"""``vmboot loaders sign``: a site's own signature for machines with Secure Boot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rich_click as click

from vmboot.cli.exits import Exit
from vmboot.cli.options import DIRECTORY, FILE, loader_dir_option
from vmboot.cli.options import command as make_command
from vmboot.cli.terminal import Terminal

PASSPHRASE = "VMBOOT_KEY_PASSPHRASE"


@dataclass(frozen=True)
class Options:
    files: tuple[Path, ...]
    key: Path
    cert: Path
    out: Path | None = None
    loader_dirs: tuple[Path, ...] = ()


@make_command(
    "sign",
    example="""
    vmboot loaders sign --key site.key --cert site.crt
    vmboot loaders sign --key site.key --cert site.crt pvsnbpx64.efi --out /srv/tftp
    """,
)
@click.argument("files", type=FILE, nargs=-1, metavar="[FILE]...")
@click.option("--key", type=FILE, required=True, help="RSA private key, PEM, yours only.")
@click.option("--cert", type=FILE, required=True, help="Its certificate, PEM or DER.")
@click.option("--out", type=DIRECTORY, help="Put the signed files here, not among the loaders.")
@loader_dir_option
def command(
    terminal: Terminal,
    files: tuple[Path, ...],
    key: Path,
    cert: Path,
    out: Path | None,
    loader_dirs: tuple[Path, ...],
) -> Exit:
    """Sign boot programs with your own key, for machines whose Secure Boot trusts it.

    Without FILE it signs the iPXE that UEFI media are built with. The passphrase of an encrypted
    key is asked for, or taken from $VMBOOT_KEY_PASSPHRASE. Needs sbsign (package sbsigntool).
    """
    return run(Options(tuple(files), key, cert, out, tuple(loader_dirs)), terminal)


def run(options: Options, terminal: Terminal) -> Exit:
    """Sign, and show by whom."""
    from vmboot import api
    from vmboot.cli.views.loaders import loaders_table

    passphrase = _passphrase(options.key, terminal)
    loaders = [
        api.sign_loader(
            file,
            key=options.key,
            certificate=options.cert,
            passphrase=passphrase,
            out=options.out,
            loader_dirs=options.loader_dirs,
        )
        for file in options.files or (None,)
    ]

    def document() -> dict[str, Any]:
        return {"loaders": [each.to_json() for each in loaders]}

    terminal.deliver(document, lambda: loaders_table(loaders))
    return Exit.OK


def _passphrase(key: Path, terminal: Terminal) -> str | None:
    """Asked for where the key needs one, there is somebody to ask and the environment has none."""
    from vmboot.media.sign import is_encrypted

    given = terminal.environ.get(PASSPHRASE)
    prompt = terminal.password_prompt
    if given or prompt is None or not key.is_file() or not is_encrypted(key.read_bytes()):
        return given
    return prompt(f"the key {key}")
