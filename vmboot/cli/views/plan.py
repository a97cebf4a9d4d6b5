"""The plan on the screen: counts per group, uploads, a diff per machine, refusals with hints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from vmboot.cli.text import plural, printable, size
from vmboot.cli.views.table import Hanging, heading, line, stack, table
from vmboot.fleet.plan import MachinePlan, Plan, Problem, Verdict
from vmboot.fleet.words import DiffLine, diff

_NAMED = 5  # machines that one sentence lists
_VERDICTS = (Verdict.OK, Verdict.CHANGE, Verdict.PENDING, Verdict.REFUSED)


def plan_view(plan: Plan, *, groups: Sequence[str] = (), power: str = "leave") -> RenderableType:
    """The whole plan.

    :param groups: what the fleet document calls its groups, by :attr:`MachinePlan.group`
    :param power: the policy the plan was made with; decides how pending changes are worded
    """
    return stack(
        heading(f"Plan for {plan.fleet} on {plan.vcenter}"),
        _groups(plan, groups) if plan.machines else None,
        _uploads(plan) if plan.uploads else None,
        diffs(_planned(plan.machines)),
        problems((each.machine.path, each.problems) for each in plan.machines),
        _warnings(plan.warnings),
        _unfinished(plan),
        _shut_down(plan),
        line(summary(plan, power=power), "bold"),
    )


def brief_plan_view(plan: Plan, *, groups: Sequence[str] = ()) -> RenderableType:
    """Counts, uploads, and the diff of one machine as a sample."""
    return stack(
        _groups(plan, groups),
        _uploads(plan) if plan.uploads else None,
        diffs(_planned([machine for machine in plan.machines if machine.has_work][:1])),
    )


def summary(plan: Plan, *, power: str = "leave") -> str:
    """The plan in one sentence."""
    count = plan.counts
    missing = sum(upload.size for upload in plan.uploads if not upload.present)
    parts = [
        f"{count[Verdict.CHANGE]} to change",
        f"{count[Verdict.PENDING]} waiting for a power off" if count[Verdict.PENDING] else "",
        f"{count[Verdict.OK]} as wished",
        f"{count[Verdict.REFUSED]} refused" if count[Verdict.REFUSED] else "",
        f"{size(missing)} to upload" if missing else "",
    ]
    text = f"{plural(len(plan.machines), 'machine')}: {', '.join(p for p in parts if p)}."
    if count[Verdict.PENDING] and power == "leave":
        text += " With --power off those that wait are shut down and changed now."
    return text


def _groups(plan: Plan, names: Sequence[str]) -> RenderableType:
    counts: dict[tuple[int, bool, str], Counter[Verdict]] = {}
    for machine in plan.machines:
        template = machine.machine.is_template or machine.make_template
        key = (machine.group, template, machine.method.value)
        counts.setdefault(key, Counter())[machine.verdict] += 1
    rows = [
        (_group_name(names, group, template), method, *(counted[v] or "-" for v in _VERDICTS))
        for (group, template, method), counted in sorted(counts.items())
    ]
    headings = ("group", "method", *(v.value for v in _VERDICTS))
    return table(headings, rows, numbers=frozenset({2, 3, 4, 5}))


def _group_name(names: Sequence[str], group: int, template: bool) -> str:
    if group < len(names):
        return names[group]
    return f"{'templates' if template else 'targets'} {group + 1}"


def _uploads(plan: Plan) -> RenderableType:
    rows = [
        (u.path, size(u.size), u.sha256[:12], "present" if u.present else "upload")
        for u in plan.uploads
    ]
    what = "boot ISO" if all(u.kind == "iso" for u in plan.uploads) else "boot media"
    return table((what, "size", "sha256", "state"), rows, numbers=frozenset({1}))


@dataclass(frozen=True)
class Diff:
    """What changes about one machine.

    :param shut_down: it runs, and is shut down for its change
    """

    path: str
    lines: tuple[DiffLine, ...]
    shut_down: bool = False


def _planned(machines: Iterable[MachinePlan]) -> Iterator[Diff]:
    return (Diff(m.machine.path, diff(m), m.shut_down) for m in machines if m.has_work)


def diffs(machines: Iterable[Diff]) -> RenderableType | None:
    """Machines with the very same diff share one block: 400 equal diffs are read once."""
    blocks: dict[tuple[tuple[DiffLine, ...], bool], list[str]] = {}
    for each in machines:
        if each.lines:
            blocks.setdefault((each.lines, each.shut_down), []).append(each.path)
    if not blocks:
        return None
    return stack(*(_block(paths, lines, off) for (lines, off), paths in blocks.items()))


def _block(paths: list[str], lines: tuple[DiffLine, ...], shut_down: bool) -> RenderableType:
    names = (Text(printable(path), style="bold") for path in paths)
    off = [Text("SHUT DOWN first, and stays off", style="red")] if shut_down else []
    told = [*off, *(_diff_line(each, wait=not shut_down) for each in lines)]
    items = (Padding(Hanging(each), (0, 0, 0, 2)) for each in told)
    return Group(Text("\n").join(names), *items)


def _diff_line(each: DiffLine, *, wait: bool) -> Text:
    text = Text(printable(each.what))
    if each.later and wait:
        text.append(" (at its next power off)", style="yellow")
    text.append(": ")
    text.append(printable(each.before), style="red")
    text.append(" → ")
    text.append(printable(each.after), style="green")
    return text


def _shut_down(plan: Plan) -> RenderableType | None:
    return line(f"{shut_down_words(plan)}.", "bold red") if plan.shut_down else None


def shut_down_words(plan: Plan) -> str:
    """Which running machines an apply shuts down; ``""`` if none."""
    return announced(plan.shut_down, "running machine", "WILL BE SHUT DOWN now")


def announced(paths: Sequence[str], noun: str, what: str) -> str:
    """``"2 machines WILL BE SHUT DOWN now: pvs-001, pvs-002"``; of many, the first few."""
    if not paths:
        return ""
    names = [path.rpartition("/")[2] for path in paths[:_NAMED]]
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return f"{plural(len(paths), noun)} {what}: {', '.join(names)}{more}"


def problems(
    machines: Iterable[tuple[str, Iterable[Problem]]], *, pending: Collection[str] = ()
) -> RenderableType | None:
    """Refusals and warnings, each with the machines it is about, by inventory path.

    :param pending: paths of machines that only wait
    """
    found: dict[tuple[str, str, str], list[str]] = {}
    for path, of_machine in machines:
        for problem in of_machine:
            state = "pending" if path in pending else "refused"
            state = "warning" if problem.warning else state
            found.setdefault((state, problem.message, problem.hint or ""), []).append(path)
    blocks = [_problem(*key, paths) for key, paths in sorted(found.items())]
    return stack(*blocks) if blocks else None


def _problem(state: str, message: str, hint: str, paths: list[str]) -> RenderableType:
    text = Text()
    text.append(f"{state}: ", style="red" if state == "refused" else "yellow")
    text.append(printable(message))
    for path in paths:
        if path not in message:
            text.append(f"\n  {printable(path)}", style="bold")
    if hint:
        text.append(f"\n  hint: {printable(hint)}")
    return text


def _unfinished(plan: Plan) -> RenderableType | None:
    if not plan.unfinished:
        return None
    runs = ", ".join(plan.unfinished)
    return line(f"Unfinished runs, whose machines apply repairs first: {runs}", "yellow")


def _warnings(warnings: Sequence[str]) -> RenderableType | None:
    if not warnings:
        return None
    return Text("\n".join(f"warning: {printable(each)}" for each in warnings))
