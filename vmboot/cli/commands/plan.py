"""``vmboot plan``: what apply would change, machine by machine."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from vmboot.cli.connecting import fleet_and_session
from vmboot.cli.exits import Exit
from vmboot.cli.files import check_new, write_new
from vmboot.cli.options import (
    FILE,
    Connection,
    PowerPolicy,
    connection_options,
    events_option,
    fleet_argument,
    limit_option,
    loader_dir_option,
    power_option,
)
from vmboot.cli.options import command as make_command
from vmboot.cli.progress import watching
from vmboot.cli.terminal import Terminal

if TYPE_CHECKING:
    from vmboot.fleet.plan import Plan
    from vmboot.fleet.spec import Fleet


@dataclass(frozen=True)
class Options:
    fleet: Path
    connection: Connection
    limit: tuple[str, ...] = ()
    power: PowerPolicy = "leave"
    out: Path | None = None
    loader_dirs: tuple[Path, ...] = ()
    events: bool = False


@make_command(
    "plan",
    example="""
    vmboot plan fleet.yml
    vmboot plan fleet.yml --limit '/DC1/vm/PVS/**' --out plan.json
    """,
)
@fleet_argument
@limit_option
@power_option
@click.option("--out", type=FILE, help="Also write the plan to this JSON file.")
@loader_dir_option
@events_option
@connection_options
def command(
    terminal: Terminal,
    *,
    fleet: Path,
    connection: Connection,
    limit: tuple[str, ...],
    power: PowerPolicy,
    out: Path | None,
    loader_dirs: tuple[Path, ...],
    events: bool,
) -> Exit:
    """Show what apply would change, machine by machine; change nothing.

    Exit code 6 when something would change, 0 when every machine is as wished, 1 when machines are
    refused and nothing else is left to do.
    """
    options = Options(fleet, connection, limit, power, out, loader_dirs, events)
    return run(options, terminal)


def run(options: Options, terminal: Terminal) -> Exit:
    """Plan, write the file asked for, show."""
    from vmboot.cli.views.plan import plan_view

    if options.out is not None:
        check_new(options.out)
    fleet, plan = make_plan(options, terminal)
    if options.out is not None:
        write_new(options.out, (json.dumps(plan.to_json(), indent=2) + "\n").encode())
        terminal.note(f"plan written to {options.out}")
    terminal.deliver(
        plan.to_json, lambda: plan_view(plan, groups=group_names(fleet), power=options.power)
    )
    return exit_of(plan)


def make_plan(options: Options, terminal: Terminal) -> tuple[Fleet, Plan]:
    """Read the fleet, look at the vCenter, plan."""
    from vmboot import api

    with (
        watching(terminal, events=options.events) as sink,
        fleet_and_session(options.fleet, options.connection, terminal, sink=sink) as opened,
    ):
        fleet, session = opened
        plan = api.plan(
            fleet,
            session,
            limit=options.limit,
            power=options.power,
            loader_dirs=options.loader_dirs,
            sink=sink,
        )
    return fleet, plan


def group_names(fleet: Fleet) -> tuple[str, ...]:
    """What to call the entries of ``targets`` and ``templates``, in the order plans count them."""
    return tuple(", ".join(entry.vms) for entry in (*fleet.targets, *fleet.templates))


def exit_of(plan: Plan) -> Exit:
    """6 with changes; 1 where all that is left is refused."""
    from vmboot.fleet.plan import Verdict

    if plan.has_changes or any(not upload.present for upload in plan.uploads):
        return Exit.CHANGES
    refused = any(machine.verdict is Verdict.REFUSED for machine in plan.machines)
    return Exit.FAILED if refused else Exit.OK
