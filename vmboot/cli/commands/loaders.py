"""``vmboot loaders``: the boot programs that media are made of."""

from __future__ import annotations

from vmboot.cli.commands import loaders_fetch, loaders_import, loaders_sign, loaders_status
from vmboot.cli.options import group

command = group("loaders", "Show, fetch, import or sign the loaders that media are built from.")
command.add_command(loaders_status.command)
command.add_command(loaders_fetch.command)
command.add_command(loaders_import.command)
command.add_command(loaders_sign.command)
