"""A listener that breaks must not break what it listens to."""

from __future__ import annotations

from dataclasses import dataclass

from vmboot.events import Event, Sink, ignore


@dataclass
class _Guarded:
    sink: Sink

    def __call__(self, event: Event) -> None:
        try:
            self.sink(event)
        except Exception:  # noqa: BLE001 - a sink is anybody's code, and machines are half-way
            self.sink = ignore


def guarded(sink: Sink) -> Sink:
    """``sink`` until it raises; from then on nobody listens.

    A pipe whose reader went away is the usual case. The run's result and journal tell the same.
    """
    return _Guarded(sink)
