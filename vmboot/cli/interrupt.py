"""Ctrl-C: say at once what is still being finished, and let the run end itself."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from vmboot.events import Event, Sink

MESSAGE = (
    "interrupted: no machine is begun any more; finishing those in flight, so that none is left "
    "half done and the journal is complete"
)


@contextmanager
def stop_on_interrupt(sink: Sink) -> Iterator[threading.Event]:
    """An event that the first Ctrl-C within the ``with`` block sets, after it is explained.

    Work that looks at the event ends by itself. The second Ctrl-C is the usual
    ``KeyboardInterrupt``.
    """
    stop = threading.Event()

    def explain(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        sink(Event("run.interrupted", MESSAGE))
        stop.set()

    before = signal.signal(signal.SIGINT, explain)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def explained_interrupt(sink: Sink) -> Iterator[None]:
    """For work that takes ``KeyboardInterrupt`` itself: the first one is explained as it comes."""

    def explain(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        sink(Event("run.interrupted", MESSAGE))
        signal.default_int_handler(number, frame)

    before = signal.signal(signal.SIGINT, explain)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
