"""``vmboot lab``: an embedded vCenter to try things on."""

from __future__ import annotations

from vmboot.cli.commands import lab_down, lab_env, lab_status, lab_up
from vmboot.cli.options import group

command = group("lab", "Start, show and stop an embedded vCenter to try things on.")
command.add_command(lab_up.command)
command.add_command(lab_env.command)
command.add_command(lab_status.command)
command.add_command(lab_down.command)
