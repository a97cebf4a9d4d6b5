"""``vmboot undo``: every machine of a run back to what its journal recorded.

BDM disks that the run had taken away are made again from their masters first; copies that it had
made are deleted last, when no machine holds them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmboot.errors import InputError, VmbootError
from vmboot.events import Event, Sink, ignore
from vmboot.fleet.chain import Chain, load_chain
from vmboot.fleet.copies import Copies
from vmboot.fleet.docundo import DocumentUndo, plan_documents, restore_documents
from vmboot.fleet.enrol import left_certificates, put_certificates, remove_certificates
from vmboot.fleet.execute import Executed, Execution
from vmboot.fleet.inflight import await_quiet, unsettled
from vmboot.fleet.journal import (
    Certifying,
    Closed,
    Ended,
    Journal,
    Removing,
    Undone,
    append,
    begin,
    timestamp,
)
from vmboot.fleet.judge import skipped
from vmboot.fleet.listen import guarded
from vmboot.fleet.lock import run_lock
from vmboot.fleet.observe import read_present
from vmboot.fleet.plan import PowerPolicy, Verdict
from vmboot.fleet.prepare import DEAF, power_off, refreshed
from vmboot.fleet.remake import failed_remake, remakes
from vmboot.fleet.resolve import one_or_pattern
from vmboot.fleet.result import Done, MachineOutcome, RunResult
from vmboot.fleet.shield import shielded
from vmboot.fleet.steps import Step
from vmboot.fleet.strays import Strays, as_stray, detached, is_out_of_sight
from vmboot.fleet.wayback import MachineUndo, way_back
from vmboot.vsphere.disks import disk_exists, relative
from vmboot.vsphere.faults import with_unknown_outcome
from vmboot.vsphere.holders import Holders, file_name
from vmboot.vsphere.inventory import Entry, Index
from vmboot.vsphere.jobs import Outcome
from vmboot.vsphere.machine import Machine
from vmboot.vsphere.ourdisks import our_name
from vmboot.vsphere.placement import choice_of
from vmboot.vsphere.power import GUEST_DEADLINE_S, power_on, without_tools
from vmboot.vsphere.securedb import certificate_in
from vmboot.vsphere.storage import read_storage

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session

_OUTCOMES = {
    Verdict.OK: Done.OK,
    Verdict.PENDING: Done.PENDING,
    Verdict.REFUSED: Done.FAILED,
}


@dataclass(frozen=True)
class UndoPlan:
    """What an undo would do.

    :param runs: the runs it takes back, the oldest first: one, and those that resumed it
    :param left: BDM disks of theirs that their machines do not hold any more: they are deleted
    :param certificates: files with a certificate that they put into machines' folders: deleted
    :param documents: what becomes of a fleet document that they began with a change of
    """

    run_id: str
    runs: tuple[str, ...]
    fleet: str
    vcenter: str
    machines: tuple[MachineUndo, ...]
    left: tuple[str, ...] = ()
    certificates: tuple[Certifying, ...] = ()
    documents: tuple[DocumentUndo, ...] = ()

    @property
    def has_changes(self) -> bool:
        changes = any(machine.verdict is Verdict.CHANGE for machine in self.machines)
        files = bool(self.left or self.certificates)
        return changes or files or any(one.edit for one in self.documents)

    def to_json(self) -> dict[str, Any]:
        return {
            "run_id": self.run_id,
            "runs": list(self.runs),
            "fleet": self.fleet,
            "vcenter": self.vcenter,
            "machines": [machine.to_json() for machine in self.machines],
            "left": list(self.left),
            "certificates": [one.path for one in self.certificates],
            "documents": [one.to_json() for one in self.documents],
        }


def plan_undo(
    run_id: str,
    session: Session,
    *,
    limit: Sequence[str] = (),
    force: bool = False,
    power: PowerPolicy = "leave",
    state: Path | None = None,
) -> UndoPlan:
    """How the machines of a run get back to what they were before it.

    :param limit: only machines that one of these patterns matches
    :param force: also machines that somebody changed since; only our own part goes back
    :param power: ``off`` plans as if machines could be shut down where that is needed
    :raises NotFoundError: no such run, or ``limit`` matches none of its machines
    :raises InputError: it was a run on another vCenter
    """
    chain = load_chain(run_id, state=state)
    _check_vcenter(chain, session)
    certificates = chain.certificates().values()
    made = [*(copy.moid for copy in chain.copies()), *(one.moid for one in certificates)]
    concerned = tuple(dict.fromkeys((*chain.moids, *made)))
    with_db = {moid for moid in chain.moids if chain.before(moid).secure_db is not None}
    with_db |= {one.moid for one in certificates}
    found = read_present(session, concerned, secure_db=with_db)
    unknown = unsettled((*chain.runs, *chain.undos)) & found.keys()
    if unknown:
        await_quiet(session, unknown)
        found = read_present(session, concerned, secure_db=with_db)
    moids = _limited(chain, found, limit)
    machines = tuple(
        way_back(
            chain.before(moid),
            chain.intents(moid),
            found.get(moid),
            undo_intents=chain.undo_intents(moid),
            force=force,
            was_shut_down=chain.shut_down(moid),
            power=power,
        )
        for moid in moids
    )
    machines = _warned(session, machines)
    going = [each for each in machines if each.verdict in (Verdict.CHANGE, Verdict.OK)]
    back = {each.before.moid: each.before for each in going}
    if not limit:
        back |= {moid: machine for moid, machine in found.items() if moid not in chain.moids}
    first = chain.runs[0].started
    return UndoPlan(
        run_id=run_id,
        runs=tuple(run.id for run in chain.runs),
        fleet=first.fleet,
        vcenter=first.vcenter,
        machines=machines,
        left=_left(session, chain, found, moids if limit else None),
        certificates=left_certificates(session, certificates, back),
        documents=plan_documents(chain.edits, whole=len(going) == len(chain.moids)),
    )


def _warned(session: Session, machines: Sequence[MachineUndo]) -> tuple[MachineUndo, ...]:
    """With a warning where a machine that is to go down cannot be asked to."""
    going = [each.before.moid for each in machines if each.down]
    deaf = without_tools(session, going) if going else frozenset()
    return tuple(
        replace(each, problems=(DEAF,)) if each.before.moid in deaf else each for each in machines
    )


def _left(
    session: Session, chain: Chain, found: Mapping[str, Machine], moids: Collection[str] | None
) -> tuple[str, ...]:
    """Copies of these runs that their machines do not hold, where they are there still.

    Not those of machines that are out of sight.
    """
    free = [copy for copy in chain.copies(moids) if not _holds(found.get(copy.moid), copy.path)]
    if not free:
        return ()
    storage, seen = read_storage(session), Holders(seen=frozenset(found))
    stores = {store.moid: choice_of(store) for store in storage.datastores}
    return tuple(
        copy.path
        for copy in free
        if copy.datastore in stores
        and disk_exists(session, datastore=stores[copy.datastore], path=relative(copy.path))
        and not is_out_of_sight(session, storage, copy, seen)
    )


def _holds(machine: Machine | None, path: str) -> bool:
    devices = machine.hardware.devices if machine else ()
    return any(our_name(device.file) == file_name(path) for device in devices)


def _check_vcenter(chain: Chain, session: Session) -> None:
    started = chain.runs[0].started
    if started.vcenter_uuid != session.about.uuid:
        raise InputError(
            f"run {started.id} was on {started.vcenter}, this is another vCenter: {session.host}",
            hint=f"connect to {started.vcenter}",
        )


def _limited(chain: Chain, found: Mapping[str, Machine], limit: Sequence[str]) -> tuple[str, ...]:
    if not limit:
        return chain.moids
    machines = [found.get(moid, chain.before(moid)) for moid in chain.moids]
    index = Index(tuple(_entry(machine) for machine in machines))
    wanted = {e.moid for pattern in limit for e in one_or_pattern(index, pattern)}
    return tuple(moid for moid in chain.moids if moid in wanted)


def _entry(machine: Machine) -> Entry:
    return Entry(
        moid=machine.moid,
        name=machine.name,
        path=machine.path,
        uuid=machine.uuid,
        is_template=machine.is_template,
        power=machine.power,
        firmware=machine.firmware,
    )


def undo_run(
    run_id: str,
    session: Session,
    *,
    limit: Sequence[str] = (),
    force: bool = False,
    power: PowerPolicy = "leave",
    hard_power_off: bool = False,
    guest_deadline_s: float = GUEST_DEADLINE_S,
    window: int = 32,
    stop: threading.Event | None = None,
    state: Path | None = None,
    sink: Sink = ignore,
) -> RunResult:
    """Take a run back. ISOs and masters stay; ``sweep`` removes them when nothing needs them.

    An undo is a run of its own and can be undone. Ctrl-C, or setting ``stop``, begins nothing new;
    the result says ``interrupted``.

    :param power: ``off`` shuts machines down where that is needed; they are powered on again
    :param hard_power_off: cut the power of guests that did not shut down in time
    :param guest_deadline_s: how long guests may take to shut down, all together
    :raises LockedError: another run is at work on the same fleet
    :raises NotFoundError: no such run, or ``limit`` matches none of its machines
    :raises InputError: it was a run on another vCenter
    """
    stop = stop or threading.Event()
    chain = load_chain(run_id, state=state)
    _check_vcenter(chain, session)
    down = _Down(power, hard_power_off, guest_deadline_s)
    work = _Undo(run_id, session, chain, limit, force, down, window, stop, state, guarded(sink))
    return shielded(work.run, stop=stop)


@dataclass(frozen=True)
class _Down:
    """Whether and how machines are shut down."""

    power: PowerPolicy
    hard: bool
    deadline_s: float


@dataclass
class _Undo:
    run_id: str
    session: Session
    chain: Chain
    limit: Sequence[str]
    force: bool
    down: _Down
    window: int
    stop: threading.Event
    state: Path | None
    sink: Sink
    _began: float = field(default_factory=time.monotonic)
    _strays: Strays = field(default_factory=Strays)
    _remade: set[str] = field(default_factory=set)
    _unknown: frozenset[str] = frozenset()
    _notes: tuple[str, ...] = ()
    _down_for: dict[str, Step] = field(default_factory=dict)
    _off: dict[str, str] = field(default_factory=dict)

    def run(self) -> RunResult:
        """The locks are held in here, so that an abandoned undo keeps them while it lives."""
        with ExitStack() as locks:
            for fleet in sorted({run.started.fleet for run in self.chain.runs}):
                locks.enter_context(run_lock(self.session.about.uuid, fleet, state=self.state))
            return self._run()

    def _run(self) -> RunResult:
        plan = plan_undo(
            self.run_id,
            self.session,
            limit=self.limit,
            force=self.force,
            power=self.down.power,
            state=self.state,
        )
        outcomes = [_outcome(machine) for machine in plan.machines]
        if not plan.has_changes:
            self._close_all(plan, "", outcomes)
            self._notes = tuple(one.words for one in plan.documents if one.words)
            return self._result("", outcomes)
        with self._begin() as journal:
            failed, executed = self._execute(journal, plan)
            outcomes += (*failed, *self._powered_on(plan, executed))
            self._clear(journal, plan)
            self._remove_certificates(journal, plan, outcomes)
            self._notes += restore_documents(
                plan.documents, journal, whole=self._is_whole(plan, outcomes)
            )
            result = self._result(journal.run_id, [o for o in outcomes if o is not None])
            if not executed.unread:
                journal.write(Ended(timestamp(), result.counts, self.stop.is_set(), executed.open))
        if not executed.open and not executed.unread:
            self._close_all(plan, journal.run_id, result.outcomes)
        return result

    def _begin(self) -> Journal:
        first = self.chain.runs[0].started
        return begin(
            verb="undo",
            fleet=first.fleet,
            fleet_sha256=first.fleet_sha256,
            vcenter=self.session.host,
            vcenter_uuid=self.session.about.uuid,
            user=self.session.user,
            undoes=tuple(run.id for run in self.chain.runs),
            state=self.state,
        )

    def _execute(self, journal: Journal, plan: UndoPlan) -> tuple[list[MachineOutcome], Executed]:
        """Outcomes of machines whose BDM disk could not be made again, and of the others."""
        steps = [m.step for m in plan.machines if m.verdict is Verdict.CHANGE]
        self.sink(Event("run.begin", "undo", journal.run_id, {"total": len(steps)}))
        orders = remakes(self.session, steps, self.chain, state=self.state)
        made = Copies(
            session=self.session,
            journal=journal,
            orders=() if self.stop.is_set() else orders,
            window=self.window,
            dead=tuple(run.id for run in (*self.chain.runs, *self.chain.undos)),
            stop=self.stop,
            state=self.state,
            sink=self.sink,
        ).run()
        ordered = {order.moid for order in orders}
        failed = [failed_remake(s, made.errors[s.moid]) for s in steps if s.moid in made.errors]
        steps, without = self._certified(journal, steps)
        failed += without
        ready = [s for s in steps if s.moid not in ordered or s.moid in made.ready]
        gone = [s for s in steps if s not in ready and s.moid not in made.errors]
        failed += [skipped(step, interrupted=True) for step in gone]
        execution = Execution(
            session=self.session,
            journal=journal,
            steps=ready,
            held=frozenset(m.before.moid for m in plan.machines if m.down),
            release=lambda held: self._power_off(journal, held),
            window=self.window,
            stop=self.stop,
            sink=self.sink,
        )
        self._strays.made += [as_stray(copy) for copy in made.begun]
        self._strays.doubtful |= made.doubtful
        self._remade |= {copy.path for copy in made.begun}
        executed = execution.run()
        self._unknown = executed.unknown | with_unknown_outcome(made.errors)
        done = {outcome.moid for outcome in executed.outcomes if outcome.verdict is Done.DONE}
        self._strays.dropped += self._moved(step for step in ready if step.moid in done)
        return failed, executed

    def _moved(self, steps: Iterable[Step]) -> Iterator[Removing]:
        """Copies of these runs that their machines gave back where storage vMotion put them."""
        made = {(copy.moid, file_name(copy.path)): copy for copy in self.chain.copies()}
        for gone in detached((step.machine, step.changes) for step in steps):
            copy = made.get((gone.moid, file_name(gone.path)))
            if copy is not None and gone.path != copy.path:
                yield replace(copy, path=gone.path, datastore=gone.datastore)

    def _power_off(
        self, journal: Journal, steps: Sequence[Step]
    ) -> tuple[Sequence[Step], Mapping[str, VmbootError]]:
        """The steps of machines that are off now, and why others cannot be made."""
        errors, off = power_off(
            self.session,
            journal,
            [step.machine for step in steps],
            hard=self.down.hard,
            deadline_s=self.down.deadline_s,
            stop=self.stop,
            sink=self.sink,
        )
        self._down_for = {step.moid: step for step in steps if step.machine.path in off}
        self._off = {moid: step.machine.path for moid, step in self._down_for.items()}
        alive = [step for step in steps if step.moid not in errors]
        ready, changed = refreshed(self.session, alive, {step.moid for step in alive})
        return ready, {**errors, **changed}

    def _certified(
        self, journal: Journal, steps: list[Step]
    ) -> tuple[list[Step], list[MachineOutcome]]:
        """Those steps whose certificate is there, made again from the journals where it is not."""
        ders = self.chain.ders()
        again = [step for step in steps if certificate_in(step.changes) in ders]
        errors = put_certificates(
            self.session,
            journal,
            () if self.stop.is_set() else again,
            lambda: ders,
            dead=(*self.chain.runs, *self.chain.undos),
            sink=self.sink,
        )
        failed = [failed_remake(s, errors[s.moid]) for s in steps if s.moid in errors]
        return [step for step in steps if step.moid not in errors], failed

    def _remove_certificates(
        self, journal: Journal, plan: UndoPlan, outcomes: Sequence[MachineOutcome | None]
    ) -> None:
        """Delete the files of machines that are back, or were not begun: nothing names them."""
        good = {o.moid for o in outcomes if o is not None and o.verdict in (Done.DONE, Done.OK)}
        kept = set(self.chain.moids) - good
        free = [one for one in plan.certificates if one.moid not in kept]
        self._notes += remove_certificates(self.session, journal, free, sink=self.sink)

    def _clear(self, journal: Journal, plan: UndoPlan) -> None:
        """Delete copies of these runs that nobody holds any more.

        One stays where a write may still attach or make it.
        """
        moids = {machine.before.moid for machine in plan.machines} if self.limit else None
        for run in (*self.chain.runs, *self.chain.undos):
            self._strays.add_run(run)
        mine = {copy.path for copy in self.chain.copies(moids)} | self._remade
        self._strays.made = [
            stray
            for stray in self._strays.made
            if stray.path in mine and stray.moid not in self._unknown
        ]
        if self._strays:
            self._notes = self._strays.clear(self.session, journal, sink=self.sink).notes

    def _powered_on(self, plan: UndoPlan, executed: Executed) -> Iterator[MachineOutcome]:
        """The same outcomes after machines that were shut down for the run are on again.

        So are those that were shut down for the undo itself and that it failed to change.
        """
        outcomes = executed.outcomes
        wanted = {m.before.moid for m in plan.machines if m.power_on}
        ready = [o.moid for o in outcomes if o.moid in wanted and o.verdict is Done.DONE]
        ready += self._unchanged(executed)
        ended = power_on(self.session, ready, stop=self.stop, sink=self.sink) if ready else ()
        failed = {outcome.subject: outcome for outcome in ended if outcome.error is not None}
        for moid in set(ready) - failed.keys():
            self._off.pop(moid, None)
        for outcome in outcomes:
            yield _not_on(outcome, failed[outcome.moid]) if outcome.moid in failed else outcome

    def _unchanged(self, executed: Executed) -> Iterator[str]:
        """Machines that were shut down for a change of which certainly nothing happened."""
        failed = {o.moid for o in executed.outcomes if o.verdict is Done.FAILED}
        down = self._down_for.keys() & failed - executed.unknown
        try:
            with_db = [moid for moid in down if self._down_for[moid].has_secure_db]
            found = read_present(self.session, sorted(down), secure_db=with_db)
        except VmbootError:  # they stay off, which the result tells
            return
        yield from (moid for moid, now in found.items() if self._down_for[moid].untouched(now))

    def _close_all(
        self, plan: UndoPlan, by: str, outcomes: Sequence[MachineOutcome | None]
    ) -> None:
        """Note in the journals taken back that they are, and that nothing is left open in them."""
        good = self._is_whole(plan, outcomes)
        if len(plan.machines) != len(self.chain.moids) or self.stop.is_set():
            return
        for run in self.chain.runs:
            if good:
                append(run.id, Undone(by or self.run_id, complete=True), state=self.state)
        for run in (*self.chain.runs, *self.chain.undos):
            if not run.finished:
                append(run.id, Closed(by or self.run_id), state=self.state)

    def _is_whole(self, plan: UndoPlan, outcomes: Sequence[MachineOutcome | None]) -> bool:
        """True if all machines of these runs are as before them."""
        good = all(o is None or o.verdict in (Done.DONE, Done.OK) for o in outcomes)
        return good and len(plan.machines) == len(self.chain.moids) and not self.stop.is_set()

    def _result(self, run_id: str, outcomes: Sequence[MachineOutcome | None]) -> RunResult:
        return RunResult(
            run_id=run_id,
            outcomes=tuple(outcome for outcome in outcomes if outcome is not None),
            interrupted=self.stop.is_set(),
            seconds=time.monotonic() - self._began,
            shut_down=tuple(self._off.values()),
            notes=self._notes,
        )


def _outcome(machine: MachineUndo) -> MachineOutcome | None:
    """What is known before anything is done; ``None`` for what will be done."""
    if machine.verdict is Verdict.CHANGE:
        return None
    problem = machine.problems[0] if machine.problems else None
    return MachineOutcome(
        machine.machine.path,
        machine.before.moid,
        _OUTCOMES[machine.verdict],
        problem.message if problem else "",
        problem.hint if problem else None,
    )


def _not_on(outcome: MachineOutcome, power: Outcome) -> MachineOutcome:
    if outcome.verdict is Done.FAILED:
        why = power.error.message if power.error else ""
        text = f"{outcome.error}; it is as it was, but does not power on again: {why}"
        return replace(outcome, error=text)
    if not power.started:
        text = "restored, but not powered on: the run was interrupted"
        return replace(outcome, verdict=Done.SKIPPED, error=text, hint="undo again to continue")
    message, hint = (power.error.message, power.error.hint) if power.error else ("", None)
    text = f"restored, but it does not power on: {message}"
    return replace(outcome, verdict=Done.FAILED, error=text, hint=hint)
