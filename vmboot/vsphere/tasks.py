"""Many writes at once: a window of tasks in flight, a few submitters, one waiter.

One thread (the caller's, through the iterator) journals, polls and reports; submitter threads only
send. :mod:`vmboot.vsphere.inflight` watches what was sent.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from vmboot.errors import AuthError, RemoteError, VmbootError
from vmboot.events import Event, Sink, ignore
from vmboot.vsphere import faults
from vmboot.vsphere.inflight import InFlight
from vmboot.vsphere.jobs import Job, Outcome

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session

__all__ = ["Job", "Outcome", "run_window"]

WINDOW = 32
SUBMITTERS = 16
TASK_DEADLINE_S = 900.0
GRACE_S = 60.0
"""How long an interrupted run waits for the tasks it has in flight."""


def run_window(
    session: Session,
    jobs: Iterable[Job],
    *,
    window: int = WINDOW,
    submitters: int = SUBMITTERS,
    deadline_s: float = TASK_DEADLINE_S,
    grace_s: float = GRACE_S,
    before_start: Callable[[tuple[str, ...]], None] | None = None,
    then: Callable[[Outcome], Job | None] | None = None,
    stop: threading.Event | None = None,
    sink: Sink = ignore,
) -> Generator[Outcome, None, None]:
    """Run ``jobs`` and yield how each ended, as they end.

    :param jobs: taken lazily, never more than ``window`` ahead
    :param deadline_s: for each task, from its start; later it counts as of unknown outcome
    :param before_start: called in the caller's thread with the subjects about to be written,
        before any of them is sent: the place to journal. An exception from it ends the run.
    :param then: called in the caller's thread with every outcome that was yielded; the job it
        returns is sent before any more is taken from ``jobs``
    :param stop: when set, nothing more is sent; what is in flight is waited for up to ``grace_s``
        and everything not started is reported so. ``KeyboardInterrupt``, an error from ``jobs``,
        ``before_start`` or ``then``, and a login that is refused in the middle do the same, except
        that no more is taken from ``jobs``; they are raised again at the end. A second
        ``KeyboardInterrupt`` is raised at once.
    """
    engine = InFlight(session, deadline_s=deadline_s, grace_s=grace_s, sink=sink)
    waiting = _Waiting(iter(jobs))
    failure: BaseException | None = None
    seen: deque[Outcome] = deque()
    with ThreadPoolExecutor(submitters, thread_name_prefix="vmboot-submit") as pool:
        while True:
            try:
                if not engine.is_stopping(stop):
                    while seen and then is not None:
                        waiting.put(then(seen.popleft()))
                    batch = waiting.take(window - engine.in_flight)
                    if batch and before_start is not None:
                        before_start(tuple(job.subject for job in batch))
                    while waiting.taken:
                        engine.submit(pool, waiting.taken.popleft())
                if not engine.in_flight:
                    break
                engine.wait()
            except (KeyboardInterrupt, VmbootError) as error:
                if isinstance(failure, KeyboardInterrupt):
                    raise
                failure = error
                engine.stop()
                sink(Event("run.interrupted", "nothing more is sent; waiting for what was"))
                if isinstance(error, AuthError):
                    engine.abandon()  # without a login there is nothing to wait for
            for outcome in engine.take_ended():
                if then is not None:
                    seen.append(outcome)
                yield outcome
    yield from map(_not_started, (*waiting.taken, *waiting.next))
    if failure is not None:
        raise failure
    yield from map(_not_started, waiting.source)


@dataclass
class _Waiting:
    """Jobs not yet sent. What was taken from the source is never lost, whatever interrupts."""

    source: Iterator[Job]
    taken: deque[Job] = field(default_factory=deque)
    next: deque[Job] = field(default_factory=deque)

    def put(self, job: Job | None) -> None:
        """What follows on a job that ended; its turn is before the source's."""
        if job is not None:
            self.next.append(job)

    def take(self, count: int) -> tuple[Job, ...]:
        """Have ``count`` jobs ready to be sent; those that are new."""
        known = len(self.taken)
        while self.next and len(self.taken) < count:
            self.taken.append(self.next.popleft())
        self.taken.extend(islice(self.source, max(0, count - len(self.taken))))
        return tuple(self.taken)[known:]


def _not_started(job: Job) -> Outcome:
    error = RemoteError(
        "stopped before it was its turn",
        fault=faults.NOT_STARTED,
        hint="run apply again: it goes on from here",
    )
    return Outcome(job.subject, ok=False, error=error, started=False)
