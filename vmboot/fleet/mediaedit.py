"""``vmboot media edit``: another boot server list for a whole fleet, in waves, as one rollout.

The document is changed first, so that an edit that ends in the middle is continued by an apply. Its
old text is in the journal before that. One look at the inventory plans all waves; media go to each
datastore once. Disks that machines gave back are deleted after the last wave.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmboot.clock import Deadline, poll
from vmboot.errors import DeadlineError, InputError
from vmboot.events import Event, Sink, ignore
from vmboot.fleet.apply import apply_plan
from vmboot.fleet.docedit import DocumentEdit, with_servers
from vmboot.fleet.journal import FILE, Journal, runs_dir, timestamp
from vmboot.fleet.lock import run_lock
from vmboot.fleet.newservers import new_servers
from vmboot.fleet.plan import Plan, PowerPolicy
from vmboot.fleet.planner import narrowed, plan_fleet
from vmboot.fleet.result import RunResult
from vmboot.fleet.rollout_id import new_rollout
from vmboot.fleet.runs import list_runs, load_run
from vmboot.fleet.spec import Fleet, parse_fleet
from vmboot.fleet.strays import Strays
from vmboot.fleet.waves import Amount, Budget, Wave, split

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session

_CANARY = "canary"
_INTERRUPTED = "interrupted"
_EVERY_S = 0.5


@dataclass(frozen=True)
class EditPlan:
    """What an edit would do.

    :param fleet: the document as it will be
    :param plan: of that document
    """

    edit: DocumentEdit
    fleet: Fleet
    plan: Plan
    waves: tuple[Wave, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "document": list(self.edit.diff),
            "plan": self.plan.to_json(),
            "waves": [{"name": wave.name, "paths": list(wave.paths)} for wave in self.waves],
        }


@dataclass(frozen=True)
class EditResult:
    """What an edit did.

    :param rollout: what ``vmboot undo`` takes all of it back by; ``""`` if no machine was changed
    :param waves: name and result of each wave that was begun
    :param stopped: why the others were not, ``""`` if all were
    :param not_begun: how many machines that are to change were not tried
    """

    rollout: str
    waves: tuple[tuple[str, RunResult], ...] = ()
    stopped: str = ""
    notes: tuple[str, ...] = ()
    not_begun: int = 0

    @property
    def failed(self) -> int:
        return sum(result.failed for _, result in self.waves)

    @property
    def interrupted(self) -> bool:
        return self.stopped == _INTERRUPTED or any(result.interrupted for _, result in self.waves)

    @property
    def shut_down(self) -> tuple[str, ...]:
        """Paths of machines that were shut down for their change; they stay off."""
        return tuple(path for _, result in self.waves for path in result.shut_down)

    @property
    def counts(self) -> dict[str, int]:
        """Machines per verdict, over all waves."""
        counts: dict[str, int] = {}
        for _, result in self.waves:
            for verdict, number in result.counts.items():
                counts[verdict] = counts.get(verdict, 0) + number
        return counts

    def to_json(self) -> dict[str, Any]:
        return {
            "rollout": self.rollout,
            "counts": self.counts,
            "stopped": self.stopped,
            "not_begun": self.not_begun,
            "shut_down": list(self.shut_down),
            "notes": list(self.notes),
            "waves": [{"name": name, **result.to_json()} for name, result in self.waves],
        }


def plan_edit(
    file: str | Path,
    session: Session,
    servers: Sequence[str],
    *,
    limit: Sequence[str] = (),
    power: PowerPolicy = "leave",
    loader_dirs: Sequence[str | Path] = (),
    state: Path | None = None,
    sink: Sink = ignore,
) -> EditPlan:
    """What it takes to give the fleet of ``file`` another server list; changes nothing.

    :param servers: ``ADDRESS`` or ``NAME=ADDRESS``, in failover order
    :raises InputError: the document or the list cannot be used, or no media of it carry one
    """
    try:
        text = Path(file).read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}") from None
    edit = with_servers(text, new_servers(servers), file=str(file))
    fleet = parse_fleet(edit.after, file=file)
    if not fleet.builds:
        raise InputError(
            "no machine of this fleet boots from media with a server list of vmboot's",
            place=fleet.place("targets"),
            hint="method pxe has none; an image of the site's own is changed with 'vmboot media "
            "import'",
        )
    plan = plan_fleet(
        fleet, session, limit=limit, power=power, loader_dirs=loader_dirs, state=state, sink=sink
    )
    return EditPlan(edit, fleet, plan, split(plan, fleet.rollout))


def apply_edit(
    planned: EditPlan,
    session: Session,
    *,
    power: PowerPolicy = "leave",
    hard_power_off: bool = False,
    window: int = 32,
    loader_dirs: Sequence[str | Path] = (),
    stop: threading.Event | None = None,
    state: Path | None = None,
    sink: Sink = ignore,
) -> EditResult:
    """Change the document and, wave by wave, the machines. Parameters as for an apply.

    A canary that fails ends it, and so does the failure budget of the document, which is of all
    machines. Machines that run are pending without ``power="off"``: a later apply changes them.

    :raises RefusedError: the document was changed by somebody since it was planned
    """
    options = {
        "power": power,
        "hard_power_off": hard_power_off,
        "window": window,
        "loader_dirs": loader_dirs,
    }
    stop = stop or threading.Event()
    rollout = _begun_before(planned, session, state) or new_rollout()
    work = _Edit(planned, session, options, stop, state, sink, rollout)
    return work.run()


def _begun_before(planned: EditPlan, session: Session, state: Path | None) -> str:
    """The rollout that changed the document to this, if nothing else came after it; else ``""``.

    To go on with it under its own id makes both parts one thing to undo.
    """
    file, record = str(planned.fleet.file), planned.edit.record
    runs = [r for r in list_runs(state=state) if (r.fleet, r.vcenter) == (file, session.host)]
    last = runs[0] if runs else None
    if planned.edit.diff or last is None or last.verb != "apply" or last.undone_by:
        return ""
    parts = (
        load_run(r.id, state=state) for r in runs if last.rollout and r.rollout == last.rollout
    )
    edits = (part.edited.after_sha256 for part in parts if part.edited is not None)
    return last.rollout if record.after_sha256 in edits else ""


@dataclass
class _Edit:
    planned: EditPlan
    session: Session
    options: dict[str, Any]
    stop: threading.Event
    state: Path | None
    sink: Sink
    rollout: str
    strays: Strays = field(default_factory=Strays)
    results: list[tuple[str, RunResult]] = field(default_factory=list)

    def run(self) -> EditResult:
        why = ""
        plan = self.planned.plan
        for number, wave in enumerate(self.planned.waves):
            if number and (why := self._why_stop()):
                break
            first = not any(result.run_id for _, result in self.results)
            self.sink(Event("wave.begin", wave.name, wave.name, {"machines": len(wave.paths)}))
            self.results.append((wave.name, self._apply(plan, wave, first=first)))
            plan = _sent(plan)
        self.planned.edit.write()  # where no machine had to be changed now
        notes = self._clear()
        runs = [result.run_id for _, result in self.results if result.run_id]
        return EditResult(
            self.rollout if runs else "", tuple(self.results), why, notes, self._not_begun()
        )

    def _not_begun(self) -> int:
        waiting = self.planned.waves[len(self.results) :]
        return sum(len(wave.paths) for wave in waiting) + sum(r.skipped for _, r in self.results)

    def _apply(self, plan: Plan, wave: Wave, *, first: bool) -> RunResult:
        return apply_plan(
            narrowed(plan, wave.paths),
            self.planned.fleet,
            self.session,
            max_failures=self._budget(),
            rollout=self.rollout,
            wave=wave.name,
            edit=self.planned.edit if first and self.planned.edit.diff else None,
            strays=self.strays,
            stop=self.stop,
            state=self.state,
            sink=self.sink,
            **self.options,
        )

    def _total(self) -> int:
        return len(self.planned.plan.machines)

    def _budget(self) -> Budget:
        """What is left of the document's."""
        allowed = Amount.parse(self.planned.fleet.rollout.max_failures).of(self._total())
        return Budget(Amount(max(0, allowed - self._failed())))

    def _failed(self) -> int:
        return sum(result.failed for _, result in self.results)

    def _why_stop(self) -> str:
        """Why no further wave is begun; waits as long as the document wants between two."""
        name, result = self.results[-1]
        if result.interrupted:
            return _INTERRUPTED
        if result.failed and name == _CANARY:
            return "the canary failed"
        if result.stopped or Budget.parse(self.planned.fleet.rollout.max_failures).exceeded(
            self._failed(), self._total()
        ):
            return "more machines failed than rollout.max_failures allows"
        self._pause(self.planned.fleet.rollout.pause)
        return _INTERRUPTED if self.stop.is_set() else ""

    def _pause(self, seconds: float) -> None:
        if seconds:
            try:
                self.sink(Event("wave.pause", f"{seconds:g} s until the next wave"))
                poll(
                    lambda: self.stop.is_set() or None,
                    deadline=Deadline.after(seconds),
                    every=_EVERY_S,
                    what="the next wave",
                )
            except DeadlineError:
                return
            except KeyboardInterrupt:  # nothing is in flight; what was done is told
                self.stop.set()

    def _clear(self) -> tuple[str, ...]:
        """Delete what all waves left, noted in the journal of the last of them.

        That journal gets its end once more: what was deleted is known to be only then.
        """
        runs = [result.run_id for _, result in self.results if result.run_id]
        if not (self.strays and runs):
            return ()
        fleet = str(self.planned.fleet.file)
        with (
            run_lock(self.session.about.uuid, fleet, state=self.state),
            Journal(runs_dir(self.state) / runs[-1] / FILE) as journal,
        ):
            notes = self.strays.clear(self.session, journal, sink=self.sink).notes
            ended = load_run(runs[-1], state=self.state).ended
            if ended is not None:
                journal.write(replace(ended, ended=timestamp()))
        return notes


def _sent(plan: Plan) -> Plan:
    """Media that one wave sent are looked for by the next, and sent only if they are not there."""
    return replace(
        plan, uploads=tuple(replace(one, present=True) for one in plan.uploads), unfinished=()
    )


def waves_in_words(planned: EditPlan) -> Iterator[str]:
    """``"canary: 1 machine"`` and so on."""
    for wave in planned.waves:
        machines = "1 machine" if len(wave.paths) == 1 else f"{len(wave.paths)} machines"
        yield f"{wave.name}: {machines}"
