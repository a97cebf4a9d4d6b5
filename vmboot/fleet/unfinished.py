"""Which runs ended in the middle, told apart from those that are at work right now.

They are looked up by vCenter: a fleet document may have been moved or renamed since. Each document
has a lock of its own, and a run is dead only if nobody holds the lock of its document.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from vmboot.errors import InputError, LockedError
from vmboot.fleet.chain import in_order
from vmboot.fleet.lock import check_free, run_lock
from vmboot.fleet.runs import Run, load_run, read_runs


def unfinished(
    vcenter_uuid: str, *, state: Path | None = None
) -> tuple[tuple[Run, ...], tuple[str, ...]]:
    """Runs on that vCenter without an end, the first one first, and warnings of damaged journals.

    A run that is at work looks the same.
    """
    listed = read_runs(state=state)
    damaged = list(listed.damaged.values())
    runs: list[Run] = []
    for summary in listed.runs:
        if not summary.finished:
            try:
                runs.append(load_run(summary.id, state=state))
            except InputError as error:
                damaged.append(error.message)
    here = in_order(run for run in runs if run.started.vcenter_uuid == vcenter_uuid)
    return here, tuple(map(_unknown, damaged))


def _unknown(message: str) -> str:
    return f"{message}; what its run left is not known, and its machines are treated as any other"


def unfinished_or_busy(
    vcenter_uuid: str, fleet: str, *, state: Path | None = None
) -> tuple[tuple[Run, ...], tuple[str, ...]]:
    """Dead runs on that vCenter, whatever their document, the first one first, and warnings.

    While somebody holds the lock of ``fleet``, its run is unfinished of course; that is a warning.
    """
    runs, warnings = unfinished(vcenter_uuid, state=state)
    busy = dict(_busy(vcenter_uuid, [fleet, *(run.started.fleet for run in runs)], state))
    dead = [run for run in runs if run.started.fleet not in busy]
    here = (busy[fleet],) if fleet in busy else ()
    # One that ended between the two looks is neither at work nor left behind.
    return _still(dead, state), (*here, *warnings)


def _busy(
    vcenter_uuid: str, fleets: Iterable[str], state: Path | None
) -> Iterator[tuple[str, str]]:
    for fleet in dict.fromkeys(fleets):
        try:
            check_free(vcenter_uuid, fleet, state=state)
        except LockedError as error:
            yield fleet, error.message


def _still(runs: Iterable[Run], state: Path | None) -> tuple[Run, ...]:
    again = (load_run(run.id, state=state) for run in runs)
    return tuple(run for run in again if not run.finished)


def concerning(runs: Iterable[Run], fleet: str, moids: Collection[str]) -> tuple[Run, ...]:
    """Those of this document, and those of others that were at work on one of these machines."""
    wanted = frozenset(moids)
    return tuple(run for run in runs if run.started.fleet == fleet or wanted & {*run.moids})


def foreign_warnings(runs: Iterable[Run], fleet: str, moids: Collection[str]) -> tuple[str, ...]:
    """What to tell about dead runs of other documents."""
    found = tuple(run for run in runs if run.started.fleet != fleet)
    mine = concerning(found, fleet, moids)
    return tuple(_warning(run, mine=run in mine) for run in found)


def _warning(run: Run, *, mine: bool) -> str:
    what = f"run {run.id} of {run.started.fleet} ended in the middle"
    if mine:
        return f"{what}; it was at work on machines of this document, so an apply continues it"
    return f"{what}; apply that document again, or undo the run"


def claimed(
    locks: ExitStack,
    vcenter_uuid: str,
    fleet: str,
    named: Sequence[str],
    *,
    state: Path | None = None,
) -> tuple[Run, ...]:
    """Dead runs of ``fleet``, whose lock is held, and of other documents if ``named`` by their id.

    :param locks: takes the locks of those documents; one that is held has a run at work
    """
    runs, _ = unfinished(vcenter_uuid, state=state)
    wanted = [run for run in runs if run.started.fleet == fleet or run.id in named]
    refused = set()
    for other in {run.started.fleet for run in wanted} - {fleet}:
        try:
            locks.enter_context(run_lock(vcenter_uuid, other, state=state))
        except LockedError:
            refused.add(other)
    return _still((run for run in wanted if run.started.fleet not in refused), state)
