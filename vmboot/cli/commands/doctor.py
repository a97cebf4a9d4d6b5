"""``vmboot doctor``: can this work?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from vmboot.cli.connecting import session_of
from vmboot.cli.exits import Exit, exit_for
from vmboot.cli.options import (
    Connection,
    connection_options,
    events_option,
    fleet_argument,
    gathered,
    loader_dir_option,
)
from vmboot.cli.options import command as make_command
from vmboot.cli.progress import watching
from vmboot.cli.terminal import Terminal
from vmboot.errors import AuthError, ConnectError

if TYPE_CHECKING:
    from vmboot.events import Sink
    from vmboot.fleet.doctor import Finding
    from vmboot.fleet.spec import Fleet


@dataclass(frozen=True)
class Options:
    fleet: Path
    connection: Connection
    probe_servers: bool = True
    offline: bool = False
    loader_dirs: tuple[Path, ...] = ()
    events: bool = False


@make_command("doctor", example="vmboot doctor fleet.yml")
@fleet_argument
@click.option(
    "--no-probe",
    "probe_servers",
    flag_value=False,
    default=True,
    type=bool,
    help="Do not ask the boot servers for the bootstrap files.",
)
@click.option("--offline", is_flag=True, help="Check only what needs no vCenter.")
@loader_dir_option
@events_option
@connection_options
def command(terminal: Terminal, **values: Any) -> Exit:
    """Check that everything the fleet needs is in place; change nothing.

    Login, privileges, datastores against hosts, boot loaders, boot servers. Exit code 0 when
    nothing fails (warnings are allowed), 4 when the vCenter cannot be used, else 1.
    """
    return run(gathered(Options, values), terminal)


def run(options: Options, terminal: Terminal) -> Exit:
    """Check, with the vCenter if it can be reached, and show every finding."""
    from vmboot import api
    from vmboot.cli.views.doctor import doctor_view

    fleet = api.load_fleet(options.fleet)
    failure: ConnectError | AuthError | None = None
    with watching(terminal, events=options.events) as sink:
        checks: dict[str, Any] = {
            "probe_servers": options.probe_servers,
            "loader_dirs": options.loader_dirs,
        }
        if options.offline:
            findings = api.doctor(fleet, None, sink=sink, **checks)
        else:
            findings, failure = _online(options, fleet, terminal, sink, checks)
    terminal.deliver(lambda: _document(findings), lambda: doctor_view(findings))
    if failure is not None:
        return exit_for(failure)
    return Exit.FAILED if any(each.state == "fail" for each in findings) else Exit.OK


def _online(
    options: Options, fleet: Fleet, terminal: Terminal, sink: Sink, checks: dict[str, Any]
) -> tuple[tuple[Finding, ...], ConnectError | AuthError | None]:
    """With the vCenter; where it cannot be used, that is a finding and the rest is checked."""
    from vmboot import api
    from vmboot.fleet.doctor import Finding

    try:
        with session_of(fleet, options.connection, terminal, sink=sink) as session:
            return api.doctor(fleet, session, sink=sink, **checks), None
    except (ConnectError, AuthError) as error:
        first = Finding("vCenter", "fail", error.message, error.hint)
        return (first, *api.doctor(fleet, None, sink=sink, **checks)), error


def _document(findings: tuple[Finding, ...]) -> dict[str, Any]:
    return {"findings": [each.to_json() for each in findings]}
