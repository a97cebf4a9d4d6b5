"""The list of runs on the screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import RenderableType

from vmboot.cli.views.table import line, table

if TYPE_CHECKING:
    from vmboot.fleet.runs import RunSummary


def runs_view(runs: Sequence[RunSummary]) -> RenderableType:
    """A line for each run, newest first."""
    if not runs:
        return line("No run is recorded on this machine.")
    rows = [
        (
            each.id,
            _what(each),
            _minute(each.started),
            each.machines,
            _state(each),
            each.vcenter,
            each.fleet,
        )
        for each in runs
    ]
    headings = ("run", "what", "started (UTC)", "machines", "state", "vCenter", "fleet")
    return table(headings, rows, numbers=frozenset({3}))


def _what(run: RunSummary) -> str:
    return f"{run.verb}, {run.wave} of {run.rollout}" if run.rollout else run.verb


def _minute(started: str) -> str:
    """``"2026-11-21 22:04"`` of a journal's ISO time stamp, which is UTC."""
    return started[:16].replace("T", " ")


def _state(run: RunSummary) -> str:
    if run.undone_by:
        return f"undone by {run.undone_by}"
    if not run.finished:
        return "unfinished: apply again to repair it"
    failed = run.counts.get("failed", 0)
    words = ["interrupted" if run.interrupted else "", f"{failed} failed" if failed else ""]
    return ", ".join(word for word in words if word) or "ok"
