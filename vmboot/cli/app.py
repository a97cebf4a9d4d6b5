"""The command tree. A command's module is imported when that command is called, not before."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module

import rich_click as click

from vmboot.cli.commandtable import BY_NAME, COMMANDS, top_help
from vmboot.errors import InputError


class LazyGroup(click.RichGroup):
    """A group whose commands come from :mod:`vmboot.cli.commandtable`."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return [entry.name for entry in COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = BY_NAME.get(cmd_name)
        if entry is not None:
            command: click.Command = import_module(entry.path).command
            return command
        if ctx.resilient_parsing:  # a shell asks what could follow
            return None
        near = get_close_matches(cmd_name, BY_NAME, n=1)
        raise InputError(
            f"there is no command {cmd_name!r}",
            hint=f"did you mean: vmboot {near[0]}" if near else "'vmboot --help' lists them",
        )

    def get_help(self, _ctx: click.Context) -> str:
        return top_help(colour=False)


root = LazyGroup(
    name="vmboot",
    help="Boot fleets of VMware VMs by boot ISO, boot disk or PXE.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
