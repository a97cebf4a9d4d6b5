"""Jobs for the task window, and templates back into what they were."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vmboot.clock import Deadline, poll
from vmboot.errors import RemoteError, VmbootError
from vmboot.fleet.observe import read_present
from vmboot.fleet.steps import Step
from vmboot.vsphere.changes import Change
from vmboot.vsphere.reconfigure import reconfigure_job
from vmboot.vsphere.tasks import Job
from vmboot.vsphere.templates import to_machine, to_template

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session

#: How long a task that a killed run left behind may keep a template from being one again.
BUSY_S = 120.0
_BUSY_EVERY_S = 0.5


def job_of(
    step: Step,
    changes: Sequence[Change],
    *,
    pool: str | None = None,
    live: Callable[[], Sequence[Any] | None] | None = None,
) -> Job:
    """The write of ``changes``; a template becomes a VM in ``pool`` just before.

    :param live: gives its devices if they were read ahead, see :mod:`vmboot.fleet.ahead`
    """
    guard = not step.to_template
    job = reconfigure_job(step.machine, changes, live_devices=live, guard=guard)
    return _unmarking(step, job, pool) if step.machine.is_template else job


def _unmarking(step: Step, job: Job, pool: str | None) -> Job:
    unmarked: list[bool] = []

    def start(session: Session) -> Any:
        if not unmarked:  # a start is repeated after a new login
            to_machine(session, step.machine, pool=pool)
            unmarked.append(True)
        return job.start(session)

    return Job(job.subject, start, vm=job.vm)


def make_template(session: Session, moid: str, *, look_first: bool) -> None:
    """Make a VM a template again, waiting for a task that still works on it.

    :param look_first: it may never have stopped being one
    :raises RemoteError: the vCenter refuses
    :raises DeadlineError: another task did not end
    """
    if look_first:
        found = read_present(session, (moid,)).get(moid)
        if found is None or found.is_template:
            return
    poll(
        lambda: _try_template(session, moid),
        deadline=Deadline.after(BUSY_S),
        every=_BUSY_EVERY_S,
        what="the end of another task on the template",
    )


def _try_template(session: Session, moid: str) -> bool | None:
    try:
        to_template(session, moid)
    except RemoteError as error:
        if error.fault == "TaskInProgress":
            return None
        raise
    return True


@dataclass
class PutBack:
    """Makes machines templates again that are to be ones, each once, whatever became of its change.

    :param errors: takes why one could not be, by managed object id, unless there is an error of it
    """

    session: Session
    errors: dict[str, VmbootError]
    _tried: set[str] = field(default_factory=set)

    def one(self, step: Step, *, look_first: bool) -> None:
        """Nothing where ``step`` is of a machine that is to stay one."""
        if not step.to_template or step.moid in self._tried:
            return
        self._tried.add(step.moid)
        try:
            make_template(self.session, step.moid, look_first=look_first)
        except VmbootError as error:
            self.errors.setdefault(step.moid, error)

    def all(self, steps: Iterable[Step]) -> None:
        """All of ``steps`` that were not tried yet."""
        for step in steps:
            self.one(step, look_first=True)
