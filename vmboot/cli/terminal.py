"""The terminal as a value: streams, colour, prompts. Commands get one; tests make their own.

stdout carries the result (a table, or one JSON document), stderr everything else.
"""

from __future__ import annotations

import getpass
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from vmboot.cli.text import printable_lines
from vmboot.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

PIPE_WIDTH = 160  # columns where there is no terminal: room for inventory paths, so grep finds them


@dataclass
class Terminal:
    """Where a command reads and writes.

    :param json: the user asked for JSON: errors too are written as JSON, and nothing prompts
    :param quiet: only results and errors
    :param events: stderr carries events as JSON lines, so no talk may stand between them
    :param width: columns; ``None`` asks the terminal
    :param record: keep what is printed, for a picture of the screen
    :param unread: nobody reads stdout any more (``| head``); what must be known goes to stderr
    """

    stdin: TextIO
    stdout: TextIO
    stderr: TextIO
    environ: Mapping[str, str] = field(default_factory=dict)
    json: bool = False
    quiet: bool = False
    events: bool = False
    debug: bool = False
    width: int | None = None
    record: bool = False
    unread: bool = False

    def colour_on(self, stream: TextIO) -> bool:
        """NO_COLOR wins, then FORCE_COLOR, then whether ``stream`` is a terminal that can."""
        if self.environ.get("NO_COLOR"):
            return False
        if self.environ.get("FORCE_COLOR"):
            return True
        return stream.isatty() and self.environ.get("TERM") != "dumb"

    @property
    def animated(self) -> bool:
        """True where a live view can be redrawn and someone watches it."""
        watched = self.stderr.isatty() and self.environ.get("TERM") != "dumb"
        return watched and not self.quiet and not self.json

    @property
    def can_prompt(self) -> bool:
        """True where a question would be seen and could be answered."""
        return not self.json and self.stdin.isatty() and self.stderr.isatty()

    @cached_property
    def out(self) -> Console:
        """The rich console of stdout."""
        return self._console(self.stdout)

    @cached_property
    def err(self) -> Console:
        """The rich console of stderr."""
        return self._console(self.stderr)

    def _console(self, stream: TextIO, *, file: TextIO | None = None) -> Console:
        """A console that looks as ``stream`` may look, and writes to it or to ``file``."""
        from rich.console import Console

        colour = self.colour_on(stream)
        width = self.width or (None if stream.isatty() else self._pipe_width())
        return Console(
            file=file or stream,
            width=width,
            force_terminal=colour or stream.isatty(),
            color_system="auto" if colour else None,
            no_color=not colour,
            markup=False,
            highlight=False,
            emoji=False,
            record=self.record,
        )

    def _pipe_width(self) -> int:
        columns = self.environ.get("COLUMNS", "")
        return int(columns) if columns.isdecimal() and int(columns) > 0 else PIPE_WIDTH

    def deliver(
        self, document: Callable[[], Mapping[str, Any]], view: Callable[[], RenderableType]
    ) -> None:
        """The result: the document with ``--json``, else the view; only one of the two is made."""
        if self.json:
            self.deliver_json(document())
        else:
            self._print(view())

    def deliver_json(self, document: Mapping[str, Any]) -> None:
        """One JSON document on stdout."""
        with self._somebody_may_leave():
            self.stdout.write(json.dumps(document, indent=2) + "\n")
            self.stdout.flush()

    @contextmanager
    def _somebody_may_leave(self) -> Iterator[None]:
        """A reader that has seen enough ends no work and makes no failure of it."""
        try:
            yield
        except BrokenPipeError:
            self.unread = True
            with suppress(OSError, ValueError):  # a stream that is no file needs no silencing
                _to_nowhere(self.stdout)

    @property
    def shows(self) -> bool:
        """True where :meth:`show` prints."""
        return not self.json and not self.quiet

    def show(self, view: Callable[[], RenderableType]) -> None:
        """Something to read before the result; silent with ``--json`` and ``--quiet``."""
        if self.shows:
            self._print(view())

    def _print(self, view: RenderableType) -> None:
        """On a screen as it is; elsewhere without the blanks that fill lines up."""
        if self.stdout.isatty() or self.record:
            self.out.print(view)
            return
        page = io.StringIO()  # rich would write to the stream, and exit where nobody reads it
        self._console(self.stdout, file=page).print(view)
        text = "".join(f"{line.rstrip()}\n" for line in page.getvalue().splitlines())
        with self._somebody_may_leave():
            self.stdout.write(text)
            self.stdout.flush()

    def remember(self, message: str) -> None:
        """Say on stderr what stood on stdout, where nobody read that."""
        if self.unread:
            self.stderr.write(f"{printable_lines(message)}\n")

    def note(self, message: str) -> None:
        """One line of talk on stderr; silent with ``--quiet`` and ``--events``."""
        if not self.quiet and not self.events:
            self.stderr.write(f"{printable_lines(message)}\n")

    def confirm(self, question: str, *, flag: str) -> bool:
        """Ask yes or no, default no.

        :param flag: what to pass where nobody can be asked
        :raises InputError: there is no terminal to ask on
        """
        if not self.can_prompt:
            raise InputError(
                "confirmation needed, and there is no terminal to ask on",
                hint=f"pass {flag} to go on without being asked",
            )
        self.stderr.write(f"{printable_lines(question)} [y/N] ")
        self.stderr.flush()
        return self.stdin.readline().strip().lower() in {"y", "yes"}

    @property
    def password_prompt(self) -> Callable[[str], str] | None:
        """Asks for a password without echo; ``None`` where nobody can be asked."""
        if not self.can_prompt:
            return None
        return lambda account: getpass.getpass(f"Password for {printable_lines(account)}: ")


def of_process(arguments: list[str], environ: Mapping[str, str]) -> Terminal:
    """The terminal of this process.

    These flags are read ahead of the parser, because an error of the parser itself must
    already be reported the way the user asked for.
    """
    before_dashes = arguments[: arguments.index("--")] if "--" in arguments else arguments
    flags = frozenset(before_dashes)
    _open_closed_streams()
    return Terminal(
        stdin=sys.stdin,
        stdout=sys.stdout,
        stderr=sys.stderr,
        environ=environ,
        json="--json" in flags,
        quiet=bool({"-q", "--quiet"} & flags),
        events="--events" in flags,
        debug="--debug" in flags,
    )


def _open_closed_streams() -> None:
    """A daemon may start us without stdin, stdout or stderr; that is as if they were /dev/null.

    The lowest free number is used, so a socket or journal opened later never becomes "stdout".
    """
    nowhere = Path(os.devnull)
    if sys.stdin is None:
        sys.stdin = nowhere.open(encoding="utf-8")
    if sys.stdout is None:
        sys.stdout = nowhere.open("w", encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = nowhere.open("w", encoding="utf-8")


def _to_nowhere(stream: TextIO) -> None:
    """Point ``stream`` at /dev/null: or what is buffered fails once more at exit."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, stream.fileno())
    os.close(devnull)
