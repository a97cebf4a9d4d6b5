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
def explained_interrupt(sink: Sink) -> Iterator[None]:
    """Within the ``with`` block the first Ctrl-C is explained, then takes its usual way.

    The runs of :mod:`vmboot.fleet` take ``KeyboardInterrupt`` as the order to begin nothing new and
    to clean up, and a second one as the order to leave that to the next run.
    """

    def explain(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        sink(Event("run.interrupted", MESSAGE))
        signal.default_int_handler(number, frame)

    before = signal.signal(signal.SIGINT, explain)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
