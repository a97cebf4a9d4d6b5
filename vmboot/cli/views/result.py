"""How a run ended: what did not work first, the counts, and the exact command that undoes it."""

from __future__ import annotations

import shlex

from rich.console import RenderableType
from rich.text import Text

from vmboot.cli.text import plural, printable
from vmboot.cli.views.plan import announced
from vmboot.cli.views.table import STATE_STYLES, line, stack
from vmboot.fleet.result import Done, MachineOutcome, RunResult

_EXAMPLE = 2  # machines in the example of a command
_SHOWN = (Done.FAILED, Done.SKIPPED, Done.PENDING)


def result_view(result: RunResult, *, undone: str = "") -> RenderableType:
    """The result of an apply, or of the undo of run ``undone``."""
    return stack(
        attention(result.outcomes),
        _resumed(result),
        line(_counts(result), "bold"),
        _ending(result),
        now_off(result.shut_down),
        *(line(f"note: {printable(each)}", "yellow") for each in result.notes),
        line(way_back(result, undone)) if result.run_id else None,
    )


def way_back(result: RunResult, undone: str = "") -> str:
    """The run's id and the command that takes it back."""
    about = f", the undo of {undone}" if undone else ""
    return f"run {result.run_id}{about}; to take it back: vmboot undo {result.run_id}"


def attention(outcomes: tuple[MachineOutcome, ...]) -> RenderableType | None:
    """What did not work, each reason once with all machines it is about."""
    found: dict[tuple[Done, str, str], list[str]] = {}
    for each in outcomes:
        if each.verdict in _SHOWN:
            own = each.error.startswith(each.path)  # "/DC1/vm/x was changed since the plan"
            why = f"it{each.error.removeprefix(each.path)}" if own else each.error
            found.setdefault((each.verdict, why, each.hint or ""), []).append(each.path)
    ordered = sorted(found.items(), key=lambda item: _SHOWN.index(item[0][0]))
    blocks = [_reason(*key, paths) for key, paths in ordered]
    return stack(*blocks) if blocks else None


def _reason(verdict: Done, error: str, hint: str, paths: list[str]) -> RenderableType:
    text = Text(verdict.value, style="none")
    text.stylize(STATE_STYLES[verdict.value])
    text.append(f": {printable(error)}" if error else "")
    for path in paths:
        text.append(f"\n  {printable(path)}", style="bold")
    if hint:
        text.append(f"\n  hint: {printable(hint)}")
    return text


def _resumed(result: RunResult) -> RenderableType | None:
    if not result.resumed:
        return None
    return line(f"repaired what unfinished runs had left: {', '.join(result.resumed)}")


def _counts(result: RunResult) -> str:
    counts = ", ".join(f"{count} {verdict}" for verdict, count in result.counts.items() if count)
    total = plural(len(result.outcomes), "machine")
    return f"{total} in {result.seconds:.1f} s: {counts or 'nothing to do'}."


def now_off(paths: tuple[str, ...]) -> RenderableType | None:
    """What went down stays down until somebody powers it on: not all at once, boot storms hurt."""
    if not paths:
        return None
    was = "was" if len(paths) == 1 else "were"
    said = announced(paths, "machine", f"{was} shut down, off now")
    command = f"govc vm.power -on {shlex.join(paths[:_EXAMPLE])}"
    text = f"{said}.\nvmboot leaves them off; power them on in batches, e.g.: {command}"
    return line(text, "bold red")


def _ending(result: RunResult) -> RenderableType | None:
    if result.interrupted:
        return line("Interrupted. The journal is complete; apply again to go on.", "yellow")
    if result.stopped:
        return line("Stopped: more machines failed than the budget allows.", "red")
    return None
