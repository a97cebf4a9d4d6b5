"""How far a rehearsed boot came."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import RenderableType

from vmboot.cli.text import printable
from vmboot.cli.views.media import facts
from vmboot.cli.views.table import heading, line, stack, table

if TYPE_CHECKING:
    from vmboot.lab.rehearsal_report import RehearsalReport


def rehearsal_view(report: RehearsalReport) -> RenderableType:
    """Stages with seconds from power on, the verdict, notes, and where the evidence is."""
    return stack(
        heading(f"Rehearsal of {printable(report.machine)}"),
        stages_table(report),
        line(report.verdict, "bold green" if report.ok else "bold red"),
        line("\n".join(f"note: {note}" for note in report.notes)) if report.notes else None,
        _evidence(report),
    )


def _evidence(report: RehearsalReport) -> RenderableType | None:
    files = (
        ("serial log", report.serial_log),
        ("screenshot", report.screenshot),
        ("network capture", report.capture),
    )
    kept = [(name, path) for name, path in files if path is not None]
    return facts(*kept) if kept else None


def stages_table(report: RehearsalReport) -> RenderableType:
    rows = [(f"{stage.seconds:.1f} s", stage.name, stage.text) for stage in report.stages]
    return table(("after", "stage", "what happened"), rows, numbers=frozenset({0}))
