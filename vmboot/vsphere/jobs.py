"""A write, and how it ended: the values that the task window takes and gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vmboot.errors import VmbootError

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session


@dataclass(frozen=True)
class Job:
    """One write.

    :param subject: what it is about, for events and the journal; usually an inventory path
    :param start: sends it and returns the pyVmomi task, or ``None`` for a write without one. Runs
        in a submitter thread; a session that expired before it is renewed and ``start`` repeated.
    :param vm: managed object id of the machine whose question may hold the task up; ``""``: none
    :param judge: tells a fault in words that fit this write; ``None`` from it: no failure after all
    """

    subject: str
    start: Callable[[Session], Any]
    vm: str = ""
    judge: Callable[[VmbootError], VmbootError | None] | None = None


@dataclass(frozen=True)
class Outcome:
    """How one job ended.

    :param error: the fault; :func:`vmboot.vsphere.faults.is_unknown` tells whether the write may
        have happened all the same
    :param seconds: from the start of the call to the poll that saw the end
    :param started: false when the run was stopped before the write was sent
    """

    subject: str
    ok: bool
    error: VmbootError | None = None
    seconds: float = 0.0
    started: bool = True
