"""What a killed run left on its way: its machines are not what they will be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from vmboot.clock import Deadline, pause, poll
from vmboot.fleet.runs import Run
from vmboot.vsphere.collector import Walk, retrieve
from vmboot.vsphere.soap import Ref

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session

DEADLINE_S = 300.0
LATE_S = 2.0
"""What a killed process had already sent is carried out within this; there is nothing to ask."""
_EVERY_S = 0.5
_BATCH = 500
_RUNNING = frozenset({"queued", "running"})
_TO_TASKS = (Walk("VirtualMachine", "recentTask"),)


def unsettled(runs: Iterable[Run]) -> frozenset[str]:
    """Managed object ids of machines whose outcome the journals of ``runs`` do not tell.

    Those whose copy of a BDM disk was on its way are among them.
    """
    open_runs = [run for run in runs if not run.finished]
    changed = {moid for run in open_runs for moid in run.intents if moid not in run.settled}
    copied = {c.moid for run in open_runs for c in run.copies.values() if c.path not in run.copied}
    return frozenset(changed | copied)


def await_quiet(session: Session, moids: Iterable[str], *, deadline_s: float = DEADLINE_S) -> None:
    """Wait until nothing that a killed run sent works on these machines any more; they must exist.

    First for calls that reached the vCenter and are not carried out yet: a look before they are
    would find the machine as it was, and call it restored. Then for tasks.

    :raises DeadlineError: a task goes on and on
    """
    waiting = tuple(moids)
    if waiting:
        pause(LATE_S, Deadline.after(LATE_S))
        poll(
            lambda: None if _busy(session, waiting) else True,
            deadline=Deadline.after(deadline_s),
            every=_EVERY_S,
            what="the end of the tasks that an unfinished run left",
        )


def _busy(session: Session, moids: Sequence[str]) -> bool:
    for start in range(0, len(moids), _BATCH):
        refs = [Ref("VirtualMachine", moid) for moid in moids[start : start + _BATCH]]
        for found in retrieve(session, refs, {"Task": ("info.state",)}, walks=_TO_TASKS):
            if found.text("info.state") in _RUNNING:
                return True
    return False
