"""``vmboot undo``: restore every machine and template to what the journal recorded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from vmboot.cli.connecting import session_of
from vmboot.cli.exits import Exit
from vmboot.cli.interrupt import explained_interrupt
from vmboot.cli.options import (
    FILE,
    Connection,
    PowerPolicy,
    check_power,
    connection_options,
    events_option,
    gathered,
    hard_power_off_option,
    limit_option,
    power_option,
    yes_option,
)
from vmboot.cli.options import command as make_command
from vmboot.cli.progress import watching
from vmboot.cli.terminal import Terminal
from vmboot.fleet.plan import Verdict

if TYPE_CHECKING:
    from vmboot.fleet.result import RunResult
    from vmboot.fleet.undo import UndoPlan
    from vmboot.fleet.whichrun import Found
    from vmboot.vsphere.session import Session


@dataclass(frozen=True)
class Options:
    """
    :param run: a run's id, the id of a rollout, or ``last``
    :param fleet: only to know the vCenter where flags and environment do not name it
    """

    run: str
    connection: Connection
    fleet: Path | None = None
    limit: tuple[str, ...] = ()
    force: bool = False
    power: PowerPolicy = "leave"
    hard_power_off: bool = False
    dry_run: bool = False
    yes: bool = False
    events: bool = False


@make_command(
    "undo",
    example="""
    vmboot undo last
    vmboot undo rollout-20261121-233135-60b7 --dry-run
    vmboot undo 20261121-2204-a1b2 --limit '/DC1/vm/Templates/*' --yes
    """,
)
@click.argument("run")
@click.option("--fleet", type=FILE, help="Take the vCenter from this fleet document.")
@limit_option
@click.option(
    "--force", is_flag=True, help="Also restore machines that somebody changed since the run."
)
@power_option
@hard_power_off_option
@click.option("--dry-run", is_flag=True, help="Show what would be restored and stop.")
@yes_option
@events_option
@connection_options
def command(terminal: Terminal, **values: Any) -> Exit:
    """Restore what a run changed, from its journal.

    RUN is an id that 'vmboot runs' lists, of a run or of a rollout (that is all of its waves), or
    'last': the newest apply or rollout that is not undone. Shows what will be restored and asks
    first.
    Machines that the run had shut down are powered on again, and so are those that --power off
    shuts down to restore them; without it running machines wait where they have to be off.
    A machine that somebody else changed since is left alone and named, unless --force is given.
    An undo is a run too: it can be undone.
    """
    return run(gathered(Options, values), terminal)


def run(options: Options, terminal: Terminal) -> Exit:
    """Find the run, show what goes back, ask, restore, show how it went."""
    from vmboot import api
    from vmboot.cli.views.undo import undo_plan_view
    from vmboot.fleet.whichrun import find_runs

    check_power(options.power, hard=options.hard_power_off)
    found = find_runs(options.run, api.runs())
    fleet = None if options.fleet is None else api.load_fleet(options.fleet)
    with session_of(fleet, options.connection, terminal) as session:
        plan = api.plan_undo(
            found.id, session, limit=options.limit, force=options.force, power=options.power
        )
        shown = _Shown(terminal, found, plan)
        if found.undone_by and not plan.has_changes:
            by = "" if found.undone_by == found.id else f", by {found.undone_by}"
            terminal.note(f"{found.id} is already undone{by}: nothing to do")
            return shown.end(None, Exit.OK)
        terminal.show(lambda: undo_plan_view(plan, found))
        if options.dry_run:
            return shown.end(None, exit_of_plan(plan))
        if plan.has_changes and not options.yes and not _confirmed(terminal, shown, session):
            terminal.note("nothing was changed")
            return shown.end(None, Exit.INTERRUPTED)
        with (
            watching(terminal, events=options.events) as sink,
            explained_interrupt(sink) as interrupt,
        ):
            result = api.undo(
                found.id,
                session,
                limit=options.limit,
                force=options.force,
                power=options.power,
                hard_power_off=options.hard_power_off,
                sink=sink,
            )
    return shown.end(result, interrupt.told(exit_of_undo(result)))


def _confirmed(terminal: Terminal, shown: _Shown, session: Session) -> bool:
    from vmboot.cli.views.undo import power_words

    words = power_words(shown.plan)
    question = f"Restore what {shown.found.id} changed on {session.host}?"
    return terminal.confirm(f"{words}.\n{question}" if words else question, flag="--yes")


@dataclass(frozen=True)
class _Shown:
    """Where the result goes, and what it is about."""

    terminal: Terminal
    found: Found
    plan: UndoPlan

    def end(self, result: RunResult | None, code: Exit) -> Exit:
        """Show the result, or without one only the sum; return ``code``."""
        from vmboot.cli.views.result import result_view, way_back
        from vmboot.cli.views.table import line
        from vmboot.cli.views.undo import powered_on, undo_summary

        def document() -> dict[str, Any]:
            done = {} if result is None else result.to_json()
            started = list(powered_on(self.plan))
            about = {"undoes": self.found.id, "power_on": started, "plan": self.plan.to_json()}
            return {**about, **done}

        if result is None and self.terminal.shows:
            return code  # the plan stands there, with its sum
        self.terminal.deliver(
            document,
            lambda: (
                line(undo_summary(self.plan))
                if result is None
                else result_view(result, undone=self.found.id)
            ),
        )
        if result is not None and result.run_id:
            self.terminal.remember(way_back(result, self.found.id))
        return code


def exit_of_plan(plan: UndoPlan) -> Exit:
    """6 if something would be restored; 1 if all that is left is refused; else 0."""
    if plan.has_changes:
        return Exit.CHANGES
    settled = all(machine.verdict is Verdict.OK for machine in plan.machines)
    return Exit.OK if settled else Exit.FAILED


def exit_of_undo(result: RunResult) -> Exit:
    """130 interrupted; 3 some restored and some not; 1 none; else 0. An undo that waits is open."""
    if result.interrupted:
        return Exit.INTERRUPTED
    if not (result.failed or result.skipped or result.pending):
        return Exit.OK
    return Exit.PARTLY if result.done or result.ok else Exit.FAILED
