"""``vmboot apply``: make the machines boot as fleet.yml says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from vmboot.cli.commands.plan import exit_of, group_names
from vmboot.cli.connecting import fleet_and_session
from vmboot.cli.exits import Exit
from vmboot.cli.interrupt import explained_interrupt
from vmboot.cli.options import (
    Connection,
    PowerPolicy,
    check_power,
    connection_options,
    events_option,
    fleet_argument,
    gathered,
    hard_power_off_option,
    limit_option,
    loader_dir_option,
    power_option,
    yes_option,
)
from vmboot.cli.options import (
    command as make_command,
)
from vmboot.cli.progress import watching
from vmboot.cli.terminal import Terminal
from vmboot.errors import InputError
from vmboot.fleet.waves import Budget

if TYPE_CHECKING:
    from rich.console import RenderableType

    from vmboot.events import Sink
    from vmboot.fleet.apply import RunResult
    from vmboot.fleet.plan import Plan
    from vmboot.fleet.spec import Fleet
    from vmboot.vsphere.session import Session


@dataclass(frozen=True)
class Options:
    """
    :param max_failures: ``"3"`` or ``"2%"``; ``None`` takes the fleet document's
    """

    fleet: Path
    connection: Connection
    limit: tuple[str, ...] = ()
    power: PowerPolicy = "leave"
    hard_power_off: bool = False
    window: int = 32
    max_failures: str | None = None
    loader_dirs: tuple[Path, ...] = ()
    dry_run: bool = False
    yes: bool = False
    events: bool = False


@make_command(
    "apply",
    example="""
    vmboot apply fleet.yml
    vmboot apply fleet.yml --limit 'pvs-0*' --power off --yes
    """,
)
@fleet_argument
@limit_option
@power_option
@hard_power_off_option
@click.option(
    "--window",
    type=click.IntRange(1, 256),
    default=32,
    show_default=True,
    help="Tasks in flight at once.",
)
@click.option("--max-failures", metavar="N|N%", help="Stop when more machines failed than this.")
@click.option("--dry-run", is_flag=True, help="Show the plan and stop.")
@yes_option
@loader_dir_option
@events_option
@connection_options
def command(terminal: Terminal, **values: Any) -> Exit:
    """Make the machines boot as fleet.yml says.

    Shows the plan and asks first. The state before is written to a journal before every change;
    every machine is read back afterwards; 'vmboot undo RUN' restores what was. A machine that is
    as wished costs no call.

    With --power off, machines that were shut down stay off; the result names them. Exit code 0
    also when all that is left is pending: it waits for the next power off of a running machine,
    as 'vmboot plan' and 'vmboot status' say with exit code 6.
    """
    return run(gathered(Options, values), terminal)


def run(options: Options, terminal: Terminal) -> Exit:
    """Plan, ask, apply, show how it went."""
    _check(options)
    with fleet_and_session(options.fleet, options.connection, terminal) as (fleet, session):
        with watching(terminal, events=options.events) as sink:
            plan = _plan(options, fleet, session, sink)
        terminal.show(lambda: _plan_view(plan, fleet, options))
        if options.dry_run or not _has_work(plan):
            return _deliver(terminal, plan, None, exit_of(plan))
        if not options.yes and not terminal.confirm(_question(plan), flag="--yes"):
            terminal.note("nothing was changed")
            return _deliver(terminal, plan, None, Exit.INTERRUPTED)
        with (
            watching(terminal, events=options.events) as sink,
            explained_interrupt(sink) as interrupt,
        ):
            result = _apply(options, plan, fleet, session, sink)
    return _deliver(terminal, plan, result, interrupt.told(exit_of_run(plan, result)))


def _check(options: Options) -> None:
    """Flags that cannot be meant, before anything is read.

    :raises InputError: one of them
    """
    if options.max_failures is not None:
        try:
            Budget.parse(options.max_failures)
        except InputError as error:
            raise InputError(f"--max-failures: {error.message}", hint=error.hint) from None
    check_power(options.power, hard=options.hard_power_off)


def _question(plan: Plan) -> str:
    """What is asked; machines that go down are named in the question itself."""
    from vmboot.cli.views.plan import shut_down_words

    words = shut_down_words(plan)
    return f"{words}.\nApply this to {plan.vcenter}?" if words else f"Apply this to {plan.vcenter}?"


def _plan(options: Options, fleet: Fleet, session: Session, sink: Sink) -> Plan:
    from vmboot import api

    return api.plan(
        fleet,
        session,
        limit=options.limit,
        power=options.power,
        loader_dirs=options.loader_dirs,
        sink=sink,
    )


def _apply(
    options: Options,
    plan: Plan,
    fleet: Fleet,
    session: Session,
    sink: Sink,
) -> RunResult:
    from vmboot import api

    return api.apply(
        plan,
        fleet,
        session,
        power=options.power,
        hard_power_off=options.hard_power_off,
        window=options.window,
        max_failures=options.max_failures,
        loader_dirs=options.loader_dirs,
        sink=sink,
    )


def _has_work(plan: Plan) -> bool:
    return plan.has_changes or any(not upload.present for upload in plan.uploads)


def _deliver(terminal: Terminal, plan: Plan, result: RunResult | None, code: Exit) -> Exit:
    """One document for programs: the plan and, if anything was done, the result."""
    from vmboot.cli.views.plan import summary
    from vmboot.cli.views.result import result_view, way_back
    from vmboot.cli.views.table import line

    def document() -> dict[str, Any]:
        return {"plan": plan.to_json(), "result": None if result is None else result.to_json()}

    if result is None and terminal.shows:
        return code  # the plan stands there, with its sum
    terminal.deliver(
        document, lambda: line(summary(plan)) if result is None else result_view(result)
    )
    if result is not None and result.run_id:
        terminal.remember(way_back(result))
    return code


def _plan_view(plan: Plan, fleet: Fleet, options: Options) -> RenderableType:
    from vmboot.cli.views.plan import plan_view

    return plan_view(plan, groups=group_names(fleet), power=options.power)


def exit_of_run(plan: Plan, result: RunResult) -> Exit:
    """130 interrupted; 1 nothing worked; 3 something failed or was refused; else 0, pending too."""
    if result.interrupted:
        return Exit.INTERRUPTED
    refused = plan.counts["refused"]
    if not (result.failed or result.skipped or refused):
        return Exit.OK
    return Exit.PARTLY if result.done or result.ok or result.pending else Exit.FAILED
