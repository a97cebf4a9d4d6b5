"""Runs that are one piece of work: what an undo takes back."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from vmboot.fleet.journal import Certifying, Copying, Decertifying, Edited, Intent, Removing
from vmboot.fleet.runs import Run, list_runs, load_run
from vmboot.fleet.strays import as_stray
from vmboot.vsphere.dspath import file_name
from vmboot.vsphere.machine import Machine


@dataclass(frozen=True)
class Chain:
    """A run and those that resumed it, or that it resumed: one piece of work.

    :param runs: the first one first
    :param undos: runs that were to take them back, and may have ended in the middle
    """

    runs: tuple[Run, ...]
    undos: tuple[Run, ...] = ()

    def before(self, moid: str) -> Machine:
        """The machine as it was before the first of these runs."""
        mine = [run for run in self.runs if moid in run.intents or moid in run.powered]
        machine = mine[0].before(moid)
        if machine.secure_db is None:  # only runs that might change those settings read them
            known = (run.before(moid).secure_db for run in mine)
            machine = replace(machine, secure_db=next((db for db in known if db), None))
        return machine

    def intents(self, moid: str) -> tuple[Intent, ...]:
        """Everything these runs were about to do to the machine, the oldest first.

        For a machine that was shut down and never begun: nothing, to what it was.
        """
        found = tuple(intent for run in self.runs for intent in run.intents.get(moid, ()))
        return found or (Intent(self.before(moid), ()),)

    def undo_intents(self, moid: str) -> tuple[Intent, ...]:
        """What runs that took them back were about to do to the machine."""
        return tuple(intent for run in self.undos for intent in run.intents.get(moid, ()))

    def shut_down(self, moid: str) -> bool:
        """True if one of these runs, or of their undos, shut it down for its change."""
        return any(moid in run.shut_down for run in (*self.runs, *self.undos))

    def copies(self, moids: Collection[str] | None = None) -> tuple[Removing, ...]:
        """BDM disks that these runs, or their undos, made and that may be left.

        :param moids: only those made for these machines
        """
        made: dict[str, Copying] = {}
        for run in self.runs:
            made |= run.copies
        for run in self.undos:
            made |= run.copies
            made = {path: copy for path, copy in made.items() if path not in run.deleted}
        mine = (copy for copy in made.values() if moids is None or copy.moid in moids)
        return tuple(as_stray(copy) for copy in mine)

    def sources(self) -> Mapping[str, Copying | Removing]:
        """Where BDM disks can be made again from that these runs deleted or made, by path."""
        runs = (*self.undos, *self.runs)
        made: dict[str, Copying | Removing] = {}
        for run in runs:
            made |= run.copies
            made |= run.removed
        return made

    def certificates(self) -> Mapping[str, Certifying]:
        """Files with a certificate that these runs put into machines' folders, by path."""
        return {path: one for run in self.runs for path, one in run.certificates.items()}

    def ders(self) -> Mapping[str, bytes]:
        """The certificates of all files that these runs made or deleted, by file name."""
        records: list[Certifying | Decertifying] = []
        for run in (*self.undos, *self.runs):
            records += (*run.certificates.values(), *run.decertified.values())
        return {file_name(one.path): b64decode(one.der) for one in records}

    @property
    def edits(self) -> tuple[Edited, ...]:
        """How the fleet document was changed for them."""
        return tuple(run.edited for run in self.runs if run.edited is not None)

    @property
    def moids(self) -> tuple[str, ...]:
        """Machines in the order they were first changed or shut down."""
        return tuple(dict.fromkeys(moid for run in self.runs for moid in run.moids))


def load_chain(run_id: str, *, state: Path | None = None) -> Chain:
    """The run, what it resumed, and what resumed it; for a rollout, all of its runs.

    :param run_id: id of a run, or of a rollout
    :raises NotFoundError: there is no such run
    :raises InputError: the journal of one of them is damaged
    """
    summaries = list_runs(state=state)
    wanted = {s.id for s in summaries if run_id and s.rollout == run_id} or {run_id}
    while True:
        linked = {s.id for s in summaries if wanted & {s.id, *s.resumes}}
        linked |= {r for s in summaries if s.id in linked for r in s.resumes}
        if linked <= wanted:
            break
        wanted |= linked
    undos = {s.id for s in summaries if wanted & {*s.undoes}}
    return Chain(
        in_order(load_run(name, state=state) for name in wanted),
        in_order(load_run(name, state=state) for name in undos),
    )


def in_order(runs: Iterable[Run]) -> tuple[Run, ...]:
    """Each after those it resumes or undoes; only where nothing links them, by their ids.

    Ids tell the wall clock, which may have been set back in between.
    """
    left = sorted(runs, key=lambda run: run.id)
    ordered: list[Run] = []
    while left:
        waiting = {run.id for run in left}
        run = next((run for run in left if not waiting & _earlier(run)), left[0])
        left.remove(run)
        ordered.append(run)
    return tuple(ordered)


def _earlier(run: Run) -> set[str]:
    return {*run.started.resumes, *run.started.undoes}
