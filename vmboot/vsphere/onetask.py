"""One task, sent and waited for: what imports and files do. Many at once: :mod:`.tasks`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from vmboot.clock import Deadline, poll
from vmboot.vsphere import faults, soap
from vmboot.vsphere.collector import Found, retrieve
from vmboot.vsphere.soap import Ref

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session

TASK_DEADLINE_S = 300.0
_EVERY_S = 0.1


def run_task(
    session: Session, start: Callable[[], Any], *, deadline_s: float = TASK_DEADLINE_S
) -> ET.Element | None:
    """Send a write and wait for its end; its result.

    :param start: makes the call and returns the pyVmomi task
    :raises RemoteError: the fault that the call or the task ended with
    :raises DeadlineError: the task goes on, but longer than this
    """
    task = session.call(start, write=True)
    return await_task(session, task._GetMoId(), deadline_s=deadline_s)


def await_task(
    session: Session, task: str, *, deadline_s: float = TASK_DEADLINE_S
) -> ET.Element | None:
    """Wait for one task by its managed object id; its result.

    Leaf properties only: pyVmomi cannot read a whole ``TaskInfo`` of the file manager's tasks.
    """

    def ended() -> Found | None:
        paths = ("info.state", "info.error", "info.result")
        found = next(retrieve(session, (Ref("Task", task),), {"Task": paths}), None)
        is_over = found is not None and found.text("info.state") in ("success", "error")
        return found if is_over else None

    deadline = Deadline.after(deadline_s)
    found = poll(ended, deadline=deadline, every=_EVERY_S, what="a file operation of the vCenter")
    error = found.props.get("info.error")
    if error is not None:
        raise faults.error_of(soap.fault_of(error))
    return found.props.get("info.result")
