"""The list of runs on the screen: ids are never broken, waves stand under their rollout."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from rich.console import RenderableType

from vmboot.cli.text import plural
from vmboot.cli.views.table import line, stack, table

if TYPE_CHECKING:
    from vmboot.fleet.runs import RunSummary


def runs_view(runs: Sequence[RunSummary]) -> RenderableType:
    """A line for each run, newest first, under the fleet document and vCenter it was about."""
    if not runs:
        return line("No run is recorded on this machine.")
    blocks = groupby(runs, key=lambda run: (run.fleet, run.vcenter))
    return stack(
        *(_block(f"{fleet} on {vcenter}", tuple(some)) for (fleet, vcenter), some in blocks)
    )


def _block(title: str, runs: Sequence[RunSummary]) -> RenderableType:
    rows: list[tuple[str, str, str]] = []
    for rollout, some in groupby(runs, key=lambda run: run.rollout):
        waves = tuple(some)
        if rollout:
            rows.append((rollout, minute(waves[-1].started), _rollout(waves)))
        indent = "  " if rollout else ""
        rows += [(f"{indent}{run.id}", minute(run.started), _run(run)) for run in waves]
    return table(("run", "begun (UTC)", "what"), rows, title=title, whole=frozenset({0, 1}))


def minute(started: str) -> str:
    """``"2026-11-21 22:04"`` of a journal's ISO time stamp, which is UTC."""
    return started[:16].replace("T", " ")


def _rollout(waves: Sequence[RunSummary]) -> str:
    machines = plural(sum(run.machines for run in waves), "machine")
    undone = all(run.undone_by for run in waves)
    return f"rollout, {machines}: {'undone' if undone else plural(len(waves), 'wave')}"


def _run(run: RunSummary) -> str:
    wave = f" {run.wave}" if run.wave else ""
    return f"{run.verb}{wave}, {plural(run.machines, 'machine')}: {_state(run)}"


def _state(run: RunSummary) -> str:
    if run.undone_by:
        itself = run.undone_by in (run.id, run.rollout)
        return "nothing was left to undo" if itself else f"undone by {run.undone_by}"
    if not run.finished:
        return "unfinished: apply again to repair it"
    failed = run.counts.get("failed", 0)
    words = ["interrupted" if run.interrupted else "", f"{failed} failed" if failed else ""]
    return ", ".join(word for word in words if word) or "ok"
