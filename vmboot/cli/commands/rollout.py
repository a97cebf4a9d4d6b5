"""``vmboot rollout``: the same as apply through Ansible, in waves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from vmboot import errors
from vmboot.cli.commands.plan import group_names
from vmboot.cli.connecting import credential_keywords
from vmboot.cli.exits import Exit, exit_for
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
from vmboot.fleet.waves import split

if TYPE_CHECKING:
    from vmboot.fleet.rollout_result import RolloutResult
    from vmboot.fleet.spec import Fleet

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

    Shows the plan and the waves and asks first. Runs playbooks/rollout.yml with ansible-runner and
    shows it live. It stops for good when more machines failed than rollout.max_failures allows.
    Every wave is a call of Ansible with a session of its own: that is slower than apply.
    """
    return run(gathered(Options, values), terminal)


def run(options: Options, terminal: Terminal) -> Exit:
    """Show the plan and the waves, ask, run the playbook, show a line per wave."""
    from vmboot import api
    from vmboot.cli.views.rollout import rollout_view

    fleet = api.load_fleet(options.fleet)
    login = _login(options, terminal)
    question = _look_ahead(options, fleet, login, terminal)
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
            **login,
        )
    terminal.deliver(result.to_json, lambda: rollout_view(result))
    if result.changed:
        terminal.remember(f"to take it back: vmboot undo {result.rollout}")
    return interrupt.told(exit_of(result))


def _login(options: Options, terminal: Terminal) -> dict[str, Any]:
    """How to log in, for the look ahead and for Ansible; a password is asked for once."""
    keywords = credential_keywords(options.connection, terminal)
    ask = keywords["password_from"]
    return {**keywords, "password_from": ask and cache(ask)}


def _look_ahead(options: Options, fleet: Fleet, login: dict[str, Any], terminal: Terminal) -> str:
    """Show what will be done, and return the question about it.

    An inventory of the user's own may name other vCenters than the fleet document, with logins of
    their own; what happens there only Ansible knows, and ``--check`` shows.
    """
    from vmboot import api
    from vmboot.cli.views.rollout import rollout_plan_view, rollout_question

    if options.inventory is not None:
        where = f"on the vCenters of {options.inventory}; --check shows what that changes"
        return f"Roll {options.fleet} out {where}?"
    power: PowerPolicy = options.power or ("off" if fleet.rollout.power == "off" else "leave")
    with (
        watching(terminal, events=options.events) as sink,
        api.connect(fleet, sink=sink, **login) as session,
    ):
        plan = api.plan(
            fleet,
            session,
            limit=options.limit,
            power=power,
            loader_dirs=options.loader_dirs,
            sink=sink,
        )
    waves = split(plan, fleet.rollout)
    terminal.show(lambda: rollout_plan_view(plan, waves, groups=group_names(fleet), power=power))
    return rollout_question(plan, waves, options.fleet)


def exit_of(result: RolloutResult) -> Exit:
    """The exit code for how a rollout ended; what stopped it before the first wave decides."""
    kind = getattr(errors, result.error, None) if not result.waves else None
    if result.state.value == "stopped" and kind is not None:
        return exit_for(kind(result.message))
    return _EXITS[result.state.value]
