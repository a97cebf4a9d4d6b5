"""``vmboot status``: is every machine as the fleet document wishes, and what differs?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmboot.errors import NotFoundError
from vmboot.events import Sink, ignore
from vmboot.fleet.plan import MachinePlan, Plan, Upload, Verdict
from vmboot.fleet.planner import plan_fleet
from vmboot.fleet.words import DiffLine, diff

if TYPE_CHECKING:
    from vmboot.fleet.spec import Fleet
    from vmboot.vsphere.session import Session


class State(StrEnum):
    """How a machine stands to the fleet document."""

    AS_WISHED = "as-wished"
    DRIFT = "drift"  # an apply would change it
    PENDING = "pending"  # what is left waits for its next power off
    REFUSED = "refused"  # it is not as wished, and vmboot will not touch it
    NOT_FOUND = "not-found"  # the document names it, the vCenter does not have it


_STATES = {
    Verdict.OK: State.AS_WISHED,
    Verdict.CHANGE: State.DRIFT,
    Verdict.PENDING: State.PENDING,
    Verdict.REFUSED: State.REFUSED,
}


@dataclass(frozen=True)
class MachineStatus:
    """One machine, or one pattern that matches nothing.

    :param path: inventory path; the message about the pattern where nothing is found
    :param differences: what is there, and what should be
    """

    path: str
    state: State
    differences: tuple[DiffLine, ...] = ()
    problem: str = ""
    hint: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "state": self.state.value,
            "differences": [line.to_json() for line in self.differences],
            "problem": self.problem,
            "hint": self.hint,
        }


@dataclass(frozen=True)
class Status:
    """The whole fleet.

    :param uploads: boot ISOs, and whether they are where they should be
    :param unfinished: ids of runs that ended in the middle; the next apply repairs what they left
    """

    fleet: str
    vcenter: str
    machines: tuple[MachineStatus, ...]
    uploads: tuple[Upload, ...] = ()
    unfinished: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Machines per state, every state named."""
        counter = Counter(machine.state for machine in self.machines)
        return {state.value: counter[state] for state in State}

    @property
    def has_drift(self) -> bool:
        """True unless everything is as wished and no run is unfinished."""
        missing = any(not upload.present for upload in self.uploads)
        wrong = any(machine.state is not State.AS_WISHED for machine in self.machines)
        return wrong or missing or bool(self.unfinished)

    def to_json(self) -> dict[str, Any]:
        """Keys fleet, vcenter, counts, machines, uploads, unfinished, warnings."""
        return {
            "fleet": self.fleet,
            "vcenter": self.vcenter,
            "counts": self.counts,
            "machines": [machine.to_json() for machine in self.machines],
            "uploads": [{"path": u.path, "present": u.present} for u in self.uploads],
            "unfinished": list(self.unfinished),
            "warnings": list(self.warnings),
        }


def read_status(
    fleet: Fleet,
    session: Session,
    *,
    limit: Sequence[str] = (),
    loader_dirs: Sequence[str | Path] = (),
    state: Path | None = None,
    sink: Sink = ignore,
) -> Status:
    """Compare every machine with the document; changes nothing.

    :raises AmbiguousError: a bare name of several machines
    :raises RefusedError: the boot ISO's file was changed
    """
    missing: list[NotFoundError] = []
    plan = plan_fleet(
        fleet,
        session,
        limit=limit,
        loader_dirs=loader_dirs,
        state=state,
        missing=missing,
        sink=sink,
    )
    return status_of(plan, missing)


def status_of(plan: Plan, missing: Sequence[NotFoundError] = ()) -> Status:
    """The status that ``plan`` amounts to.

    :param missing: errors of patterns that match nothing
    """
    gone = (
        MachineStatus(error.message, State.NOT_FOUND, problem=str(error), hint=error.hint)
        for error in missing
    )
    return Status(
        fleet=plan.fleet,
        vcenter=plan.vcenter,
        machines=(*map(_machine, plan.machines), *gone),
        uploads=plan.uploads,
        unfinished=plan.unfinished,
        warnings=plan.warnings,
    )


def _machine(plan: MachinePlan) -> MachineStatus:
    problem = plan.problems[0] if plan.problems else None
    return MachineStatus(
        path=plan.machine.path,
        state=_STATES[plan.verdict],
        differences=diff(plan),
        problem=problem.message if problem else "",
        hint=problem.hint if problem else None,
    )
