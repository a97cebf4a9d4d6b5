"""``vmboot schema``: the JSON schema of fleet.yml, for editors and other programs."""

from __future__ import annotations

import json
from dataclasses import dataclass

from vmboot.cli.exits import Exit
from vmboot.cli.options import command as make_command
from vmboot.cli.terminal import Terminal


@dataclass(frozen=True)
class Options:
    """There is nothing to choose."""


@make_command("schema", example="vmboot schema > fleet.schema.json")
def command(terminal: Terminal) -> Exit:
    """Print the JSON schema of fleet.yml."""
    return run(Options(), terminal)


def run(_options: Options, terminal: Terminal) -> Exit:
    """Always JSON, with and without --json."""
    from vmboot.fleet.spec import json_schema

    terminal.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
    return Exit.OK
