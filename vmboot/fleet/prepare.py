"""Just before machines are changed: shut down what must be off, look again where that is due."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from vmboot.errors import RefusedError, VmbootError
from vmboot.events import Event, Sink
from vmboot.fleet.journal import Journal, PoweringOff
from vmboot.fleet.observe import read_present
from vmboot.fleet.plan import MachinePlan, Problem
from vmboot.fleet.steps import Step
from vmboot.vsphere.machine import Machine
from vmboot.vsphere.power import shut_down, without_tools

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session

DEAF = Problem(
    "VMware Tools do not run: it cannot be asked; --hard-power-off cuts its power", warning=True
)


def power_off(
    session: Session,
    journal: Journal,
    machines: Sequence[Machine],
    *,
    hard: bool,
    deadline_s: float,
    stop: threading.Event,
    sink: Sink,
) -> tuple[Mapping[str, VmbootError], tuple[str, ...]]:
    """Shut ``machines`` down. Why not, by managed object id, for those that stayed on; and the
    paths of those that are off.

    Those that only ``stop`` left running are not named: nothing is begun with them anyway.
    """
    names = {machine.moid: machine.path for machine in machines}
    journal.write(*(PoweringOff((machine.moid,), (machine,)) for machine in machines))
    sink(Event("power.begin", "shutting down", data={"count": len(names)}))
    outcomes = shut_down(
        session, names, guest_deadline_s=deadline_s, hard=hard, names=names, stop=stop, sink=sink
    )
    errors = {o.subject: o.error for o in outcomes if o.error is not None and o.started}
    return errors, tuple(names[o.subject] for o in outcomes if o.ok)


def warned_of_deaf(session: Session, planned: tuple[MachinePlan, ...]) -> tuple[MachinePlan, ...]:
    """The same plans, with a warning where a machine that is to go down cannot be asked to.

    One more call, and only about those machines.
    """
    going = [plan.machine.moid for plan in planned if plan.shut_down]
    deaf = without_tools(session, going) if going else frozenset()
    return tuple(
        replace(plan, problems=(*plan.problems, DEAF)) if plan.machine.moid in deaf else plan
        for plan in planned
    )


def refreshed(
    session: Session, steps: Sequence[Step], moids: Collection[str]
) -> tuple[list[Step], Mapping[str, VmbootError]]:
    """The same steps on machines read again, and why some can no longer be made.

    Templates have no usable change version once they are VMs, and a machine in ``moids`` got a new
    one by being shut down; both are compared here, in one call. For all others the vCenter itself
    refuses a change that was planned on an older state.
    """
    again = [step.moid for step in steps if step.to_template or step.moid in moids]
    found = read_present(session, again, secure_db=[s.moid for s in steps if s.has_secure_db])
    kept: list[Step] = []
    lost: dict[str, VmbootError] = {}
    for step in steps:
        now = found.get(step.moid) if step.moid in again else step.machine
        if now is None or not step.untouched(now):
            lost[step.moid] = _changed(step, now)
        else:
            kept.append(replace(step, machine=now))
    return kept, lost


def _changed(step: Step, now: Machine | None) -> RefusedError:
    what = "was changed" if now else "was removed"
    return RefusedError(f"{step.machine.path} {what} since the plan", hint="plan again")
