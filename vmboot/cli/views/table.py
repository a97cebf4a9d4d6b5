"""Tables that are read as easily without colour, at 80 columns, and from a pipe."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from vmboot.cli.text import printable, printable_lines

_HANG = 4  # columns
STATE_STYLES = {
    "ok": "green",
    "done": "green",
    "restored": "green",
    "present": "green",
    "change": "yellow",
    "pending": "yellow",
    "drift": "yellow",
    "warn": "yellow",
    "skipped": "yellow",
    "upload": "yellow",
    "not done": "yellow",
    "refused": "red",
    "failed": "red",
    "fail": "red",
    "missing": "red",
    "not found": "red",
}


def cell(value: object) -> Text:
    """A value of any origin as one harmless line; states get their colour."""
    text = "" if value is None else printable(str(value))
    return Text(text, style=STATE_STYLES.get(text, ""))


def table(
    headings: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    title: str = "",
    numbers: frozenset[int] = frozenset(),
    whole: frozenset[int] = frozenset(),
) -> Table:
    """A plain table that folds long cells, so that nothing is cut off.

    :param numbers: indexes of columns that are aligned to the right
    :param whole: indexes of columns that are never folded: ids, file names, commands
    """
    made = Table(
        box=box.SIMPLE_HEAD,
        title=Text(printable(title), style="bold") if title else None,
        title_justify="left",
        pad_edge=False,
        show_edge=False,
    )
    for index, heading in enumerate(headings):
        made.add_column(
            Text(heading, style="bold"),
            justify="right" if index in numbers else "left",
            overflow="fold",
            no_wrap=index in numbers or index in whole,
        )
    for row in rows:
        made.add_row(*(value if isinstance(value, Text) else cell(value) for value in row))
    return made


def line(text: str, style: str = "") -> Text:
    """One paragraph of our own words around other people's names."""
    return Text(printable_lines(text), style=style)


def heading(text: str) -> Text:
    return line(text, "bold")


def hinted(message: str, hint: str | None) -> Text:
    """A message, its hint on a line of its own."""
    text = cell(message)
    if hint:
        text.append(f"\nhint: {printable(hint)}")
    return text


@dataclass(frozen=True)
class Hanging:
    """A paragraph whose further lines stand in, so that, folded, it is still seen as one item."""

    text: Text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        first, *rest = self.text.wrap(console, options.max_width - _HANG, overflow="fold")
        yield first
        for folded in rest:
            folded.pad_left(_HANG)
            yield folded


def stack(*parts: RenderableType | None) -> Group:
    """Parts below each other, an empty line between two; ``None`` is left out."""
    shown = [part for part in parts if part is not None]
    spaced: list[RenderableType] = []
    for index, part in enumerate(shown):
        if index:
            spaced.append(Text(""))
        spaced.append(part)
    return Group(*spaced)
