"""Which runs a word on the command line, or an argument of the API, means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vmboot.errors import NotFoundError
from vmboot.fleet.runs import RunSummary

#: Stands for the newest apply or rollout that is not undone.
LAST = "last"


@dataclass(frozen=True)
class Found:
    """What can be undone under one name.

    :param id: of a run or of a rollout
    :param runs: that run, or all runs of the rollout, the newest first
    :param before: an interrupted run on the same fleet that these runs went on from; it is not
        undone with them
    """

    id: str
    runs: tuple[RunSummary, ...]
    before: RunSummary | None = None

    @property
    def undone_by(self) -> str:
        """The run that took all of it back, ``""`` if something is left."""
        return self.runs[0].undone_by if all(run.undone_by for run in self.runs) else ""


def find_runs(name: str, runs: Sequence[RunSummary]) -> Found:
    """What ``name`` means among ``runs``, which are the newest first.

    :param name: id of a run or of a rollout, or ``"last"``: the newest apply that is not undone,
        and where that was a wave, its whole rollout
    :raises NotFoundError: there is no such run
    """
    wanted = _last(runs) if name == LAST else name
    found = tuple(run for run in runs if wanted and wanted in (run.id, run.rollout))
    if not found:
        raise NotFoundError(
            f"there is no run {name!r}",
            hint="'vmboot runs' lists them; VMBOOT_STATE says where they are kept",
        )
    return Found(wanted, found, _interrupted_before(found[-1], runs))


def _interrupted_before(run: RunSummary, runs: Sequence[RunSummary]) -> RunSummary | None:
    """The run before ``run`` on the same fleet, if Ctrl-C ended it and it is not undone."""
    older = [r for r in runs if (r.fleet, r.vcenter) == (run.fleet, run.vcenter) and r.id < run.id]
    last = older[0] if older else None
    return last if last and run.verb == "apply" == last.verb and _left(last) else None


def _left(run: RunSummary) -> bool:
    return run.interrupted and run.undoable


def _last(runs: Sequence[RunSummary]) -> str:
    for each in runs:
        if each.verb == "apply" and each.undoable:
            return each.rollout or each.id
    raise NotFoundError(
        "no run that could be undone is recorded on this machine",
        hint="'vmboot runs' lists them; journals belong to the user and machine that ran apply",
    )
