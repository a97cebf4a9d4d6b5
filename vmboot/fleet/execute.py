"""Carrying out steps: journal, window of tasks, templates put back, everything read back.

Apply, undo and repair all come down to this. It decides nothing but when to stop. Where a step
needs a copy of a disk first, both writes go through the same window, the change as soon as its own
copy is there. Machines that are done are read back while others are at work.
"""

from __future__ import annotations

import threading
from collections import ChainMap
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, TypeAlias

from vmboot.errors import RemoteError, VmbootError
from vmboot.events import Event, Sink, ignore
from vmboot.fleet.ahead import Ahead
from vmboot.fleet.copies import Copies
from vmboot.fleet.journal import Copying, Journal, Marked, Settled
from vmboot.fleet.judge import failed, judge, skipped, unread, waits
from vmboot.fleet.observe import read_present
from vmboot.fleet.result import Done, MachineOutcome
from vmboot.fleet.roundtrip import PutBack, job_of
from vmboot.fleet.steps import Step
from vmboot.fleet.waves import UNLIMITED, Budget
from vmboot.vsphere.changes import Change, SetBootOrder
from vmboot.vsphere.devices import rebase_boot_order
from vmboot.vsphere.faults import with_unknown_outcome
from vmboot.vsphere.machine import Machine
from vmboot.vsphere.tasks import Job, Outcome, run_window
from vmboot.vsphere.templates import root_pools

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session


_BATCH = 500
#: Faults with which a server refuses a boot order that names a key which no device has yet.
_REFUSALS = frozenset({"InvalidArgument", "InvalidDeviceSpec", "InvalidVmConfig", "InvalidRequest"})
_End: TypeAlias = tuple[str, bool]
Release: TypeAlias = Callable[[Sequence[Step]], tuple[Sequence[Step], Mapping[str, VmbootError]]]


@dataclass(frozen=True)
class Executed:
    """What became of the steps.

    :param begun: managed object ids of machines that were begun
    :param open: templates that were read back as VMs
    :param stopped: the budget ended it
    :param unread: the machines could not be read back; what happened is not known
    :param unknown: managed object ids of machines whose write may still happen
    """

    outcomes: tuple[MachineOutcome, ...] = ()
    begun: frozenset[str] = frozenset()
    open: tuple[str, ...] = ()
    stopped: bool = False
    unread: bool = False
    unknown: frozenset[str] = frozenset()


