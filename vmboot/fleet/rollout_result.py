"""What came of a rollout, put together from the results of its module calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class RolloutState(StrEnum):
    """How a rollout ended."""

    DONE = "done"  # every wave was applied, no machine failed
    PARTLY = "partly"  # every wave was applied; some machines failed, or the plan refused them
    STOPPED = "stopped"  # a wave went over the budget or a call failed; later waves are untouched
    INTERRUPTED = "interrupted"  # somebody asked it to stop


@dataclass(frozen=True)
class WaveResult:
    """One module call.

    :param name: ``"canary"``, ``"wave 1"`` ...
    :param run_id: its run; ``""`` in check mode or where nothing had to change
    :param counts: machines per verdict, e.g. ``{"done": 4, "failed": 1}``
    :param failures: of each machine that failed ``path``, ``error`` and ``hint``
    :param pending: paths of machines that wait for their next power off
    :param shut_down: paths of machines that it shut down for their change; they stay off
    """

    name: str
    run_id: str = ""
    changed: bool = False
    counts: Mapping[str, int] = field(default_factory=dict)
    failures: tuple[Mapping[str, Any], ...] = ()
    pending: tuple[str, ...] = ()
    shut_down: tuple[str, ...] = ()

    @classmethod
    def of(cls, result: Mapping[str, Any]) -> WaveResult:
        """From what module ``vmboot.vsphere.fleet`` returned, failed or not."""
        return cls(
            name=result.get("wave") or "",
            run_id=result.get("run_id") or "",
            changed=bool(result.get("changed")),
            counts=result.get("counts") or {},
            failures=tuple(result.get("failures") or ()),
            pending=tuple(result.get("pending") or ()),
            shut_down=tuple(result.get("shut_down") or ()),
        )


@dataclass(frozen=True)
class RolloutResult:
    """What came of a rollout or of its undo.

    :param rollout: its id; ``vmboot undo`` takes it
    :param waves: those that were started, in order
    :param untouched: names of the waves that were not started
    :param refused: machines the plan refused, with the keys of :attr:`WaveResult.failures`
    :param message: why it stopped; ``""`` if it did not
    :param error: the name of the :mod:`vmboot.errors` class that stopped it, ``""`` if none did
    :param check: it only looked
    """

    rollout: str
    state: RolloutState
    waves: tuple[WaveResult, ...] = ()
    untouched: tuple[str, ...] = ()
    refused: tuple[Mapping[str, Any], ...] = ()
    message: str = ""
    hint: str = ""
    error: str = ""
    check: bool = False

    @property
    def changed(self) -> bool:
        return any(wave.changed for wave in self.waves)

    @property
    def run_ids(self) -> tuple[str, ...]:
        """The runs it made, in order."""
        return tuple(wave.run_id for wave in self.waves if wave.run_id)

    @property
    def failures(self) -> tuple[Mapping[str, Any], ...]:
        return tuple(failure for wave in self.waves for failure in wave.failures)

    @property
    def pending(self) -> tuple[str, ...]:
        return tuple(path for wave in self.waves for path in wave.pending)

    @property
    def shut_down(self) -> tuple[str, ...]:
        return tuple(path for wave in self.waves for path in wave.shut_down)

    def count(self, verdict: str) -> int:
        """How many machines got ``verdict``, over all waves."""
        return sum(wave.counts.get(verdict, 0) for wave in self.waves)

    def to_json(self) -> dict[str, Any]:
        """The result as a JSON object with stable keys."""
        return {
            "rollout": self.rollout,
            "state": self.state.value,
            "check": self.check,
            "changed": self.changed,
            "runs": list(self.run_ids),
            "waves": [
                {
                    "name": wave.name,
                    "run_id": wave.run_id or None,
                    "changed": wave.changed,
                    "counts": dict(wave.counts),
                    "failures": [dict(failure) for failure in wave.failures],
                    "pending": list(wave.pending),
                    "shut_down": list(wave.shut_down),
                }
                for wave in self.waves
            ],
            "untouched": list(self.untouched),
            "refused": [dict(machine) for machine in self.refused],
            "message": self.message,
            "hint": self.hint,
            "error": self.error,
        }
