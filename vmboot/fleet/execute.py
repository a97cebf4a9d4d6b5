"""Carrying out steps: journal, window of tasks, templates put back, everything read back.

Apply, undo and repair all come down to this. It decides nothing but when to stop.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from vmboot.errors import RemoteError, VmbootError
from vmboot.events import Event, Sink, ignore
from vmboot.fleet.journal import Journal, Marked, Settled
from vmboot.fleet.judge import judge, skipped, unread, waits
from vmboot.fleet.observe import read_present
from vmboot.fleet.result import MachineOutcome
from vmboot.fleet.roundtrip import job_of, live_devices, make_template
from vmboot.fleet.steps import Step
from vmboot.fleet.waves import UNLIMITED, Budget
from vmboot.vsphere.changes import Change, SetBootOrder
from vmboot.vsphere.devices import rebase_boot_order
from vmboot.vsphere.machine import Machine
from vmboot.vsphere.tasks import Job, run_window
from vmboot.vsphere.templates import root_pools

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session


_BATCH = 500
#: Faults with which a server refuses a boot order that names a key which no device has yet.
_REFUSALS = frozenset({"InvalidArgument", "InvalidDeviceSpec", "InvalidVmConfig", "InvalidRequest"})
_End: TypeAlias = tuple[str, bool]


@dataclass(frozen=True)
class Executed:
    """What became of the steps.

    :param begun: managed object ids of machines that were begun
    :param open: templates that were read back as VMs
    :param stopped: the budget ended it
    :param unread: the machines could not be read back; what happened is not known
    """

    outcomes: tuple[MachineOutcome, ...] = ()
    begun: frozenset[str] = frozenset()
    open: tuple[str, ...] = ()
    stopped: bool = False
    unread: bool = False


@dataclass
class Execution:
    """One pass over ``steps``.

    :param stop: set it, and nothing new is begun; what is in flight ends
    :param total: machines the budget's share is of; all steps if 0
    :param failed: machines of this run that have failed so far
    """

    session: Session
    journal: Journal
    steps: Sequence[Step]
    window: int = 32
    budget: Budget = UNLIMITED
    stop: threading.Event = field(default_factory=threading.Event)
    sink: Sink = ignore
    total: int = 0
    failed: int = 0
    _begun: dict[str, Step] = field(default_factory=dict)
    _deferred: dict[str, SetBootOrder] = field(default_factory=dict)
    _predicted: set[str] = field(default_factory=set)
    _refused: list[Step] = field(default_factory=list)
    _safe: bool = False
    _judged: dict[str, MachineOutcome] = field(default_factory=dict)
    _ended: int = 0
    _errors: dict[str, VmbootError] = field(default_factory=dict)
    _put_back: set[str] = field(default_factory=set)

    def run(self) -> Executed:
        """Carry out the steps and read the machines back.

        :raises RefusedError: the journal cannot be written; templates are templates again
        """
        try:
            self._change()
        finally:
            self._put_all_back()
        return self._read_back()

    def _change(self) -> None:
        by_path = {step.machine.path: step for step in self.steps}
        outcomes = run_window(
            self.session,
            self._jobs(),
            window=self.window,
            before_start=lambda paths: self._begin([by_path[path] for path in paths]),
            stop=self.stop,
            sink=self.sink,
        )
        with closing(outcomes):  # its senders have ended when templates are put back
            for outcome in outcomes:
                if outcome.started:
                    self._first_ended(by_path[outcome.subject], outcome.error)
        self._try_safely()
        self._set_deferred_orders()
        self._mark_only([step for step in self.steps if not step.changes])

    # -- the first reconfigure -----------------------------------------------------------------

    def _jobs(self) -> Iterator[Job]:
        templates = [step.machine for step in self.steps if step.machine.is_template]
        pools = root_pools(self.session, (machine.host for machine in templates))
        for batch in _batches([step for step in self.steps if step.changes]):
            live = live_devices(self.session, batch)
            for step in batch:
                if self._halted():
                    return
                pool = pools.get(step.machine.host)
                yield job_of(step, self._first(step), pool=pool, live=live.get(step.moid))

    def _first(self, step: Step) -> tuple[Change, ...]:
        """What the first reconfigure carries: all of it, while the server takes foretold keys."""
        predicted = None if self._safe else step.predicted
        if predicted is None:
            return step.split[0]
        self._predicted.add(step.moid)
        return predicted

    def _begin(self, steps: Sequence[Step]) -> None:
        self.journal.write(*(step.intent for step in steps))
        self._begun.update((step.moid, step) for step in steps)

    def _halted(self) -> bool:
        return self.stop.is_set() or self._over_budget()

    def _over_budget(self) -> bool:
        return self.budget.exceeded(self.failed, self.total or len(self.steps))

    def _first_ended(self, step: Step, error: VmbootError | None) -> None:
        if error is not None and step.moid in self._predicted and _is_refusal(error):
            self._safe = True
            self._refused.append(step)
            return
        order = step.split[1]
        if order is not None and error is None:
            self._deferred[step.moid] = order
        else:
            self._end(step, error)

    def _try_safely(self) -> None:
        """Once more without the order, for machines where the server may have refused its keys.

        A refused reconfigure changed nothing. What was begun is not left so when the run stops.
        """
        steps = {step.machine.path: step for step in self._refused}
        self._predicted -= {step.moid for step in steps.values()}
        for outcome in run_window(
            self.session,
            (job_of(_as_machine(step), step.split[0]) for step in steps.values()),
            window=self.window,
            sink=self.sink,
        ):
            self._first_ended(steps[outcome.subject], outcome.error)

    # -- the second one, for boot orders that name a disk whose key is new -------------------------

    def _set_deferred_orders(self) -> None:
        """Also when stopped: a machine half changed would be worse than a moment's wait."""
        for batch in _batches([self._begun[moid] for moid in self._deferred]):
            found = read_present(
                self.session,
                [step.moid for step in batch],
                secure_db=[step.moid for step in batch if step.has_secure_db],
            )
            steps = {step.machine.path: step for step in batch}
            jobs = self._second_jobs(batch, found)
            for outcome in run_window(self.session, jobs, window=self.window, sink=self.sink):
                self._end(steps.pop(outcome.subject), outcome.error)
            for step in steps.values():  # the order was right already, or the machine is gone
                if step.moid in found and not step.to_template:
                    self._judged[step.moid] = judge(step, found[step.moid], None)
                self._end(step, None)

    def _second_jobs(self, steps: Sequence[Step], found: Mapping[str, Machine]) -> Iterator[Job]:
        for step in steps:
            now = found.get(step.moid)
            if now is not None:
                order = self._deferred[step.moid]
                rebased = rebase_boot_order(
                    order, planned_on=step.machine, now=now, changes=step.split[0]
                )
                if rebased is not None:
                    yield job_of(Step(now, (rebased,), step.to_template), (rebased,))

    # -- after ---------------------------------------------------------------------------------

    def _mark_only(self, steps: Sequence[Step]) -> None:
        """Templates that need nothing but to be templates again."""
        for step in steps:
            if self._halted():
                return
            self._begin([step])
            self._end(step, None)

    def _end(self, step: Step, error: VmbootError | None) -> None:
        self._ended += 1
        if error is not None:
            self._errors[step.moid] = error
            self.failed += not waits(step, error)
        self._make_template(step, look_first=error is not None)
        self.sink(
            Event(
                "vm.failed" if error else "vm.done",
                error.message if error else "changed",
                step.machine.path,
                {"done": self._ended, "total": len(self.steps)},
            )
        )

    def _make_template(self, step: Step, *, look_first: bool) -> None:
        """Make it a template again, whatever became of its change."""
        if not step.to_template or step.moid in self._put_back:
            return
        self._put_back.add(step.moid)
        try:
            make_template(self.session, step.moid, look_first=look_first)
        except VmbootError as error:
            self._errors.setdefault(step.moid, error)

    def _put_all_back(self) -> None:
        """However the changes ended: with the journal's disk full, templates are in flight."""
        for step in self._begun.values():
            self._make_template(step, look_first=True)

    def _read_back(self) -> Executed:
        count = len(self._begun)
        self.sink(Event("verify.begin", "reading back what was changed", data={"count": count}))
        outcomes: list[MachineOutcome] = []
        ends: list[_End] = []
        unread_error: VmbootError | None = None
        for batch in _batches(self.steps):
            found, error = self._found(batch)
            unread_error = unread_error or error
            outcomes += [self._outcome(step, found, error) for step in batch]
            ends += [end for step in batch if (end := self._kind(step, found))]
        if unread_error is None:
            self._settle(outcomes, ends)
        return Executed(
            tuple(outcomes),
            frozenset(self._begun),
            tuple(moid for moid, is_template in ends if not is_template),
            self._stopped(),
            unread=unread_error is not None,
        )

    def _kind(self, step: Step, found: Mapping[str, Machine]) -> _End | None:
        """Whether what should be a template is one: vCenters are known to ignore a mark."""
        now = found.get(step.moid)
        return (step.moid, now.is_template) if step.to_template and now else None

    def _settle(self, outcomes: Sequence[MachineOutcome], ends: Sequence[_End]) -> None:
        marked = (Marked(moid) for moid, is_template in ends if is_template)
        begun = (o for o in outcomes if o.moid in self._begun)
        settled = (Settled(o.moid, o.path, o.verdict, o.error) for o in begun)
        self.journal.write(*marked, *settled)

    def _found(self, steps: Sequence[Step]) -> tuple[Mapping[str, Machine], VmbootError | None]:
        """Those of ``steps`` that were begun, read again; or why they cannot be read."""
        try:
            asked = (step.moid for step in steps if step.moid in self._begun)
            moids = [moid for moid in asked if moid not in self._judged]
            with_db = [step.moid for step in steps if step.has_secure_db]
            return read_present(self.session, moids, secure_db=with_db), None
        except VmbootError as error:
            return {}, error

    def _stopped(self) -> bool:
        return self._over_budget() and len(self._begun) < len(self.steps)

    def _outcome(
        self, step: Step, found: Mapping[str, Machine], error: VmbootError | None
    ) -> MachineOutcome:
        if step.moid not in self._begun:
            return skipped(step, interrupted=self.stop.is_set())
        if step.moid in self._judged:
            return self._judged[step.moid]
        if error is not None:
            return unread(step, error)
        return judge(step, found.get(step.moid), self._errors.get(step.moid))


def _is_refusal(error: VmbootError) -> bool:
    return isinstance(error, RemoteError) and error.fault in _REFUSALS


def _as_machine(step: Step) -> Step:
    """The same step for a template that is a machine by now."""
    return replace(step, machine=replace(step.machine, is_template=False))


def _batches(steps: Sequence[Step]) -> Iterator[Sequence[Step]]:
    """A read-back holds one batch of machines in memory, not all of a big fleet."""
    for start in range(0, len(steps), _BATCH):
        yield steps[start : start + _BATCH]
