"""A rollout on the screen: a line per wave, then what needs attention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import RenderableType

from vmboot.cli.text import plural
from vmboot.cli.views.plan import plan_view, shut_down_words
from vmboot.cli.views.result import now_off
from vmboot.cli.views.table import hinted, line, stack, table

if TYPE_CHECKING:
    from pathlib import Path

    from vmboot.fleet.plan import Plan
    from vmboot.fleet.rollout_result import RolloutResult, WaveResult
    from vmboot.fleet.waves import Wave

_DONE = ("done", "ok", "pending", "failed", "skipped")
_CHECKED = ("change", "ok", "pending", "refused", "failed")


def rollout_plan_view(
    plan: Plan, waves: Sequence[Wave], *, groups: Sequence[str], power: str
) -> RenderableType:
    """The plan, and how it will be cut into waves."""
    sizes = ", ".join(f"{wave.name}: {plural(len(wave.paths), 'machine')}" for wave in waves)
    return stack(plan_view(plan, groups=groups, power=power), line(f"Waves: {sizes or 'none'}."))


def rollout_question(plan: Plan, waves: Sequence[Wave], fleet: Path) -> str:
    """What is asked: which machines go down, how many change, where, in how many waves."""
    words = shut_down_words(plan)
    machines = plural(sum(len(wave.paths) for wave in waves), "machine")
    what = f"{fleet} out to {machines} of {plan.vcenter} in {plural(len(waves), 'wave')}"
    return f"{words}.\nRoll {what}?" if words else f"Roll {what}?"


def rollout_view(result: RolloutResult) -> RenderableType:
    """Waves, failures, how it ended, and the command that undoes it."""
    verdicts = _CHECKED if result.check else _DONE
    rows = [_wave(wave, verdicts) for wave in result.waves]
    rows += [(name, "not started", *("-" for _ in verdicts)) for name in result.untouched]
    failures = [
        (each.get("path", ""), hinted(str(each.get("error", "")), each.get("hint")))
        for each in result.failures
    ]
    return stack(
        table(
            ("wave", "run", *verdicts),
            rows,
            numbers=frozenset({2, 3, 4, 5, 6}),
            whole=frozenset({0, 1}),
        ),
        table(("failed machine", "why"), failures) if failures else None,
        line(_ending(result), "bold"),
        hinted(result.message, result.hint) if result.message else None,
        now_off(result.shut_down),
        line(f"to take it back: vmboot undo {result.rollout}")
        if result.changed and not result.check
        else None,
    )


def _wave(wave: WaveResult, verdicts: Sequence[str]) -> tuple[object, ...]:
    counts = (wave.counts.get(verdict) or "-" for verdict in verdicts)
    return (wave.name, wave.run_id or "-", *counts)


def _ending(result: RolloutResult) -> str:
    words = {
        "done": "Rollout done.",
        "partly": "Rollout done; some machines failed, within the budget.",
        "stopped": "Rollout stopped; waves not started are untouched.",
        "interrupted": "Rollout interrupted; waves not started are untouched.",
    }
    return f"{'Check only, nothing was changed. ' if result.check else ''}{words[result.state]}"
