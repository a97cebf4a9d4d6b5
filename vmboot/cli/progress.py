"""Who watches events: programs get JSON lines, people a live view, logs plain lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from vmboot.cli.terminal import Terminal
from vmboot.cli.text import printable
from vmboot.events import Event, Sink

# Ends of kinds that are worth a line in a log without a terminal.
_LOUD = ("warning", "failed", "refused", "unreachable", "insecure", "interrupted")


@contextmanager
def watching(terminal: Terminal, *, events: bool) -> Iterator[Sink]:
    """A sink for the length of a ``with`` block."""
    if events:
        yield JsonLines(terminal)
    elif terminal.animated:
        from vmboot.cli.live import LiveView

        with LiveView(terminal.err) as view:
            yield view.see
    else:
        yield PlainLines(terminal)


class JsonLines:
    """Each event as one line of JSON on stderr, with ``--events``."""

    def __init__(self, terminal: Terminal) -> None:
        self._stream = terminal.stderr

    def __call__(self, event: Event) -> None:
        self._stream.write(json.dumps(event.to_json()) + "\n")
        self._stream.flush()


class PlainLines:
    """Only what somebody reading a log wants to know."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def __call__(self, event: Event) -> None:
        if event.kind.endswith(_LOUD) and event.message:
            subject = f"{event.subject}: " if event.subject not in event.message else ""
            self._terminal.note(printable(f"{subject}{event.message}"))
