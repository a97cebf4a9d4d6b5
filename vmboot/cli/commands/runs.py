"""``vmboot runs``: what was done from this machine and can be undone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vmboot.cli.exits import Exit
from vmboot.cli.options import command as make_command
from vmboot.cli.terminal import Terminal


@dataclass(frozen=True)
class Options:
    """There is nothing to choose."""


@make_command("runs", example="vmboot runs")
def command(terminal: Terminal) -> Exit:
    """List the runs that this machine's journals know, newest first."""
    return run(Options(), terminal)


def run(_options: Options, terminal: Terminal) -> Exit:
    """Read the journals and show a line for each."""
    from vmboot import api
    from vmboot.cli.views.runs import runs_view

    runs = api.runs()

    def document() -> dict[str, Any]:
        return {"runs": [each.to_json() for each in runs]}

    terminal.deliver(document, lambda: runs_view(runs))
    return Exit.OK
