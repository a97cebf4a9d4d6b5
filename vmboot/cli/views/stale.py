"""Which machines carry which boot server list."""

from __future__ import annotations

from collections import Counter

from rich.console import RenderableType
from rich.text import Text

from vmboot.cli.text import plural, printable
from vmboot.cli.views.table import heading, line, stack, table
from vmboot.fleet.stale import Carried, StaleReport, by_media

_STYLES = {"current": "green", "stale": "yellow", "missing": "red"}


def stale_view(report: StaleReport, *, everything: bool = False) -> RenderableType:
    """A row for each list, and one for each machine that does not carry the wanted one."""
    shown = [each for each in report.machines if everything or each.state.value != "current"]
    return stack(
        heading(f"Boot media of {report.fleet} on {report.vcenter}"),
        line(f"wanted: {', '.join(report.servers) or 'as the images have it'}"),
        _lists(report) if report.machines else None,
        _machines(shown) if shown else None,
        *(line(f"note: {printable(each)}", "yellow") for each in report.notes),
        line(_sum(report), "bold"),
    )


def _lists(report: StaleReport) -> RenderableType:
    rows = [
        (media or "none of vmboot's", _servers(found[0]), str(len(found)), _state(found[0]))
        for media, found in by_media(report)
    ]
    return table(("media", "servers", "machines", "state"), rows, numbers=frozenset({2}))


def _machines(machines: list[Carried]) -> RenderableType:
    rows = [(_state(each), printable(each.path), each.media or "-") for each in machines]
    return table(("state", "machine", "media"), rows)


def _state(machine: Carried) -> Text:
    return Text(machine.state.value, style=_STYLES[machine.state.value])


def _servers(machine: Carried) -> str:
    if not machine.media:
        return "-"
    return "not known" if machine.servers is None else ", ".join(machine.servers)


def _sum(report: StaleReport) -> str:
    counter = Counter(each.state.value for each in report.machines)
    counts = ", ".join(f"{count} {state}" for state, count in sorted(counter.items()))
    return f"{plural(len(report.machines), 'machine')}: {counts or 'none'}."
