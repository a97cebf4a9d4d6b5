"""``vmboot media``: media without a vCenter."""

from __future__ import annotations

from vmboot.cli.commands import (
    media_bdm,
    media_devices,
    media_edit,
    media_import,
    media_inspect,
    media_iso,
    media_servers,
    media_stale,
)
from vmboot.cli.options import group

command = group("media", "Build boot media, or read what an image holds.")
command.add_command(media_iso.command)
command.add_command(media_bdm.command)
command.add_command(media_inspect.command)
command.add_command(media_import.command)
command.add_command(media_servers.command)
command.add_command(media_devices.command)
command.add_command(media_edit.command)
command.add_command(media_stale.command)
