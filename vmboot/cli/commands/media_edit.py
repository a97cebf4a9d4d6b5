"""``vmboot media edit``: another boot server list for a whole fleet."""

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
from vmboot.cli.options import command as make_command
from vmboot.cli.progress import watching
from vmboot.cli.terminal import Terminal

if TYPE_CHECKING:
    from vmboot.fleet.mediaedit import EditPlan, EditResult


@dataclass(frozen=True)
class Options:
    """
    :param servers: ADDRESS or NAME=ADDRESS each, separated by commas
    """

    fleet: Path
    connection: Connection
    servers: str
    limit: tuple[str, ...] = ()
    power: PowerPolicy = "leave"
    hard_power_off: bool = False
    loader_dirs: tuple[Path, ...] = ()
    dry_run: bool = False
    yes: bool = False
    events: bool = False

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(part.strip() for part in self.servers.split(",") if part.strip())


@make_command(
    "edit",
    example="""
    vmboot media edit fleet.yml --servers 10.0.0.21,10.0.0.22
    vmboot media edit fleet.yml --servers pvs1=pvs1.example.net,pvs2=10.0.0.22 --power off --yes
    """,
)
@fleet_argument
@click.option(
    "--servers",
    metavar="[NAME=]ADDRESS[,...]",
    required=True,
    help="The new boot servers, in failover order; one that is listed already keeps its name.",
)
@limit_option
@power_option
@hard_power_off_option
@click.option("--dry-run", is_flag=True, help="Show what would change and stop.")
@yes_option
@loader_dir_option
@events_option
@connection_options
def command(terminal: Terminal, **values: Any) -> Exit:
    """Give a whole fleet another boot server list, in waves.

    Changes boot_servers in fleet.yml and nothing else there, then applies it wave by wave as its
    section 'rollout' says: new media once per datastore, new copies of BDM disks, an exchange per
    machine. Machines that run wait for an apply at their next power off, or --power off.
    After Ctrl-C the same command goes on. 'vmboot undo ROLLOUT' takes the machines back.
    """
    return run(gathered(Options, values), terminal)


def run(options: Options, terminal: Terminal) -> Exit:
    """Plan, ask, apply, show how it went."""
    check_power(options.power, hard=options.hard_power_off)
    from vmboot import api
    from vmboot.cli.views.mediaedit import edit_plan_view
    from vmboot.fleet.newservers import new_servers

    new_servers(options.addresses, what="--servers")  # its errors need no vCenter
    with fleet_and_session(options.fleet, options.connection, terminal) as (fleet, session):
        with watching(terminal, events=options.events) as sink:
            planned = api.plan_edit(
                options.fleet,
                session,
                options.addresses,
                limit=options.limit,
                power=options.power,
                loader_dirs=options.loader_dirs,
                sink=sink,
            )
        terminal.show(
            lambda: edit_plan_view(planned, groups=group_names(fleet), power=options.power)
        )
        unchanged = planned.edit.before == planned.edit.after
        if options.dry_run or (unchanged and not planned.plan.has_changes):
            return _deliver(terminal, planned, None, exit_of(planned.plan))
        question = f"Change {options.fleet} and apply it to {planned.plan.vcenter}?"
        if not options.yes and not terminal.confirm(question, flag="--yes"):
            terminal.note("nothing was changed")
            return _deliver(terminal, planned, None, Exit.INTERRUPTED)
        with (
            watching(terminal, events=options.events) as sink,
            explained_interrupt(sink) as interrupt,
        ):
            result = api.edit_servers(
                planned,
                session,
                power=options.power,
                hard_power_off=options.hard_power_off,
                loader_dirs=options.loader_dirs,
                sink=sink,
            )
    return _deliver(terminal, planned, result, interrupt.told(exit_of_edit(planned, result)))


def _deliver(terminal: Terminal, planned: EditPlan, result: EditResult | None, code: Exit) -> Exit:
    from vmboot.cli.views.mediaedit import edit_result_view
    from vmboot.cli.views.plan import summary
    from vmboot.cli.views.table import line

    def document() -> dict[str, Any]:
        done = None if result is None else result.to_json()
        return {**planned.to_json(), "result": done}

    if result is None and terminal.shows:
        return code
    terminal.deliver(
        document,
        lambda: line(summary(planned.plan)) if result is None else edit_result_view(result),
    )
    if result is not None and result.rollout:
        terminal.remember(f"to take it back: vmboot undo {result.rollout}")
    return code


def exit_of_edit(planned: EditPlan, result: EditResult) -> Exit:
    """130 interrupted; 3 something failed, was refused or not begun; 1 nothing worked; else 0."""
    if result.interrupted:
        return Exit.INTERRUPTED
    counts = result.counts
    bad = result.failed or counts.get("skipped") or planned.plan.counts["refused"]
    if not (bad or result.stopped):
        return Exit.OK
    return Exit.PARTLY if counts.get("done") or counts.get("pending") else Exit.FAILED
