"""``vmboot lab env``: shell lines that make the other commands use the lab."""

from __future__ import annotations

from dataclasses import dataclass

from vmboot.cli.exits import Exit
from vmboot.cli.labfiles import exports, write_login
from vmboot.cli.options import command as make_command
from vmboot.cli.terminal import Terminal
from vmboot.errors import NotFoundError


@dataclass(frozen=True)
class Options:
    """There is nothing to choose."""


@make_command("env", example="source <(vmboot lab env)")
def command(terminal: Terminal) -> Exit:
    """Print shell lines that point vmboot at the lab that is up.

    The password is not among them: they name a file that only you can read.
    """
    return run(Options(), terminal)


def run(_options: Options, terminal: Terminal) -> Exit:
    """Print exports, or with --json the variables' file."""
    from vmboot.lab.state import status

    found = status()
    if found is None:
        raise NotFoundError("no lab is up", hint="start one with: vmboot lab up")
    file = write_login(found.vcenter)
    if terminal.json:
        terminal.deliver_json({"env_file": str(file)})
    else:
        terminal.stdout.write(exports(found.vcenter))  # as it is: a shell reads it
    return Exit.OK
