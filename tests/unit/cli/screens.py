"""Terminals made of strings, for tests."""

from __future__ import annotations

import io
from collections.abc import Mapping

from rich.console import RenderableType

from vmboot.cli.terminal import Terminal


class Tty(io.StringIO):
    """A text stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Gone(io.StringIO):
    """A pipe whose reader has left."""

    def write(self, _text: str) -> int:
        raise BrokenPipeError


def terminal(
    *,
    tty: bool = False,
    answer: str = "",
    environ: Mapping[str, str] | None = None,
    width: int = 80,
    **flags: bool,
) -> Terminal:
    """A terminal, or pipes, with ``answer`` waiting on stdin."""
    kind = Tty if tty else io.StringIO
    return Terminal(
        stdin=kind(answer),
        stdout=kind(),
        stderr=kind(),
        environ=environ or {},
        width=width,
        **flags,
    )


def out(screen: Terminal) -> str:
    assert isinstance(screen.stdout, io.StringIO)
    return screen.stdout.getvalue()


def err(screen: Terminal) -> str:
    assert isinstance(screen.stderr, io.StringIO)
    return screen.stderr.getvalue()


def rendered(view: RenderableType, *, width: int = 80) -> str:
    """What ``view`` looks like without colour, without the blanks that fill lines."""
    screen = terminal(width=width)
    screen.out.print(view)
    return "\n".join(line.rstrip() for line in out(screen).splitlines())
