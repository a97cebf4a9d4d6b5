"""``vmboot rollout``: the same as apply through Ansible, in waves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from vmboot.cli.connecting import credential_keywords
from vmboot.cli.exits import Exit
from vmboot.cli.interrupt import explained_interrupt
from vmboot.cli.options import (
    Connection,
    PowerPolicy,
    connection_options,
    events_option,
    fleet_argument,
    gathered,
    limit_option,
    loader_dir_option,
    yes_option,
)
from vmboot.cli.options import command as make_command
from vmboot.cli.progress import watching
from vmboot.cli.terminal import Terminal

if TYPE_CHECKING:
    from vmboot.fleet.rollout_result import RolloutResult

_EXITS = {
    "done": Exit.OK,
    "partly": Exit.PARTLY,
    "stopped": Exit.FAILED,
    "interrupted": Exit.INTERRUPTED,
}


@dataclass(frozen=True)
class Options:
    fleet: Path
    connection: Connection
    inventory: Path | None = None
    limit: tuple[str, ...] = ()
    power: PowerPolicy | None = None
    check: bool = False
    loader_dirs: tuple[Path, ...] = ()
    yes: bool = False
    events: bool = False


@make_command(
    "rollout",
    example="""
    vmboot rollout fleet.yml --check
    vmboot rollout fleet.yml --inventory inventories/site --yes
    """,
)
@fleet_argument
@click.option(
    "--inventory",
    type=click.Path(path_type=Path),
    help="Ansible inventory with a group 'vcenters'.  [default: this host alone]",
)
@limit_option
@click.option(
    "--power",
    type=click.Choice(["leave", "off"]),
    help="Machines that are on: leave or shut down.  [default: rollout.power of the fleet]",
)
@click.option("--check", is_flag=True, help="Ansible's check mode: show, change nothing.")
@yes_option
@loader_dir_option
@events_option
@connection_options
def command(terminal: Terminal, **values: Any) -> Exit:
    """Apply through Ansible: canary, waves, failure budget.

    Runs playbooks/rollout.yml with ansible-runner and shows it live. It stops for good when more
    machines failed than rollout.max_failures allows.
    """
    return run(gathered(Options, values), terminal)


def run(options: Options, terminal: Terminal) -> Exit:
    """Ask, run the playbook, show a line per wave."""
    from vmboot import api
    from vmboot.cli.views.rollout import rollout_view

    fleet = api.load_fleet(options.fleet)
    question = f"Roll {options.fleet} out?"
    if not (options.yes or options.check) and not terminal.confirm(question, flag="--yes"):
        terminal.note("nothing was changed")
        return Exit.INTERRUPTED
    with (
        watching(terminal, events=options.events) as sink,
        explained_interrupt(sink) as interrupt,
    ):
        result = api.rollout(
            fleet,
            inventory=options.inventory,
            limit=options.limit,
            power=options.power,
            check=options.check,
            loader_dirs=options.loader_dirs,
            sink=sink,
            **credential_keywords(options.connection, terminal),
        )
    terminal.deliver(result.to_json, lambda: rollout_view(result))
    return interrupt.told(exit_of(result))


def exit_of(result: RolloutResult) -> Exit:
    """The exit code for how a rollout ended."""
    return _EXITS[result.state.value]
