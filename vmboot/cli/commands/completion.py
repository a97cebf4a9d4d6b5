"""``vmboot completion``: the script that makes a shell complete vmboot's commands and flags."""

from __future__ import annotations

from dataclasses import dataclass

import rich_click as click
from click.shell_completion import get_completion_class

from vmboot.cli.exits import Exit
from vmboot.cli.options import command as make_command
from vmboot.cli.terminal import Terminal
from vmboot.errors import InputError

SHELLS = ("bash", "zsh", "fish")


@dataclass(frozen=True)
class Options:
    shell: str


@make_command(
    "completion",
    example="""
    source <(vmboot completion bash)
    vmboot completion fish > ~/.config/fish/completions/vmboot.fish
    """,
)
@click.argument("shell", type=click.Choice(SHELLS))
def command(terminal: Terminal, shell: str) -> Exit:
    """Print the shell completion script."""
    return run(Options(shell=shell), terminal)


def run(options: Options, terminal: Terminal) -> Exit:
    """Print click's script for the shell, made for the command tree of vmboot."""
    from vmboot.cli.app import root
    from vmboot.cli.main import COMPLETE

    kind = get_completion_class(options.shell)
    if kind is None:
        raise InputError(f"no completion for {options.shell}")
    script = kind(root, {}, "vmboot", COMPLETE).source()
    terminal.stdout.write(script.rstrip() + "\n")
    return Exit.OK