@dataclass
class Execution:
    """One pass over ``steps``.

    :param copies: of disks that steps attach; each is made before its step
    :param held: managed object ids of machines that have their turn when all others had theirs and
        their own copies are there
    :param release: called then with their steps, unless the run is to end; gives them as they are
        now, and why some cannot be made
    :param stop: set it, and nothing new is begun; what is in flight ends
    :param total: machines the budget's share is of; all steps if 0
    :param failed: machines of this run that have failed so far
    """

    session: Session
    journal: Journal
    steps: Sequence[Step]
    copies: Copies | None = None
    held: Collection[str] = ()
    release: Release = lambda steps: (steps, {})
    window: int = 32
    budget: Budget = UNLIMITED
    stop: threading.Event = field(default_factory=threading.Event)
    sink: Sink = ignore
    total: int = 0
    failed: int = 0
    _copies: Copies = field(init=False)
    _begun: dict[str, Step] = field(default_factory=dict)
    _deferred: dict[str, SetBootOrder] = field(default_factory=dict)
    _predicted: set[str] = field(default_factory=set)
    _refused: list[Step] = field(default_factory=list)
    _safe: bool = False
    _judged: dict[str, MachineOutcome] = field(default_factory=dict)
    _ended: int = 0
    _errors: dict[str, VmbootError] = field(default_factory=dict)
    _put_back: PutBack = field(init=False)
    _waiting: set[str] = field(default_factory=set)
    _are_down: bool = False
    _lost: dict[str, VmbootError] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._copies = self.copies or Copies(self.session, self.journal, ())
        self._put_back = PutBack(self.session, self._errors)
        self._waiting = set(self.held)

    def run(self) -> Executed:
        """Carry out the steps and read the machines back.

        :raises RefusedError: the journal cannot be written; templates are templates again
        """
        try:
            self._change()
        finally:
            # However the changes ended: with the journal's disk full, templates are in flight.
            self._put_back.all(self._begun.values())
        return self._read_back()

    def _change(self) -> None:
        self._copies.open()
        self._pass(self.steps)
        again = {order.moid for order in self._copies.settle()}
        late = again | self._copies.ready - self._begun.keys()
        self._pass([step for step in self.steps if step.moid in late])
        self._copies.refuse_rest()
        self._release()
        self._try_safely()
        self._set_deferred_orders()
        self._mark_only([step for step in self.steps if not step.changes])

    def _release(self) -> None:
        """Those that had to wait."""
        held = [step for step in self.steps if step.moid in self._waiting and self._has_copy(step)]
        if not held or self._halted():
            return
        self._waiting = set()
        released, errors = self.release(held)
        self._lost |= errors
        now = {step.moid: step for step in released}
        self.steps = [now.get(step.moid, step) for step in self.steps]
        # They were shut down for it: whatever becomes of others, they get their change.
        self._are_down = True
        self._pass(released)
        self._are_down = False

    def _pass(self, steps: Sequence[Step]) -> None:
        """Copies and first reconfigures in one window."""
        if not steps:
            return
        by_path = {step.machine.path: step for step in steps}
        by_moid = {step.moid: step for step in steps}
        copies = self._copies.by_path
        templates = [step.machine for step in steps if step.machine.is_template]
        pools = root_pools(self.session, (machine.host for machine in templates))

        def change(step: Step) -> Job:
            live = partial(ahead.devices, step.moid)
            return job_of(step, self._first(step), pool=pools.get(step.machine.host), live=live)

        def begin(subjects: Sequence[str]) -> None:
            orders = [copies[one] for one in subjects if one in copies]
            self._begin([by_path[one] for one in subjects if one in by_path], orders)

        def then(outcome: Outcome) -> Job | None:
            order = copies.get(outcome.subject)
            if order is None or not outcome.ok or order.moid in self._waiting or self._halted():
                return None
            return change(by_moid[order.moid])

        with (
            Ahead(self.session) as ahead,
            # Its senders have ended when templates are put back.
            closing(
                run_window(
                    self.session,
                    self._jobs(ahead, steps, change),
                    window=self.window,
                    before_start=begin,
                    then=then,
                    stop=self.stop,
                    sink=self.sink,
                )
            ) as outcomes,
        ):
            for outcome in outcomes:
                if outcome.subject in copies and outcome.started:
                    self._copies.end(copies[outcome.subject], outcome.error)
                elif outcome.started:
                    self._first_ended(by_path[outcome.subject], outcome.error, ahead)
                self._take_read(ahead)
            self._take_read(ahead, wait=True)

    # -- the first reconfigure -----------------------------------------------------------------

    def _jobs(
        self, ahead: Ahead, steps: Sequence[Step], change: Callable[[Step], Job]
    ) -> Iterator[Job]:
        """The first write of each step: its copy where it needs one that is not there."""
        changing = [step for step in steps if step.changes]
        for step in ahead.steps(changing, without=self._waiting):
            if self._halted():
                return
            if self._has_copy(step):
                if step.moid not in self._waiting:
                    yield change(step)
            elif step.moid not in self._copies.errors:
                job = self._copies.job(self._orders[step.moid])
                if job is not None:
                    yield job

    def _has_copy(self, step: Step) -> bool:
        """True if its copy is there, or if it needs none."""
        return step.moid not in self._orders or step.moid in self._copies.ready

    @cached_property
    def _orders(self) -> Mapping[str, Copying]:
        """The copies that steps need, by managed object id of the machine."""
        return {order.moid: order for order in self._copies.orders}

    def _first(self, step: Step) -> tuple[Change, ...]:
        """What the first reconfigure carries: all of it, while the server takes foretold keys."""
        predicted = None if self._safe else step.predicted
        if predicted is None:
            return step.split[0]
        self._predicted.add(step.moid)
        return predicted

    def _begin(self, steps: Sequence[Step], orders: Sequence[Copying] = ()) -> None:
        """Into the journal: copies that are there, copies and changes that come next."""
        intents = (step.intent for step in steps)
        self.journal.write(*self._copies.take_ended(), *orders, *intents)
        self._copies.note_begun(orders)
        self._begun.update((step.moid, step) for step in steps)

    def _halted(self) -> bool:
        return self.stop.is_set() or (self._over_budget() and not self._are_down)

    def _over_budget(self) -> bool:
        failed = self.failed + len(self._not_begun)
        return self.budget.exceeded(failed, self.total or len(self.steps))

    @property
    def _not_begun(self) -> Mapping[str, VmbootError]:
        """Why steps could not be begun, by managed object id."""
        return ChainMap(self._lost, self._copies.errors)

    def _first_ended(
        self, step: Step, error: VmbootError | None, ahead: Ahead | None = None
    ) -> None:
        if error is not None and step.moid in self._predicted and _is_refusal(error):
            self._safe = True
            self._refused.append(step)
            return
        order = step.split[1]
        if order is not None and error is None:
            self._deferred[step.moid] = order
        else:
            self._end(step, error)
        is_whole = order is None or step.moid in self._predicted
        if ahead is not None and error is None and is_whole:
            ahead.note_done(step)

    def _take_read(self, ahead: Ahead, *, wait: bool = False) -> None:
        """Judge what was read back meanwhile; templates and what is amiss have their turn later."""
        for steps, found in ahead.take_read(wait=wait):
            for step in steps:
                if step.moid in found and self._is_right(step, found[step.moid]):
                    if not step.to_template:
                        self._judge(step, found[step.moid])
                    if self._deferred.pop(step.moid, None) is not None:
                        self._end(step, None)

    def _judge(self, step: Step, now: Machine) -> None:
        """What became of a machine whose writes all ended well; others wait for the last read."""
        outcome = judge(step, now, None)
        self._judged[step.moid] = outcome
        self.failed += outcome.verdict is Done.FAILED

    def _is_right(self, step: Step, now: Machine) -> bool:
        """True if no second reconfigure is needed for the boot order."""
        order = self._deferred.get(step.moid)
        return order is None or self._rebased(step, now, order) is None

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
                    self._judge(step, found[step.moid])
                self._end(step, None)

    def _second_jobs(self, steps: Sequence[Step], found: Mapping[str, Machine]) -> Iterator[Job]:
        for step in steps:
            now = found.get(step.moid)
            if now is not None:
                rebased = self._rebased(step, now, self._deferred[step.moid])
                if rebased is not None:
                    yield job_of(Step(now, (rebased,), step.to_template), (rebased,))

    @staticmethod
    def _rebased(step: Step, now: Machine, order: SetBootOrder) -> SetBootOrder | None:
        changes = step.split[0]
        return rebase_boot_order(order, planned_on=step.machine, now=now, changes=changes)

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
        self._put_back.one(step, look_first=error is not None)
        self.sink(
            Event(
                "vm.failed" if error else "vm.done",
                error.message if error else "changed",
                step.machine.path,
                {"done": self._ended, "total": len(self.steps)},
            )
        )

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
            unknown=with_unknown_outcome(self._errors),
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
        known = self._begun.keys() | self._not_begun.keys()
        return self._over_budget() and any(step.moid not in known for step in self.steps)

    def _outcome(
        self, step: Step, found: Mapping[str, Machine], error: VmbootError | None
    ) -> MachineOutcome:
        if step.moid in self._not_begun:
            return failed(step, self._not_begun[step.moid])
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
