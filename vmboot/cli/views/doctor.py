"""The checklist of ``vmboot doctor``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from vmboot.cli.text import plural
from vmboot.cli.views.table import hinted, line, stack, table

if TYPE_CHECKING:
    from vmboot.fleet.doctor import Finding

_MARKS = {"ok": ("ok", "green"), "warn": ("warn", "yellow"), "fail": ("FAIL", "bold red")}


def doctor_view(findings: Sequence[Finding]) -> RenderableType:
    """A line for each finding, hints below them, then the sum."""
    rows = [(_mark(each), each.name, hinted(each.message, each.hint)) for each in findings]
    return stack(table(("state", "check", "finding"), rows), line(_sum(findings), "bold"))


def _mark(finding: Finding) -> Text:
    text, style = _MARKS[finding.state]
    return Text(text, style=style)


def _sum(findings: Sequence[Finding]) -> str:
    count = Counter(each.state for each in findings)
    if count["fail"]:
        return (
            f"{plural(count['fail'], 'check fails', 'checks fail')}: see to that before you apply."
        )
    if count["warn"]:
        return f"Ready, with {plural(count['warn'], 'warning')}."
    return "Ready."
