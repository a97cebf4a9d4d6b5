"""Ctrl-C without loose ends: work goes on in a thread until it has cleaned up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")
_SLICE_S = 0.2


class _Worker(threading.Thread, Generic[T]):
    """Runs ``work`` and keeps what came of it.

    A daemon: a second Ctrl-C abandons it, and the journal lets the next run repair what it left.
    It begins only when it is told to: an interrupt while it starts finds nothing done.
    """

    def __init__(self, work: Callable[[], T]) -> None:
        super().__init__(name="vmboot-run", daemon=True)
        self._work = work
        self.results: list[T] = []
        self.error: BaseException | None = None
        self.permit: SimpleQueue[bool] = SimpleQueue()
        self.ended = threading.Event()

    def run(self) -> None:
        if not self.permit.get():
            return
        try:
            self.results.append(self._work())
        except BaseException as error:  # noqa: BLE001 - raised again in the waiting thread
            self.error = error
        finally:
            self.ended.set()


def shielded(work: Callable[[], T], *, stop: threading.Event) -> T:
    """Run ``work``; the first Ctrl-C sets ``stop`` and lets it end, the second abandons it.

    An interrupt before ``work`` has begun is raised at once, and it never begins.

    :param stop: ``work`` looks at it and begins nothing new once it is set
    """
    worker = _Worker(work)
    try:
        worker.start()
    except KeyboardInterrupt:
        worker.permit.put(False)
        raise
    # Not join(): in Python 3.11 an interrupted join takes the thread for ended.
    try:
        worker.permit.put(True)
        _await(worker.ended)
    except KeyboardInterrupt:
        stop.set()
        worker.permit.put(True)  # the interrupt may have come first
        _await(worker.ended)
    if worker.error is not None:
        raise worker.error
    return worker.results[0]


def _await(ended: threading.Event) -> None:
    """In slices: an interrupt just before a wait begins does not end that wait."""
    while not ended.wait(_SLICE_S):
        pass
