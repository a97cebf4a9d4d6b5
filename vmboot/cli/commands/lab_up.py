"""``vmboot lab up``: start an embedded vCenter that goes on after the command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import rich_click as click

from vmboot.cli.exits import Exit
from vmboot.cli.labfiles import write_login
from vmboot.cli.options import command as make_command
from vmboot.cli.options import events_option, gathered
from vmboot.cli.progress import watching
from vmboot.cli.terminal import Terminal

if TYPE_CHECKING:
    from vmboot.lab.state import LabStatus


@dataclass(frozen=True)
class Options:
    """
    :param disks: with disks on every kind of controller
    :param delay_ms: what every API call takes longer
    :param task_ms: what every task takes longer
    """

    vms: int = 40
    templates: int = 4
    disks: bool = False
    delay_ms: int = 0
    task_ms: int = 0
    events: bool = False


@make_command(
    "up",
    example="""
    vmboot lab up
    source <(vmboot lab env)
    vmboot lab up --vms 200 --templates 10 --delay-ms 20 --task-ms 500
    """,
)
@click.option("--vms", type=click.IntRange(0, 5000), default=40, show_default=True, help="VMs.")
@click.option(
    "--templates", type=click.IntRange(0, 1000), default=4, show_default=True, help="Templates."
)
@click.option(
    "--disks",
    is_flag=True,
    help="Disks on every kind of controller, and machines that boot disks must refuse.",
)
@click.option(
    "--delay-ms",
    type=click.IntRange(0, 60000),
    default=0,
    show_default=True,
    help="Make every API call this much slower.",
)
@click.option(
    "--task-ms",
    type=click.IntRange(0, 600000),
    default=0,
    show_default=True,
    help="Make every task this much slower.",
)
@events_option
def command(terminal: Terminal, **values: Any) -> Exit:
    """Start an embedded vCenter with VMs, templates, hosts and datastores; it stays up.

    It listens on 127.0.0.1 only and enforces what a vCenter enforces. Its password is in files
    that only you can read; 'source <(vmboot lab env)' makes the other commands use it.
    """
    return run(gathered(Options, values), terminal)


def run(options: Options, terminal: Terminal) -> Exit:
    """Start it and say where it is."""
    from vmboot.cli.views.lab import lab_view
    from vmboot.lab import LabSize
    from vmboot.lab.state import up

    size = LabSize(
        disks=options.disks,
        vms=options.vms,
        templates=options.templates,
        delay_ms=options.delay_ms,
        task_ms=options.task_ms,
    )
    with watching(terminal, events=options.events) as sink:
        status = up(size=size, sink=sink)
    login = write_login(status.vcenter)

    terminal.deliver(
        lambda: document(status, str(login)), lambda: lab_view(status, login=str(login))
    )
    return Exit.OK


def document(status: LabStatus, login: str) -> dict[str, Any]:
    """The lab as JSON; the password stays in the file ``env_file`` names."""
    return {**status.to_json(), "env_file": login}
