"""``vmboot loaders status``: what is there, what each can do, and the cure for what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmboot.cli.exits import Exit
from vmboot.cli.options import command as make_command
from vmboot.cli.options import loader_dir_option
from vmboot.cli.terminal import Terminal


@dataclass(frozen=True)
class Options:
    loader_dirs: tuple[Path, ...] = ()


@make_command("status", example="vmboot loaders status")
@loader_dir_option
def command(terminal: Terminal, loader_dirs: tuple[Path, ...]) -> Exit:
    """Show every loader found, what it can and cannot do, and what to do about a missing one.

    Exit code 5 when media cannot be built for BIOS or for UEFI.
    """
    return run(Options(loader_dirs=tuple(loader_dirs)), terminal)


def run(options: Options, terminal: Terminal) -> Exit:
    """Look, and show."""
    from vmboot.cli.views.loaders import loaders_view
    from vmboot.media.loaders import report
    from vmboot.media.secure import secure_options

    found = report(dirs=options.loader_dirs)
    secure = secure_options(found.loaders)

    def document() -> dict[str, Any]:
        return {**found.to_json(), "secure_boot": [each.to_json() for each in secure]}

    terminal.deliver(document, lambda: loaders_view(found, secure))
    return Exit.OK if all(each.ready for each in found.firmwares) else Exit.NOT_FOUND
