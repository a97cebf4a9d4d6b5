"""Apply: do what a plan says and nothing else, so that every step can be told, undone or resumed.

Order: lock, journal, repair what an unfinished run left, boot ISO and masters of BDM disks; then
each machine or template as soon as its own copy is there, and at last those that must be shut down
for it; read-back, copies that nobody holds any more. Each write is in the journal on disk before it
is sent.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from vmboot.errors import VmbootError
from vmboot.events import Event, Sink, ignore
from vmboot.fleet.copies import Copies, Made
from vmboot.fleet.docedit import DocumentEdit
from vmboot.fleet.enrol import ders_of, put_certificates
from vmboot.fleet.execute import Executed, Execution
from vmboot.fleet.homes import needs_copy
from vmboot.fleet.journal import Closed, Copying, Ended, Journal, append, begin, timestamp
from vmboot.fleet.listen import guarded
from vmboot.fleet.lock import run_lock
from vmboot.fleet.media import FleetMedia
from vmboot.fleet.plan import MachinePlan, Plan, PowerPolicy, Upload, Verdict
from vmboot.fleet.planner import narrowed
from vmboot.fleet.prepare import power_off, refreshed
from vmboot.fleet.repair import repair_steps, were_templates
from vmboot.fleet.result import Done, MachineOutcome, RunResult
from vmboot.fleet.runs import Run
from vmboot.fleet.shield import shielded
from vmboot.fleet.steps import Step
from vmboot.fleet.strays import Strays, as_stray, detached
from vmboot.fleet.unfinished import claimed
from vmboot.fleet.uploads import remove_leftovers, send_media
from vmboot.fleet.waves import Budget
from vmboot.model import BootMethod
from vmboot.vsphere.faults import with_unknown_outcome
from vmboot.vsphere.holders import file_name
from vmboot.vsphere.power import GUEST_DEADLINE_S

if TYPE_CHECKING:
    from vmboot.fleet.spec import Fleet
    from vmboot.vsphere.session import Session

__all__ = ["RunResult", "apply_plan"]

_LATER = "the rest waits for its next power off"


@dataclass(frozen=True)
class Options:
    """How to apply.

    :param guest_deadline_s: how long guests may take to shut down, all together
    :param rollout: id of the rollout this is a part of, and ``wave`` its name there; for journals
    :param edit: a change of the fleet document that this run begins with
    :param strays: takes copies that may be left; whoever gave it clears them away later
    """

    power: PowerPolicy = "leave"
    hard_power_off: bool = False
    guest_deadline_s: float = GUEST_DEADLINE_S
    window: int = 32
    loader_dirs: Sequence[str | Path] = ()
    rollout: str = ""
    wave: str = ""
    state: Path | None = None
    edit: DocumentEdit | None = None
    strays: Strays | None = None


def apply_plan(
    plan: Plan,
    fleet: Fleet,
    session: Session,
    *,
    power: PowerPolicy = "leave",
    hard_power_off: bool = False,
    guest_deadline_s: float = GUEST_DEADLINE_S,
    window: int = 32,
    only: Iterable[str] | None = None,
    max_failures: Budget | str | int | None = None,
    loader_dirs: Sequence[str | Path] = (),
    rollout: str = "",
    wave: str = "",
    edit: DocumentEdit | None = None,
    strays: Strays | None = None,
    stop: threading.Event | None = None,
    state: Path | None = None,
    sink: Sink = ignore,
) -> RunResult:
    """Carry out ``plan``; failures are collected per machine, not raised.

    Ctrl-C, or setting ``stop``, begins nothing new, lets what is in flight end, puts templates back
    and returns a result that says ``interrupted``; a second Ctrl-C is raised at once.

    :param power: ``off`` shuts machines down where a change needs it
    :param hard_power_off: cut the power of guests that did not shut down in time
    :param only: inventory paths; nothing else of the plan is touched. ``None`` means all
    :param max_failures: the fleet document's where ``None``
    :param edit: how the fleet document is changed when the run begins
    :param strays: see :class:`Options`
    :raises LockedError: another run is at work on the same fleet
    :raises RefusedError: the journal cannot be written; templates were put back, nothing else sent
    :raises InputError: ``max_failures`` is no budget
    """
    stop = stop or threading.Event()
    given = fleet.rollout.max_failures if max_failures is None else max_failures
    work = _Apply(
        plan=narrowed(plan, only),
        fleet=fleet,
        session=session,
        options=Options(
            power=power,
            hard_power_off=hard_power_off,
            guest_deadline_s=guest_deadline_s,
            window=window,
            loader_dirs=loader_dirs,
            rollout=rollout,
            wave=wave,
            state=state,
            edit=edit,
            strays=strays,
        ),
        budget=given if isinstance(given, Budget) else Budget.parse(given),
        stop=stop,
        sink=guarded(sink),
    )
    return shielded(work.run, stop=stop)


@dataclass
class _Apply:
    plan: Plan
    fleet: Fleet
    session: Session
    options: Options
    budget: Budget
    stop: threading.Event
    sink: Sink
    _began: float = field(default_factory=time.monotonic)
    _shut_down: tuple[str, ...] = ()
    _strays: Strays = field(default_factory=Strays)
    _notes: tuple[str, ...] = ()

    def run(self) -> RunResult:
        settled = [outcome for m in self.plan.machines if (outcome := self._settled(m))]
        todo = [m for m in self.plan.machines if self._settled(m) is None]
        if not todo and not self.plan.unfinished and all(u.present for u in self.plan.uploads):
            return self._result("", settled)
        place = self.session.about.uuid, str(self.fleet.file)
        state = self.options.state
        with ExitStack() as locks:
            locks.enter_context(run_lock(*place, state=state))
            left = claimed(locks, *place, self.plan.unfinished, state=state)
            with self._begin(left) as journal:
                return self._run(journal, left, todo, settled)

    def _run(
        self,
        journal: Journal,
        left: Sequence[Run],
        todo: Sequence[MachinePlan],
        settled: Sequence[MachineOutcome],
    ) -> RunResult:
        if self.options.edit is not None:
            journal.write(self.options.edit.record)
            self.options.edit.write()
        facts = {"total": len(todo), "resumes": [run.id for run in left]}
        self.sink(Event("run.begin", "apply", journal.run_id, facts))
        repaired = self._repair(journal, left, todo)
        outcomes, executed = self._change(journal, left, todo)
        self._clear(journal, left)
        open_templates = (*repaired.open, *executed.open)
        result = self._result(
            journal.run_id, [*settled, *outcomes, *executed.outcomes], executed, left
        )
        if not (repaired.unread or executed.unread):
            journal.write(Ended(timestamp(), result.counts, result.interrupted, open_templates))
            if self._is_put_right(left, todo, repaired, executed):
                for run in left:
                    append(run.id, Closed(journal.run_id), state=self.options.state)
        return result

    def _is_put_right(
        self,
        left: Sequence[Run],
        todo: Sequence[MachinePlan],
        repaired: Executed,
        executed: Executed,
    ) -> bool:
        """True if no template that ``left`` speaks of is a VM that this run did not begin."""
        mine = {plan.machine.moid for plan in todo}
        return not repaired.open and not (were_templates(left).keys() & mine - executed.begun)

    # -- what is known from the plan alone ---------------------------------------------------------

    def _settled(self, plan: MachinePlan) -> MachineOutcome | None:
        """The outcome of a machine that this run does not touch; ``None`` if it does."""
        path, moid = plan.machine.path, plan.machine.moid
        if plan.verdict is Verdict.OK:
            return MachineOutcome(path, moid, Done.OK)
        if plan.verdict is Verdict.REFUSED:
            problem = next(p for p in plan.problems if not p.warning)
            return MachineOutcome(path, moid, Done.SKIPPED, problem.message, problem.hint)
        if plan.now or plan.make_template or self.options.power == "off":
            return None
        hint = "power it off and apply again, or apply with --power off"
        return MachineOutcome(path, moid, Done.PENDING, _LATER.replace("the rest", "it"), hint)

    def _step(self, plan: MachinePlan) -> Step:
        off = self.options.power == "off"
        return Step(
            machine=plan.machine,
            changes=(*plan.now, *plan.later) if off else plan.now,
            to_template=plan.machine.is_template or plan.make_template,
            rest="" if off or not plan.later else _LATER,
        )

    # -- doing it ----------------------------------------------------------------------------------

    def _begin(self, left: Sequence[Run]) -> Journal:
        return begin(
            verb="apply",
            fleet=str(self.fleet.file),
            fleet_sha256=self.fleet.sha256,
            vcenter=self.session.host,
            vcenter_uuid=self.session.about.uuid,
            user=self.session.user,
            # What an undo had begun is put right too, but it is no part of this piece of work.
            resumes=tuple(run.id for run in left if run.started.verb == "apply"),
            rollout=self.options.rollout,
            wave=self.options.wave,
            state=self.options.state,
        )

    def _repair(
        self, journal: Journal, left: Sequence[Run], todo: Sequence[MachinePlan]
    ) -> Executed:
        """What unfinished runs left and this one would not come across."""
        if not left:
            return Executed()
        remove_leftovers(self.session, left, sink=self.sink)
        mine = {plan.machine.moid for plan in todo}
        steps = repair_steps(self.session, left, others=mine)
        return Execution(self.session, journal, steps, sink=self.sink).run()

    def _change(
        self, journal: Journal, left: Sequence[Run], todo: Sequence[MachinePlan]
    ) -> tuple[list[MachineOutcome], Executed]:
        """Outcomes of machines that could not be begun, and of those that were."""
        errors = self._send(journal)
        lost = {m.machine.moid: errors[path] for m in todo if (path := self._medium(m)) in errors}
        lost |= self._certify(journal, left, (m for m in todo if m.machine.moid not in lost))
        ready = [plan for plan in todo if plan.machine.moid not in lost]
        steps, changed = refreshed(self.session, [self._step(plan) for plan in ready], ())
        lost |= changed
        outcomes = [_failed(plan, lost[m]) for plan in todo if (m := plan.machine.moid) in lost]
        copies = self._copies(journal, left, steps)
        execution = Execution(
            session=self.session,
            journal=journal,
            steps=steps,
            copies=copies,
            held=self._down(ready),
            release=lambda held: self._power_off(journal, held),
            window=self.options.window,
            budget=self.budget,
            stop=self.stop,
            sink=self.sink,
            total=len(self.plan.machines),
            failed=len(lost),
        )
        executed = execution.run()
        self._note_strays(copies.made, steps, executed)
        return outcomes, executed

    def _medium(self, plan: MachinePlan) -> str:
        """The upload that a machine needs; for a BDM disk, its master."""
        disk = needs_copy(plan)
        if disk is None:
            return plan.iso
        master = self._masters().get((disk.datastore, file_name(disk.file)))
        return master.path if master else ""

    def _masters(self) -> Mapping[tuple[str, str], Upload]:
        masters = (upload for upload in self.plan.uploads if upload.kind == "bdm")
        return {(one.moid, file_name(one.path)): one for one in masters}

    def _send(self, journal: Journal) -> Mapping[str, VmbootError]:
        media = FleetMedia(self.fleet, loader_dirs=self.options.loader_dirs)
        return send_media(
            self.session,
            journal,
            () if self.stop.is_set() else self.plan.uploads,
            find=lambda one: media.find(BootMethod(one.kind), one.sha256),
            way=self.fleet.media.bdm.way,
            sink=self.sink,
        )

    def _certify(
        self, journal: Journal, left: Sequence[Run], plans: Iterable[MachinePlan]
    ) -> Mapping[str, VmbootError]:
        """The site's certificate into the folders of those that are to trust it."""
        media = FleetMedia(self.fleet)
        steps = () if self.stop.is_set() else map(self._step, plans)
        return put_certificates(
            self.session, journal, steps, lambda: ders_of(media), dead=left, sink=self.sink
        )

    # -- copies of BDM disks -------------------------------------------------------------------

    def _copies(self, journal: Journal, left: Sequence[Run], steps: Sequence[Step]) -> Copies:
        """A copy for each of ``steps`` that attaches one."""
        return Copies(
            session=self.session,
            journal=journal,
            orders=() if self.stop.is_set() else tuple(self._orders(steps)),
            dead=tuple(run.id for run in left),
            stop=self.stop,
            state=self.options.state,
            sink=self.sink,
        )

    def _orders(self, steps: Iterable[Step]) -> Iterator[Copying]:
        masters = self._masters()
        for step in steps:
            for disk in step.added_disks:
                master = masters[disk.datastore, file_name(disk.file)]
                yield Copying(
                    moid=step.moid,
                    source=master.path,
                    path=disk.file,
                    datastore=disk.datastore,
                    size=master.size,
                    sha256=master.sha256,
                )

    def _note_strays(self, made: Made, steps: Sequence[Step], executed: Executed) -> None:
        """Copies whose machine did not get them, and disks that machines gave back.

        A copy stays where a write may still attach or make it: a sweep finds it if none does. So
        does one that was there already: another administrator's run may be about to attach it.
        """
        done = {o.moid for o in executed.outcomes if o.verdict is Done.DONE}
        strays = self._strays
        kept = done | executed.unknown | with_unknown_outcome(made.errors)
        mine = (copy for copy in made.begun if copy.path not in made.found)
        strays.made += [as_stray(copy) for copy in mine if copy.moid not in kept]
        strays.doubtful |= made.doubtful
        changed = [(step.machine, step.changes) for step in steps if step.moid in done]
        strays.dropped += detached(changed, self.fleet.media.bdm.folder)

    def _clear(self, journal: Journal, left: Sequence[Run]) -> None:
        """Delete what nobody holds; what dead runs had begun is looked at too."""
        for run in left:
            intents = [intent for found in run.intents.values() for intent in found]
            changed = [(intent.before, intent.changes) for intent in intents]
            self._strays.add_run(run)
            self._strays.made += run.removed.values()
            self._strays.dropped += detached(changed, self.fleet.media.bdm.folder)
        if self.options.strays is not None:
            self.options.strays.made += self._strays.made
            self.options.strays.dropped += self._strays.dropped
            self.options.strays.doubtful |= self._strays.doubtful
        elif self._strays:
            self._notes = self._strays.clear(self.session, journal, sink=self.sink).notes

    def _down(self, plans: Sequence[MachinePlan]) -> frozenset[str]:
        """Machines that must be off before their change."""
        if self.options.power == "leave":
            return frozenset()
        return frozenset(plan.machine.moid for plan in plans if plan.later)

    def _power_off(
        self, journal: Journal, steps: Sequence[Step]
    ) -> tuple[Sequence[Step], Mapping[str, VmbootError]]:
        """The steps of machines that are off now, and why others cannot be made.

        Not before there is a copy for each of them: no machine goes down for nothing.
        """
        errors, self._shut_down = power_off(
            self.session,
            journal,
            [step.machine for step in steps],
            hard=self.options.hard_power_off,
            deadline_s=self.options.guest_deadline_s,
            stop=self.stop,
            sink=self.sink,
        )
        alive = [step for step in steps if step.moid not in errors]
        ready, changed = refreshed(self.session, alive, {step.moid for step in alive})
        return ready, {**errors, **changed}

    def _result(
        self,
        run_id: str,
        outcomes: Sequence[MachineOutcome],
        executed: Executed | None = None,
        left: Sequence[Run] = (),
    ) -> RunResult:
        order = {plan.machine.moid: place for place, plan in enumerate(self.plan.machines)}
        return RunResult(
            run_id=run_id,
            outcomes=tuple(sorted(outcomes, key=lambda o: order.get(o.moid, -1))),
            interrupted=self.stop.is_set(),
            stopped=executed is not None and executed.stopped,
            resumed=tuple(run.id for run in left),
            seconds=time.monotonic() - self._began,
            shut_down=self._shut_down,
            notes=self._notes,
        )


def _failed(plan: MachinePlan, error: VmbootError) -> MachineOutcome:
    machine = plan.machine
    return MachineOutcome(machine.path, machine.moid, Done.FAILED, error.message, error.hint)
