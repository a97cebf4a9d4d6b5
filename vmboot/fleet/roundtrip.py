"""Jobs for the task window, and templates back into what they were."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vmboot.clock import Deadline, poll
from vmboot.errors import RemoteError
from vmboot.fleet.observe import read_present
from vmboot.fleet.steps import Step
from vmboot.vsphere.changes import Change
from vmboot.vsphere.reconfigure import needs_devices, read_devices, reconfigure_job
from vmboot.vsphere.tasks import Job
from vmboot.vsphere.templates import to_machine, to_template

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session

#: How long a task that a killed run left behind may keep a template from being one again.
BUSY_S = 120.0
_BUSY_EVERY_S = 0.5


def live_devices(session: Session, steps: Iterable[Step]) -> Mapping[str, Sequence[Any]]:
    """The devices of those whose change needs them whole, in one call; by managed object id.

    Empty where that call fails, as it does when one machine is gone: each job then reads its own,
    so that only the job of that machine fails.
    """
    moids = [step.moid for step in steps if needs_devices(step.split[0])]
    try:
        return read_devices(session, moids) if moids else {}
    except RemoteError:
        return {}


def job_of(
    step: Step,
    changes: Sequence[Change],
    *,
    pool: str | None = None,
    live: Sequence[Any] | None = None,
) -> Job:
    """The write of ``changes``; a template becomes a VM in ``pool`` just before.

    :param live: its devices from :func:`live_devices`, if they were read
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
