"""The tasks in flight: sent by submitter threads, watched by the caller's.

States are read as the leaves ``info.state`` and ``info.error`` of all tasks in one call, directly,
so a task that ended before anybody looked is seen like any other.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from vmboot.errors import ConnectError, RemoteError, VmbootError
from vmboot.events import Event, Sink
from vmboot.vsphere import faults, questions, soap
from vmboot.vsphere.collector import Found, retrieve
from vmboot.vsphere.jobs import Job, Outcome
from vmboot.vsphere.pacing import Pace
from vmboot.vsphere.soap import Ref

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session

_STATE = ("info.state", "info.error")
SILENCE_S = 60.0
"""How long a vCenter may not answer before its tasks are given up; a failover takes some seconds,
a reboot minutes."""


@dataclass
class _Live:
    job: Job
    started: float
    asked: float = 0.0


@dataclass
class InFlight:
    """The state between two polls. Only the caller's thread touches it, but for the queue."""

    session: Session
    deadline_s: float
    grace_s: float
    sink: Sink
    sent: SimpleQueue[tuple[Job, float, Future[Any]]] = field(default_factory=SimpleQueue)
    sending: int = 0
    live: dict[str, _Live] = field(default_factory=dict)
    pace: Pace = field(default_factory=Pace)
    ended: list[Outcome] = field(default_factory=list)
    stopped_at: float | None = None
    silent_since: float | None = None

    @property
    def in_flight(self) -> int:
        return self.sending + len(self.live)

    def stop(self) -> None:
        """Send nothing more, and wait no longer than the grace."""
        if self.stopped_at is None:
            self.stopped_at = time.monotonic()

    def is_stopping(self, asked: threading.Event | None) -> bool:
        if asked is not None and asked.is_set():
            self.stop()
        return self.stopped_at is not None

    def submit(self, pool: ThreadPoolExecutor, job: Job) -> None:
        """Send one; a submitter thread does it."""
        self.sending += 1
        pool.submit(self._start, job).add_done_callback(self._hand_over(job))

    def _start(self, job: Job) -> tuple[float, Any]:
        started = time.monotonic()
        return started, self.session.call(lambda: job.start(self.session), write=True)

    def _hand_over(self, job: Job) -> Callable[[Future[Any]], None]:
        begun = time.monotonic()
        return lambda future: self.sent.put((job, begun, future))

    def take_ended(self) -> tuple[Outcome, ...]:
        """What ended since the last time. Kept here, so that no interruption loses it."""
        ended, self.ended = tuple(self.ended), []
        return ended

    def wait(self) -> None:
        """Wait for the next thing to happen, and note what ended."""
        self._receive(self._wake_at() - time.monotonic())
        now = time.monotonic()
        if self.live and now >= self.pace.next_poll(self._starts(), now):
            self._poll()
        self._overdue()

    def _wake_at(self) -> float:
        now = time.monotonic()
        if not self.live:
            return now + 1.0  # only to notice that we shall stop; a sent job wakes us at once
        return min(self.pace.next_poll(self._starts(), now), now + 1.0)

    def _receive(self, timeout: float) -> None:
        """Take over what the submitters have sent, waiting for the first at most ``timeout``."""
        try:
            self._took(self.sent.get(timeout=max(timeout, 0.0)))
            while True:
                self._took(self.sent.get_nowait())
        except Empty:
            return

    def _took(self, item: tuple[Job, float, Future[Any]]) -> None:
        job, begun, future = item
        self.sending -= 1
        try:
            started, task = future.result()
        except VmbootError as error:
            self._note(job, begun, error)
            return
        if task is None:
            self._note(job, started, None)
        else:
            self.live[task if isinstance(task, str) else task._GetMoId()] = _Live(job, started)

    def _starts(self) -> list[float]:
        return [item.started for item in self.live.values()]

    def _note(self, job: Job, started: float, error: Any) -> None:
        seconds = time.monotonic() - started
        if error is not None and job.judge is not None:
            error = job.judge(error)
        self.ended.append(Outcome(job.subject, ok=error is None, error=error, seconds=seconds))

    def _poll(self) -> None:
        try:
            found = self._read(tuple(self.live))
        except ConnectError as error:
            self._unanswered(error)
            return
        self.silent_since = None
        ended: list[float] = []
        for moid, state in found.items():
            if state is not _RUNNING:
                item = self.live.pop(moid)
                ended.append(item.started)
                self._note(item.job, item.started, state)
        now = time.monotonic()
        self.pace = self.pace.after_poll(ended, self._starts(), now)
        self._answer(now)

    def _unanswered(self, error: ConnectError) -> None:
        """Go on asking, but not for ever, and not at all in a run that is to stop."""
        now = time.monotonic()
        if self.silent_since is None:
            self.silent_since = now
        left = SILENCE_S - (now - self.silent_since)
        if self.stopped_at is not None or left <= 0:
            self.stop()
            self.abandon()
            return
        words = f"{error.message}; asking again for {left:.0f} s"
        self.sink(Event("poll.failed", words, self.session.host))
        self.pace = self.pace.after_poll((), self._starts(), now)

    def _read(self, moids: Sequence[str]) -> dict[str, object]:
        """State by task, in one call. A vCenter forgets tasks some minutes after their end."""
        refs = [Ref("Task", moid) for moid in moids]
        states = {f.ref.moid: _state(f) for f in retrieve(self.session, refs, {"Task": _STATE})}
        return {moid: states[moid] if moid in states else _gone() for moid in moids}

    def _answer(self, now: float) -> None:
        """A machine that asks whether to pull a locked CD holds its task up: say yes."""
        usual = self.pace.duration or 0.0
        late = [
            item
            for item in self.live.values()
            if item.job.vm
            and now - item.started > questions.after_s(usual)
            and now - item.asked > questions.EVERY_S
        ]
        if late:
            for item in late:
                item.asked = now
            subjects = {item.job.vm: item.job.subject for item in late}
            questions.answer(self.session, subjects, sink=self.sink)

    def abandon(self) -> None:
        """Give up on all that is in flight."""
        for moid in tuple(self.live):
            item = self.live.pop(moid)
            self._note(item.job, item.started, _gone())

    def _overdue(self) -> None:
        """Give up on tasks past their deadline, or past the grace of a stopped run."""
        now = time.monotonic()
        is_over = self.stopped_at is not None and now - self.stopped_at > self.grace_s
        for moid, item in tuple(self.live.items()):
            if is_over or now - item.started > self.deadline_s:
                del self.live[moid]
                self._note(item.job, item.started, _too_late(now, item))


_RUNNING = object()


def _state(found: Found) -> object:
    """``_RUNNING``, ``None`` for success, or the error."""
    match found.text("info.state"):
        case "success":
            return None
        case "error":
            element = found.props.get("info.error")
            fault = soap.fault_of(element) if element is not None else None
            return faults.error_of(fault or faults.SoapFault("MethodFault", "the task failed"))
        case _:
            return _RUNNING


def _gone() -> RemoteError:
    return RemoteError(
        "the end of the task was not seen",
        fault=faults.TASK_GONE,
        hint="whether it succeeded shows when the machine is read again",
    )


def _too_late(now: float, item: _Live) -> RemoteError:
    return RemoteError(
        f"the task did not end within {now - item.started:.0f} s",
        fault=faults.DEADLINE,
        hint="it may still end; look into the vCenter's recent tasks, then run apply again",
    )
