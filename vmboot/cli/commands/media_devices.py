"""``vmboot media devices``: PVS's target devices held against the vCenter."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rich_click as click

from vmboot.cli.connecting import fleet_and_session
from vmboot.cli.exits import Exit
from vmboot.cli.options import FILE, Connection, connection_options, events_option, gathered
from vmboot.cli.options import command as make_command
from vmboot.cli.progress import watching
from vmboot.cli.terminal import Terminal


@dataclass(frozen=True)
class Options:
    """
    :param devices: CSV or JSON of Get-PvsDevice
    :param changed_since: when the server list last changed, as the user wrote it
    """

    fleet: Path
    devices: Path
    connection: Connection
    changed_since: str | None = None
    all: bool = False
    events: bool = False


@make_command(
    "devices",
    example="vmboot media devices fleet.yml devices.csv --changed-since 2026-11-20",
)
@click.argument("fleet", type=FILE)
@click.argument("devices", type=FILE)
@click.option(
    "--changed-since",
    metavar="DATE",
    help="When the servers changed (2026-11-20 or 2026-11-20T14:30): older boot disks are listed.",
)
@click.option("--all", is_flag=True, help="List devices without a problem, too.")
@events_option
@connection_options
def command(terminal: Terminal, **values: Any) -> Exit:
    """Hold an export of Get-PvsDevice (CSV or JSON) against the vCenter, by MAC address.

    Lists devices without a VM, VMs of the fleet without a device, MACs that two VMs have, boot
    disks for the other firmware, and those from before a change of the servers. Exit code 6 when
    there is something to look into.
    """
    return run(gathered(Options, values), terminal)


def run(options: Options, terminal: Terminal) -> Exit:
    """Read both sides and show what does not fit."""
    from vmboot import api
    from vmboot.cli.views.pvs import devices_view
    from vmboot.fleet.pvsdevices import parse_since
    from vmboot.media.pvsdevicelist import read_devices

    since = None if options.changed_since is None else parse_since(options.changed_since)
    devices = read_devices(options.devices)  # its errors need no vCenter
    with (
        watching(terminal, events=options.events) as sink,
        fleet_and_session(options.fleet, options.connection, terminal, sink=sink) as opened,
    ):
        fleet, session = opened
        report = api.check_devices(fleet, session, devices, changed_since=since, sink=sink)
    terminal.deliver(report.to_json, lambda: devices_view(report, everything=options.all))
    return Exit.OK if report.fits else Exit.CHANGES
