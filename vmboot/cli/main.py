"""Entry point: run the command, and turn every way it can end into an exit code, in one place."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vmboot.cli.commandtable import top_help
from vmboot.cli.exits import Exit, exit_for
from vmboot.cli.failure import CrashReport, report, show_traceback
from vmboot.cli.interrupt import Interrupted
from vmboot.cli.terminal import Terminal, of_process
from vmboot.errors import AmbiguousError, VmbootError

if TYPE_CHECKING:
    import click

COMPLETE = "_VMBOOT_COMPLETE"  # click's name for it
_TOP_HELP: tuple[list[str], ...] = ([], ["--help"], ["-h"], ["help"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``vmboot`` with ``arguments`` (default: those of the process); returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    terminal = of_process(words, os.environ)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a Latin-1 terminal must not end a rollout
    try:
        return _run(words, terminal)
    except BrokenPipeError:
        _silence_stdout()
        return Exit.FAILED


def _run(words: list[str], terminal: Terminal) -> int:
    completing = COMPLETE in terminal.environ  # a shell asks click what could follow
    if words in _TOP_HELP and not completing:  # without click and rich: 25 ms instead of 125
        terminal.stdout.write(top_help(colour=terminal.colour_on(terminal.stdout)))
        terminal.stdout.flush()
        return Exit.OK
    if words[:1] == ["--version"] and set(words[1:]) <= {"--json", "-q", "--quiet", "--debug"}:
        return _version(terminal)
    sys.excepthook = crash = CrashReport(terminal)
    threading.excepthook = crash.in_thread
    return _invoke(words, terminal)


def _version(terminal: Terminal) -> int:
    from importlib.metadata import version

    if terminal.json:
        terminal.deliver_json({"version": version("vmboot")})
    else:
        terminal.stdout.write(f"vmboot {version('vmboot')}\n")
    return Exit.OK


def _invoke(words: list[str], terminal: Terminal) -> int:
    import click

    from vmboot.cli.app import root

    try:
        code = root.main(
            words, prog_name="vmboot", complete_var=COMPLETE, standalone_mode=False, obj=terminal
        )
    except VmbootError as error:
        show_traceback(terminal, error)
        return _report(terminal, error)
    except click.ClickException as error:
        message, hint = _usage(error)
        return report(terminal, message, hint=hint, code=Exit.USAGE)
    except Interrupted as order:
        return report(terminal, "interrupted", code=order.code)
    except (click.Abort, KeyboardInterrupt):
        return report(terminal, "interrupted", code=Exit.INTERRUPTED)
    except BrokenPipeError:
        raise
    except OSError as error:  # a file of the user's that cannot be read or written, a full disk
        show_traceback(terminal, error)
        return report(terminal, _os_message(error), code=Exit.FAILED)
    return int(code or 0)


def _report(terminal: Terminal, error: VmbootError) -> Exit:
    return report(
        terminal,
        error.message,
        code=exit_for(error),
        hint=error.hint,
        place=str(error.place) if error.place else None,
        matches=error.matches if isinstance(error, AmbiguousError) else (),
    )


def _usage(error: click.ClickException) -> tuple[str, str | None]:
    """Message and hint of an error of click's parser."""
    context = getattr(error, "ctx", None)
    hint = f"see {context.command_path} --help" if context is not None else None
    return error.format_message().rstrip("."), hint


def _os_message(error: OSError) -> str:
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else reason


def _silence_stdout() -> None:
    """Keep the interpreter from complaining about the closed pipe once more at exit."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
