"""A rollout on the screen: a line per wave, then what needs attention."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import RenderableType

from vmboot.cli.views.table import hinted, line, stack, table

if TYPE_CHECKING:
    from vmboot.fleet.rollout_result import RolloutResult, WaveResult

_VERDICTS = ("done", "ok", "pending", "failed", "skipped")


def rollout_view(result: RolloutResult) -> RenderableType:
    """Waves, failures, how it ended, and the command that undoes it."""
    rows = [_wave(wave) for wave in result.waves]
    rows += [(name, "not started", *("-" for _ in _VERDICTS)) for name in result.untouched]
    failures = [
        (each.get("path", ""), hinted(str(each.get("error", "")), each.get("hint")))
        for each in result.failures
    ]
    return stack(
        table(("wave", "run", *_VERDICTS), rows, numbers=frozenset({2, 3, 4, 5, 6})),
        table(("failed machine", "why"), failures) if failures else None,
        line(_ending(result), "bold"),
        hinted(result.message, result.hint) if result.message else None,
        line(f"to take it back: vmboot undo {result.rollout}")
        if result.changed and not result.check
        else None,
    )


def _wave(wave: WaveResult) -> tuple[object, ...]:
    counts = (wave.counts.get(verdict) or "-" for verdict in _VERDICTS)
    return (wave.name, wave.run_id or "-", *counts)


def _ending(result: RolloutResult) -> str:
    words = {
        "done": "Rollout done.",
        "partly": "Rollout done; some machines failed, within the budget.",
        "stopped": "Rollout stopped; waves not started are untouched.",
        "interrupted": "Rollout interrupted; waves not started are untouched.",
    }
    return f"{'Check only, nothing was changed. ' if result.check else ''}{words[result.state]}"
