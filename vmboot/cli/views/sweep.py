"""Boot media that go, those that stay, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from vmboot.cli.text import plural, printable, size
from vmboot.cli.views.table import line, stack, table

if TYPE_CHECKING:
    from vmboot.fleet.sweep import SweepFile, SweepPlan, SweepResult

_WORDS = {"remove": Text("delete", style="yellow"), "keep": Text("keep", style="green")}


def sweep_plan_view(plan: SweepPlan) -> RenderableType:
    """Every file of vmboot's with its fate."""
    if not plan.files:
        return line("No boot media of vmboot are on any datastore that nobody holds.")
    rows = [(_WORDS[each.fate.value], size(each.size), _why(each)) for each in plan.files]
    return stack(
        table(("", "size", "file, and why"), rows, numbers=frozenset({1}), whole=frozenset({0})),
        line(f"{_files(plan.to_remove)} can go.", "bold"),
    )


def sweep_result_view(result: SweepResult) -> RenderableType:
    """What was deleted, and what could not be."""
    return stack(
        table(("not deleted", "why"), result.failed.items()) if result.failed else None,
        line(f"{_files(result.removed)} deleted, {len(result.kept)} kept.", "bold"),
    )


def _why(file: SweepFile) -> Text:
    """The path on a line of its own: beside a reason it would be broken at 80 columns."""
    return Text(f"{printable(file.path)}\n{printable(file.reason)}")


def _files(files: tuple[SweepFile, ...]) -> str:
    return f"{plural(len(files), 'file')} ({size(sum(each.size for each in files))})"
