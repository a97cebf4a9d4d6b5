"""What a run did, machine by machine."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Done(StrEnum):
    """How a run ended for one machine."""

    DONE = "done"  # changed, and read back as it should be
    OK = "ok"  # nothing was to be done
    PENDING = "pending"  # the rest waits for its next power off
    FAILED = "failed"  # see error and hint
    SKIPPED = "skipped"  # not tried: refused by the plan, too many failures, or interrupted


@dataclass(frozen=True)
class MachineOutcome:
    """One machine of a run.

    :param error: one sentence, for ``failed`` and ``skipped``, and what a ``pending`` one waits for
    """

    path: str
    moid: str
    verdict: Done
    error: str = ""
    hint: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "moid": self.moid,
            "verdict": self.verdict.value,
            "error": self.error,
            "hint": self.hint,
        }


@dataclass(frozen=True)
class RunResult:
    """Everything one run did.

    :param run_id: ``""`` when there was nothing to write and no run was begun
    :param interrupted: Ctrl-C or a stop event ended it early
    :param stopped: too many failures ended it early
    :param resumed: unfinished runs that this one repaired and closed
    :param seconds: wall time
    :param shut_down: paths of machines that it shut down for their change; they stay off
    :param notes: what else a person should know, e.g. files that could not be deleted
    """

    run_id: str
    outcomes: tuple[MachineOutcome, ...] = ()
    interrupted: bool = False
    stopped: bool = False
    resumed: tuple[str, ...] = ()
    seconds: float = 0.0
    shut_down: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Machines per verdict, every verdict named."""
        counter = Counter(outcome.verdict for outcome in self.outcomes)
        return {verdict.value: counter[verdict] for verdict in Done}

    @property
    def done(self) -> int:
        return self.counts[Done.DONE]

    @property
    def ok(self) -> int:
        return self.counts[Done.OK]

    @property
    def pending(self) -> int:
        return self.counts[Done.PENDING]

    @property
    def failed(self) -> int:
        return self.counts[Done.FAILED]

    @property
    def skipped(self) -> int:
        return self.counts[Done.SKIPPED]

    def to_json(self) -> dict[str, Any]:
        """The fields of this class, with ``counts``."""
        return {
            "run_id": self.run_id,
            "interrupted": self.interrupted,
            "stopped": self.stopped,
            "resumed": list(self.resumed),
            "seconds": round(self.seconds, 3),
            "shut_down": list(self.shut_down),
            "notes": list(self.notes),
            "counts": self.counts,
            "outcomes": [outcome.to_json() for outcome in self.outcomes],
        }
