"""``vmboot loaders fetch``: the distribution's newest iPXE, without root."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vmboot.cli.exits import Exit
from vmboot.cli.options import command as make_command
from vmboot.cli.options import events_option
from vmboot.cli.progress import watching
from vmboot.cli.terminal import Terminal


@dataclass(frozen=True)
class Options:
    events: bool = False


@make_command("fetch", example="vmboot loaders fetch")
@events_option
def command(terminal: Terminal, events: bool) -> Exit:
    """Fetch the distribution's newest iPXE into vmboot's cache, without root.

    It comes through this machine's own package sources, and its signature is checked.
    """
    return run(Options(events=events), terminal)


def run(options: Options, terminal: Terminal) -> Exit:
    """Fetch, and show what is there now."""
    from vmboot import api
    from vmboot.cli.views.loaders import loaders_table

    with watching(terminal, events=options.events) as sink:
        loaders = api.fetch_loaders(sink=sink)

    def document() -> dict[str, Any]:
        return {"loaders": [each.to_json() for each in loaders]}

    terminal.deliver(document, lambda: loaders_table(loaders))
    return Exit.OK
