"""What an undo will do, before it is asked for: which runs, how many machines, what changes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.console import RenderableType

from vmboot.cli.text import plural
from vmboot.cli.views.plan import Diff, announced, diffs, problems
from vmboot.cli.views.runs import minute
from vmboot.cli.views.table import heading, line, stack
from vmboot.fleet.plan import Verdict

if TYPE_CHECKING:
    from vmboot.fleet.runs import RunSummary
    from vmboot.fleet.undo import UndoPlan
    from vmboot.fleet.whichrun import Found

_WORDS = {
    Verdict.CHANGE: "to restore",
    Verdict.PENDING: "waiting for a power off",
    Verdict.OK: "as before the run",
    Verdict.REFUSED: "refused",
}


def undo_plan_view(plan: UndoPlan, found: Found) -> RenderableType:
    """Runs, differences, refusals, machines that are started, and the sum."""
    return stack(
        heading(f"Undo of {found.id} on {plan.vcenter}"),
        line("\n".join(told(run) for run in reversed(found.runs))),
        diffs(Diff(each.machine.path, each.diff) for each in plan.machines if _work(each.verdict)),
        problems(
            ((each.machine.path, each.problems) for each in plan.machines),
            pending={m.machine.path for m in plan.machines if m.verdict is Verdict.PENDING},
        ),
        line(f"{power_words(plan)}.", "bold red") if power_words(plan) else None,
        line(_copies(plan)) if plan.left else None,
        line(_certificates(plan)) if plan.certificates else None,
        line("\n".join(_documents(plan))) if _documents(plan) else None,
        _left_out(found.before) if found.before else None,
        line(undo_summary(plan), "bold"),
    )


def _copies(plan: UndoPlan) -> str:
    return f"{plural(len(plan.left), 'BDM disk')} that no machine holds any more will be deleted."


def _certificates(plan: UndoPlan) -> str:
    count = len(plan.certificates)
    return f"{plural(count, 'file')} with a certificate in machines' folders will be deleted."


def _documents(plan: UndoPlan) -> list[str]:
    return [f"{one.words}." for one in plan.documents if one.words]


def _left_out(run: RunSummary) -> RenderableType:
    name = run.rollout or run.id
    return line(
        f"Not part of this: {name}, which was interrupted before it; vmboot undo {name} takes "
        f"that back",
        "yellow",
    )


def _work(verdict: Verdict) -> bool:
    return verdict in (Verdict.CHANGE, Verdict.PENDING)


def told(run: RunSummary) -> str:
    """``"20261121-2324-58cc: apply, begun 2026-11-21 23:24 UTC by root, 153 machines"``."""
    wave = f" ({run.wave})" if run.wave else ""
    begun = f"begun {minute(run.started)} UTC by {run.user}"
    return f"{run.id}: {run.verb}{wave}, {begun}, {plural(run.machines, 'machine')}"


def powered_on(plan: UndoPlan) -> tuple[str, ...]:
    """Inventory paths of machines that the undo starts: the run or the undo shut them down."""
    return tuple(each.machine.path for each in plan.machines if each.power_on)


def power_words(plan: UndoPlan) -> str:
    """Which machines go down, and which are started; ``""`` if none."""
    down = [each.machine.path for each in plan.machines if each.down]
    off = [path for path in powered_on(plan) if path not in down]
    what = "WILL BE SHUT DOWN now, restored and powered on again"
    words = (
        announced(down, "running machine", what),
        announced(off, "machine", "that the run had shut down WILL BE POWERED ON again"),
    )
    return ".\n".join(each for each in words if each)


def undo_summary(plan: UndoPlan) -> str:
    """The undo in one sentence."""
    counts = Counter(each.verdict for each in plan.machines)
    parts = [f"{counts[v]} {words}" for v, words in _WORDS.items() if counts[v]]
    return f"{plural(len(plan.machines), 'machine')}: {', '.join(parts) or 'nothing to do'}."
