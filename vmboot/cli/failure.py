"""How a command that failed says so: two lines for people, one document for programs."""

from __future__ import annotations

import json
import threading
import traceback
from types import TracebackType
from typing import Any

from vmboot.cli.exits import Exit
from vmboot.cli.terminal import Terminal
from vmboot.cli.text import printable_lines


def report(
    terminal: Terminal,
    message: str,
    *,
    code: Exit,
    hint: str | None = None,
    place: str | None = None,
    matches: tuple[str, ...] = (),
) -> Exit:
    """Write the error where the user expects it and return ``code``.

    For people: ``error: …``, then ``hint: …`` on its own line, on stderr. With ``--json``: the
    same as ``{"error": {"message", "hint", "place", "code"}}`` on stdout.
    """
    if terminal.json:
        error: dict[str, Any] = {
            "message": message,
            "hint": hint,
            "place": place,
            "code": int(code),
        }
        if matches:
            error["matches"] = list(matches)
        terminal.stdout.write(json.dumps({"error": error}, indent=2) + "\n")
        terminal.stdout.flush()
        return code
    where = f"{place}: " if place else ""
    _line(terminal, "error", f"{where}{message}", colour="31")
    for match in matches:
        terminal.stderr.write(f"  {printable_lines(match)}\n")
    if hint:
        _line(terminal, "hint", hint, colour="36")
    return code


def _line(terminal: Terminal, label: str, text: str, *, colour: str) -> None:
    coloured = terminal.colour_on(terminal.stderr)
    head = f"\x1b[1;{colour}m{label}:\x1b[0m" if coloured else f"{label}:"
    terminal.stderr.write(f"{head} {printable_lines(text)}\n")


def show_traceback(terminal: Terminal, error: BaseException) -> None:
    """The traceback, for ``--debug`` only."""
    if terminal.debug:
        terminal.stderr.write(printable_lines("".join(traceback.format_exception(error))))


class CrashReport:
    """A ``sys.excepthook``: an error nobody foresaw ends in two lines too, not in a traceback."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def __call__(
        self, kind: type[BaseException], error: BaseException, _trace: TracebackType | None
    ) -> None:
        show_traceback(self._terminal, error)
        report(
            self._terminal,
            f"unexpected {kind.__name__}: {error}",
            hint="this is a bug in vmboot; run again with --debug and report what it prints",
            code=Exit.FAILED,
        )

    def in_thread(self, thread: threading.ExceptHookArgs) -> None:
        """A ``threading.excepthook``: the command goes on, so stdout is left to its result."""
        error = thread.exc_value or thread.exc_type()
        show_traceback(self._terminal, error)
        _line(self._terminal, "error", f"unexpected {type(error).__name__}: {error}", colour="31")
