"""Flags that several commands share, each group parsed into one frozen value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import wraps
from inspect import cleandoc
from pathlib import Path
from typing import Any, Literal, TypeVar

import rich_click as click

from vmboot.cli.terminal import Terminal
from vmboot.errors import InputError

Command = Callable[..., Any]
T = TypeVar("T")

PowerPolicy = Literal["leave", "off"]
FILE = click.Path(dir_okay=False, path_type=Path)
DIRECTORY = click.Path(file_okay=False, path_type=Path)


@dataclass(frozen=True)
class Connection:
    """Which vCenter and how it proves itself. There is no password here: it never is a flag."""

    host: str | None = None
    user: str | None = None
    thumbprint: str | None = None
    ca_file: Path | None = None
    insecure: bool | None = None


def _all(options: tuple[Callable[[Command], Command], ...]) -> Callable[[Command], Command]:
    """One decorator that adds all of ``options``, in the order given."""

    def decorate(function: Command) -> Command:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def gathered(kind: type[T], values: dict[str, Any]) -> T:
    """Take the fields of the dataclass ``kind`` out of ``values`` and make one."""
    return kind(**{field.name: values.pop(field.name) for field in fields(kind)})  # type: ignore[arg-type]


def check_power(power: str, *, hard: bool) -> None:
    """:raises InputError: --hard-power-off without --power off"""
    if hard and power != "off":
        raise InputError(
            "--hard-power-off does nothing without --power off",
            hint="add --power off, or leave --hard-power-off out",
        )


_CONNECTION = _all(
    (
        click.option("--host", metavar="NAME", help="vCenter, with :PORT if not 443."),
        click.option("--user", metavar="NAME", help="Log in as this user."),
        click.option(
            "--thumbprint", metavar="AA:BB:..", help="SHA-256 of the vCenter's certificate."
        ),
        click.option("--ca-file", type=FILE, help="Trust certificates signed by this CA file."),
        click.option(
            "--insecure",
            is_flag=True,
            default=None,
            help="Do not check the certificate; a known thumbprint is checked all the same.",
        ),
    )
)


def connection_options(function: Command) -> Command:
    """Add --host, --user, --thumbprint, --ca-file and --insecure as ``connection``."""

    @wraps(function)
    def gather(terminal: Terminal, /, **values: Any) -> Any:
        connection = gathered(Connection, values)
        return function(terminal, connection=connection, **values)

    return _CONNECTION(gather)


_JSON = click.option("--json", "json_", is_flag=True, help="Result as one JSON document.")
_QUIET = click.option("-q", "--quiet", is_flag=True, help="Only the result and errors.")
_DEBUG = click.option("--debug", is_flag=True, help="Show tracebacks of errors.")


class ExampleCommand(click.RichCommand):
    """A command whose help ends with an example, line by line as it would be typed."""

    example = ""

    def format_epilog(self, _ctx: Any, formatter: Any) -> None:
        """Write the example; the formatter would run its lines together."""
        from rich.text import Text

        body = "\n".join(f"   {line}" for line in self.example.splitlines())
        formatter.write(Text.assemble((" Example:", "bold"), f"\n{body}\n"))


def command(name: str, *, example: str) -> Callable[[Command], ExampleCommand]:
    """A command: flags for output, help with ``example`` under it, called with the terminal first.

    :param example: one or more command lines, as typed
    """

    def decorate(function: Command) -> ExampleCommand:
        own = list(getattr(function, "__click_params__", ()))

        @wraps(function)
        @click.pass_obj
        def call(terminal: Terminal, /, **values: Any) -> Any:
            for flag in ("json_", "quiet", "debug"):  # read ahead in vmboot.cli.terminal
                values.pop(flag)
            return function(terminal, **values)

        call.__click_params__ = []  # type: ignore[attr-defined]
        common = _all((_JSON, _QUIET, _DEBUG))(call)
        common.__click_params__ += own  # type: ignore[attr-defined]  # own ones stand first in help
        made = click.command(name, cls=ExampleCommand, context_settings=dict(_HELP))(common)
        made.example = cleandoc(example)
        return made

    return decorate


def group(name: str, help_text: str) -> click.RichGroup:
    """A command that only holds others."""
    return click.RichGroup(name=name, help=help_text, context_settings=dict(_HELP))


_HELP: Mapping[str, Any] = {"help_option_names": ["-h", "--help"]}


fleet_argument = click.argument(
    "fleet", type=FILE, default=Path("fleet.yml"), metavar="[FLEET]", required=False
)
limit_option = click.option(
    "--limit",
    multiple=True,
    metavar="PATTERN",
    help="Only machines that match (name, path or glob); repeatable.",
)
events_option = click.option(
    "--events", is_flag=True, help="Progress as JSON lines on stderr, for programs."
)
yes_option = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
power_option = click.option(
    "--power",
    type=click.Choice(["leave", "off"]),
    default="leave",
    show_default=True,
    help="What to do with machines that are on: leave them, or shut them down for the change.",
)
hard_power_off_option = click.option(
    "--hard-power-off",
    is_flag=True,
    help="With --power off: cut the power of guests that do not shut down in time.",
)
loader_dir_option = click.option(
    "--loader-dir",
    "loader_dirs",
    type=DIRECTORY,
    multiple=True,
    help="Look for boot loaders here first; repeatable.",
)
