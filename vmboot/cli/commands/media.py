"""``vmboot media``: media without a vCenter."""

from __future__ import annotations

from vmboot.cli.commands import media_inspect, media_iso
from vmboot.cli.options import group

command = group("media", "Build a boot ISO, or read what an ISO holds.")
command.add_command(media_iso.command)
command.add_command(media_inspect.command)
