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
    connection_options,
    events_option,
    gathered,
    limit_option,
    yes_option,
)
from vmboot.cli.options import command as make_command
from vmboot.cli.progress import watching
from vmboot.cli.terminal import Terminal
from vmboot.errors import NotFoundError

if TYPE_CHECKING:
    from vmboot.fleet.result import RunResult

LAST = "last"


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
    yes: bool = False
    events: bool = False


@make_command(
    "undo",
    example="""
    vmboot undo last
    vmboot undo 20261121-2204-a1b2 --limit '/DC1/vm/Templates/*' --yes
    """,
)
@click.argument("run")
@click.option("--fleet", type=FILE, help="Take the vCenter from this fleet document.")
@limit_option
@click.option(
    "--force", is_flag=True, help="Also restore machines that somebody changed since the run."
)
@yes_option
@events_option
@connection_options
def command(terminal: Terminal, **values: Any) -> Exit:
    """Restore what a run changed, from its journal.

    RUN is an id that 'vmboot runs' lists, of a run or of a rollout, or 'last': the newest apply or
    rollout that is not undone. A machine that somebody else changed since is left alone and named,
    unless --force is given.
    An undo is a run too: it can be undone.
    """
    return run(gathered(Options, values), terminal)


def run(options: Options, terminal: Terminal) -> Exit:
    """Find the run, ask, restore, show how it went."""
    from vmboot import api

    run_id = last_run() if options.run == LAST else options.run
    fleet = None if options.fleet is None else api.load_fleet(options.fleet)
    with session_of(fleet, options.connection, terminal) as session:
        question = f"Restore what run {run_id} changed on {session.host}?"
        if not options.yes and not terminal.confirm(question, flag="--yes"):
            terminal.note("nothing was changed")
            return Exit.INTERRUPTED
        with (
            watching(terminal, events=options.events) as sink,
            explained_interrupt(sink) as interrupt,
        ):
            result = api.undo(
                run_id,
                session,
                limit=options.limit,
                force=options.force,
                sink=sink,
            )
    return interrupt.told(_deliver(terminal, run_id, result))


def last_run() -> str:
    """The id of the newest apply on this machine that is not undone yet; of a wave, its rollout's.

    :raises NotFoundError: there is none
    """
    from vmboot import api

    for each in api.runs():
        if each.verb == "apply" and each.undoable:
            return each.rollout or each.id
    raise NotFoundError(
        "no run that could be undone is recorded on this machine",
        hint="'vmboot runs' lists them; journals belong to the user and machine that ran apply",
    )


def _deliver(terminal: Terminal, run_id: str, result: RunResult) -> Exit:
    from vmboot.cli.views.result import result_view

    terminal.deliver(result.to_json, lambda: result_view(result, undone=run_id))
    return exit_of_undo(result)


def exit_of_undo(result: RunResult) -> Exit:
    """130 interrupted; 3 some restored and some not; 1 none; else 0. An undo that waits is open."""
    if result.interrupted:
        return Exit.INTERRUPTED
    if not (result.failed or result.skipped or result.pending):
        return Exit.OK
    return Exit.PARTLY if result.done or result.ok else Exit.FAILED
