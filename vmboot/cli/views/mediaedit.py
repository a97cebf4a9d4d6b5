"""Another boot server list: the document's difference, the plan, and how the waves went."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from vmboot.cli.text import plural, printable
from vmboot.cli.views.plan import plan_view
from vmboot.cli.views.result import attention, now_off
from vmboot.cli.views.table import line, stack
from vmboot.fleet.mediaedit import EditPlan, EditResult, waves_in_words

_STYLES = {"+": "green", "-": "red"}


def edit_plan_view(
    planned: EditPlan, *, groups: Sequence[str] = (), power: str = "leave"
) -> RenderableType:
    """What changes in the document, on the machines, and in which waves."""
    waves = ", then ".join(waves_in_words(planned))
    return stack(
        _diff(planned.edit.diff),
        plan_view(planned.plan, groups=groups, power=power),
        line(f"Waves: {waves}.") if waves else None,
    )


def _diff(lines: Sequence[str]) -> RenderableType | None:
    if not lines:
        return line("fleet.yml has this list already.")
    text = Text()
    for number, each in enumerate(lines):
        text.append("\n" if number else "")
        text.append(printable(each), style=_STYLES.get(each[:1], ""))
    return text


def edit_result_view(result: EditResult) -> RenderableType:
    """What did not work, the waves, and the command that takes it back."""
    outcomes = tuple(each for _, run in result.waves for each in run.outcomes)
    counts = ", ".join(f"{count} {verdict}" for verdict, count in result.counts.items() if count)
    return stack(
        attention(outcomes),
        *(
            line(f"{name}: run {run.run_id or '-'}, {_sum(run.counts)}")
            for name, run in result.waves
        ),
        line(f"{plural(len(outcomes), 'machine')}: {counts or 'nothing to do'}.", "bold"),
        line(_ending(result), "red") if _ending(result) else None,
        now_off(result.shut_down),
        *(line(f"note: {printable(each)}", "yellow") for each in result.notes),
        line(f"to take it back: vmboot undo {result.rollout}") if result.rollout else None,
    )


def _ending(result: EditResult) -> str:
    """Why it ended before all machines were begun, and how to go on; ``""`` if it did not."""
    why = result.stopped or ("interrupted" if result.interrupted else "")
    if not result.not_begun:
        return f"Stopped: {why}." if why else ""
    was = "was" if result.not_begun == 1 else "were"
    left = f"{plural(result.not_begun, 'machine')} {was} not begun"
    return (
        f"Stopped: {why or 'too many machines failed'}; {left}.\n"
        "The fleet document has the new list already; the same command goes on."
    )


def _sum(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count) or "none"
