"""Ctrl-C: say at once what is still being finished, and let the run end itself."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from vmboot.events import Event, Sink

MESSAGE = (
    "interrupted: no machine is begun any more; finishing those in flight, so that none is left "
    "half done and the journal is complete"
)


@contextmanager
def says_what_it_finishes(sink: Sink) -> Iterator[Sink]:
    """For the length of a ``with`` block, Ctrl-C is explained before it takes effect.

    The run itself gets the usual ``KeyboardInterrupt``. A second Ctrl-C is not explained again.
    """

    def explain(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        sink(Event("run.interrupted", MESSAGE))
        signal.default_int_handler(number, frame)

    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, explain)
    try:
        yield sink
    finally:
        signal.signal(signal.SIGINT, before)
