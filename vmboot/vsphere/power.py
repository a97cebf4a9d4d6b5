"""Power: guests are asked first, and cut off only where that was allowed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from vmboot.clock import Deadline, pause
from vmboot.errors import DeadlineError, RefusedError, RemoteError, VmbootError
from vmboot.events import Event, Sink, ignore
from vmboot.vsphere import faults
from vmboot.vsphere.collector import retrieve
from vmboot.vsphere.soap import Ref
from vmboot.vsphere.tasks import Job, Outcome, run_window

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session

GUEST_DEADLINE_S = 300.0
_BATCH = 500
_EVERY_S = 1.0
_TOOLS = "guest.toolsRunningStatus"
_ALREADY = "InvalidPowerState"


def shut_down(
    session: Session,
    moids: Iterable[str],
    *,
    guest_deadline_s: float = GUEST_DEADLINE_S,
    hard: bool = False,
    names: Mapping[str, str] | None = None,
    stop: threading.Event | None = None,
    sink: Sink = ignore,
) -> tuple[Outcome, ...]:
    """Power machines off: guest shutdown, then, only if ``hard``, the plug.

    :param guest_deadline_s: for all guests together
    :param names: what to call machines in events, by managed object id
    :param stop: when set, no guest is asked any more, none is waited for, and no plug is pulled
    :return: one outcome per machine, its ``subject`` the managed object id; a guest that did not
        go down in time has a :class:`DeadlineError`; a machine that ``stop`` left running is not
        ``started``, though its guest may have been asked
    """
    stop = stop or threading.Event()
    names = names or {}
    all_moids = tuple(dict.fromkeys(moids))
    running = _not_off(session, all_moids)
    began = time.monotonic()
    deaf = _ask_guests(session, running, names, stop, sink)
    asked = tuple(moid for moid in running if moid not in deaf)
    still = _await_off(session, asked, Deadline.after(guest_deadline_s), names, stop, sink)
    errors: dict[str, VmbootError | None] = {
        **dict.fromkeys(still, _stayed(guest_deadline_s)),
        **deaf,
    }
    asleep = _in_state(session, tuple(errors), "suspended")
    errors |= dict.fromkeys(asleep, _suspended())
    if hard:
        awake = tuple(moid for moid in errors if moid not in asleep)
        errors |= _cut_off(session, awake, stop, sink)
    seconds = time.monotonic() - began
    left = frozenset(moid for moid, error in errors.items() if error) if stop.is_set() else ()
    return tuple(
        _interrupted(moid, seconds) if moid in left else _ended(moid, errors.get(moid), seconds)
        for moid in all_moids
    )


def power_on(
    session: Session,
    moids: Iterable[str],
    *,
    stop: threading.Event | None = None,
    sink: Sink = ignore,
) -> tuple[Outcome, ...]:
    """Power machines on; one that runs already counts as done. ``subject`` as in shut_down.

    :param stop: when set, no more are powered on; those are not ``started``
    """
    jobs = (_job(moid, "PowerOnVM_Task") for moid in moids)
    outcomes = run_window(session, jobs, stop=stop, sink=sink)
    return tuple(
        _ended(o.subject, _unless_already(o.error), o.seconds) if o.started else o for o in outcomes
    )


def without_tools(session: Session, moids: Iterable[str]) -> frozenset[str]:
    """Those of ``moids`` whose guest cannot be asked to shut down; a call for every 500."""
    return frozenset(moids) - _having(session, moids, _TOOLS, "guestToolsRunning")


def _job(moid: str, method: str) -> Job:
    def start(session: Session) -> Any:
        return getattr(session.ref("VirtualMachine", moid), method)()

    return Job(subject=moid, start=start)


def _not_off(session: Session, moids: Sequence[str]) -> tuple[str, ...]:
    """Those that run or are suspended, in order."""
    off = _in_state(session, moids, "poweredOff")
    return tuple(moid for moid in moids if moid not in off)


def _in_state(session: Session, moids: Sequence[str], state: str) -> frozenset[str]:
    """Those in a power state as the API names it; one call per 500."""
    return _having(session, moids, "runtime.powerState", state)


def _having(session: Session, moids: Iterable[str], path: str, value: str) -> frozenset[str]:
    found_in: set[str] = set()
    pending = iter(moids)
    while batch := tuple(islice(pending, _BATCH)):
        refs = [Ref("VirtualMachine", moid) for moid in batch]
        for found in retrieve(session, refs, {"VirtualMachine": (path,)}):
            if found.text(path) == value:
                found_in.add(found.ref.moid)
    return frozenset(found_in)


def _ask_guests(
    session: Session,
    moids: Sequence[str],
    names: Mapping[str, str],
    stop: threading.Event,
    sink: Sink,
) -> dict[str, VmbootError | None]:
    """Ask every guest to shut down; those that cannot be asked, and why."""
    deaf: dict[str, VmbootError | None] = {}
    jobs = (_job(moid, "ShutdownGuest") for moid in moids)
    for outcome in run_window(session, jobs, stop=stop, sink=sink):
        error = _unless_already(outcome.error)
        if error is not None:
            deaf[outcome.subject] = _no_guest(error)
        else:
            name = names.get(outcome.subject, outcome.subject)
            sink(Event("vm.shutting-down", "the guest was asked to shut down", name))
    return deaf


def _await_off(
    session: Session,
    moids: Sequence[str],
    deadline: Deadline,
    names: Mapping[str, str],
    stop: threading.Event,
    sink: Sink,
) -> tuple[str, ...]:
    """Wait until they are off; those that are not when the deadline passes, or ``stop`` is set."""
    waiting = tuple(moids)
    while waiting:
        on = _not_off(session, waiting)
        for moid in waiting:
            if moid not in on:
                sink(Event("vm.off", "is powered off", names.get(moid, moid)))
        waiting = on
        if deadline.expired or stop.is_set() or not waiting:
            break
        pause(_EVERY_S, deadline)
    return waiting


def _cut_off(
    session: Session, moids: Sequence[str], stop: threading.Event, sink: Sink
) -> dict[str, VmbootError | None]:
    jobs = (_job(moid, "PowerOffVM_Task") for moid in moids)
    outcomes = run_window(session, jobs, stop=stop, sink=sink)
    return {outcome.subject: _unless_already(outcome.error) for outcome in outcomes}


def _unless_already(error: VmbootError | None) -> VmbootError | None:
    """Already in the wished state is as good as done."""
    return None if isinstance(error, RemoteError) and error.fault == _ALREADY else error


def _no_guest(error: VmbootError) -> VmbootError:
    if not isinstance(error, RemoteError) or error.fault != "ToolsUnavailable":
        return error
    return RemoteError(
        "the guest cannot be asked to shut down: VMware Tools do not run",
        fault=error.fault,
        hint="shut it down by hand; --hard-power-off cuts the power of such machines",
    )


def _suspended() -> RefusedError:
    return RefusedError(
        "it was suspended meanwhile, and to power it off would lose its memory",
        hint="resume it or discard its state, then plan again",
    )


def _stayed(seconds: float) -> DeadlineError:
    return DeadlineError(
        f"the guest did not shut down within {seconds:g} s",
        hint="look at its console or give it more time; --hard-power-off cuts the power",
    )


def _ended(moid: str, error: VmbootError | None, seconds: float) -> Outcome:
    return Outcome(moid, ok=error is None, error=error, seconds=seconds)


def _interrupted(moid: str, seconds: float) -> Outcome:
    error = RemoteError(
        "stopped before it was powered off",
        fault=faults.NOT_STARTED,
        hint="its guest may have been asked, and may still shut down",
    )
    return Outcome(moid, ok=False, error=error, seconds=seconds, started=False)
