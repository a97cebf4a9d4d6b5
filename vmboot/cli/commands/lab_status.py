"""``vmboot lab status``: is a lab up, and where?"""

from __future__ import annotations

from dataclasses import dataclass

from vmboot.cli.commands.lab_up import document
from vmboot.cli.exits import Exit
from vmboot.cli.labfiles import write_login
from vmboot.cli.options import command as make_command
from vmboot.cli.terminal import Terminal


@dataclass(frozen=True)
class Options:
    """There is nothing to choose."""


@make_command("status", example="vmboot lab status")
def command(terminal: Terminal) -> Exit:
    """Show the lab that is up. Exit code 5 when none is."""
    return run(Options(), terminal)


def run(_options: Options, terminal: Terminal) -> Exit:
    """Ask the lab and show what it says."""
    from vmboot.cli.views.lab import lab_view, no_lab_view
    from vmboot.lab.state import status

    found = status()
    if found is None:
        terminal.deliver(lambda: {"up": False}, no_lab_view)
        return Exit.NOT_FOUND
    login = str(write_login(found.vcenter))
    terminal.deliver(
        lambda: {"up": True, **document(found, login)}, lambda: lab_view(found, login=login)
    )
    return Exit.OK
