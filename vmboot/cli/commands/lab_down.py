"""``vmboot lab down``: end the lab."""

from __future__ import annotations

from dataclasses import dataclass

from vmboot.cli.exits import Exit
from vmboot.cli.labfiles import remove_login
from vmboot.cli.options import command as make_command
from vmboot.cli.terminal import Terminal


@dataclass(frozen=True)
class Options:
    """There is nothing to choose."""


@make_command("down", example="vmboot lab down")
def command(terminal: Terminal) -> Exit:
    """End the lab. It is no error when none is up."""
    return run(Options(), terminal)


def run(_options: Options, terminal: Terminal) -> Exit:
    """End it, take its password file away, say what was done."""
    from rich.text import Text

    from vmboot.lab.state import down

    ended = down()
    remove_login()
    terminal.deliver(
        lambda: {"ended": ended}, lambda: Text("The lab is down." if ended else "No lab was up.")
    )
    return Exit.OK
