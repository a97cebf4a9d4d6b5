"""``vmboot sweep``: delete boot media of vmboot that nothing needs any more."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from vmboot.cli.connecting import fleet_and_session
from vmboot.cli.exits import Exit
from vmboot.cli.options import (
    Connection,
    connection_options,
    events_option,
    fleet_argument,
    gathered,
    yes_option,
)
from vmboot.cli.options import command as make_command
from vmboot.cli.progress import watching
from vmboot.cli.terminal import Terminal

if TYPE_CHECKING:
    from vmboot.fleet.sweep import SweepPlan, SweepResult


@dataclass(frozen=True)
class Options:
    """
    :param all: also files that only an undo would need
    """

    fleet: Path
    connection: Connection
    all: bool = False
    dry_run: bool = False
    yes: bool = False
    events: bool = False


@make_command(
    "sweep",
    example="""
    vmboot sweep fleet.yml --dry-run
    vmboot sweep fleet.yml --yes
    """,
)
@fleet_argument
@click.option(
    "--all",
    is_flag=True,
    help="Also files that only an undo would need; never one that a machine holds.",
)
@click.option("--dry-run", is_flag=True, help="Show what would go and stop.")
@yes_option
@events_option
@connection_options
def command(terminal: Terminal, **values: Any) -> Exit:
    """Delete boot media of vmboot that no machine uses any more.

    ISOs and masters of BDM disks in the fleet's folder with vmboot's kind of name, copies that a
    journal knows, and what imports left. Only what is older than an hour, held by no machine,
    template or snapshot of the whole vCenter, and needed by no unfinished run and no undo of a
    recent one. Shows them and asks first.
    """
    return run(gathered(Options, values), terminal)


def run(options: Options, terminal: Terminal) -> Exit:
    """Look, ask, delete, show."""
    from vmboot import api
    from vmboot.cli.views.sweep import sweep_plan_view, sweep_result_view

    with fleet_and_session(options.fleet, options.connection, terminal) as (fleet, session):
        plan = api.plan_sweep(fleet, session, everything=options.all)
        if options.dry_run or not plan.to_remove:
            terminal.deliver(lambda: _document(plan, None), lambda: sweep_plan_view(plan))
            return Exit.OK
        terminal.show(lambda: sweep_plan_view(plan))
        question = f"Delete {len(plan.to_remove)} of these files?"
        if not options.yes and not terminal.confirm(question, flag="--yes"):
            terminal.note("nothing was deleted")
            return Exit.INTERRUPTED
        with watching(terminal, events=options.events) as sink:
            result = api.sweep(fleet, session, everything=options.all, sink=sink)
    terminal.deliver(lambda: _document(plan, result), lambda: sweep_result_view(result))
    return exit_of(result)


def _document(plan: SweepPlan, result: SweepResult | None) -> dict[str, Any]:
    return {"plan": plan.to_json(), "result": None if result is None else result.to_json()}


def exit_of(result: SweepResult) -> Exit:
    """3 when some files could not be deleted, 1 when none could."""
    if not result.failed:
        return Exit.OK
    return Exit.PARTLY if result.removed else Exit.FAILED
