"""What a benchmark found: a table, the claims it checks, and their place in the documentation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"


@dataclass(frozen=True)
class Claim:
    """A figure that vmboot promises.

    :param at_most: the figure may not be larger than ``limit``; else not smaller
    """

    text: str
    value: float
    limit: float
    unit: str = ""
    at_most: bool = True

    @property
    def holds(self) -> bool:
        return self.value <= self.limit if self.at_most else self.value >= self.limit

    def cells(self) -> tuple[str, ...]:
        """Text, limit, measured, verdict."""
        bound = "≤" if self.at_most else "≥"
        return (
            self.text,
            f"{bound} {self.limit:g}{self.unit}",
            f"{figure(self.value)}{self.unit}",
            "yes" if self.holds else "**no**",
        )


@dataclass(frozen=True)
class Report:
    """One benchmark's result.

    :param name: also the name of the markers in the document
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    claims: tuple[Claim, ...] = ()
    notes: tuple[str, ...] = ()

    def markdown(self) -> str:
        parts = [f"## {self.title}", table(self.columns, self.rows)]
        if self.claims:
            header = ("Claim", "Limit", "Measured", "Holds")
            parts.append(table(header, [claim.cells() for claim in self.claims]))
        parts += list(self.notes)
        return "\n\n".join(parts)


def figure(value: float) -> str:
    """Three significant digits at most, no exponent: ``0.025``, ``4.95``, ``127``."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table: first column to the left, the others to the right."""
    rule = ["---"] + ["---:"] * (len(columns) - 1)
    return "\n".join("| " + " | ".join(row) + " |" for row in [columns, rule, *rows])


def write_section(name: str, text: str, document: Path = DOCUMENT) -> None:
    """Replace what stands between the markers of ``name``, or append both.

    :raises ValueError: only one of the two markers is there
    """
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    section = f"{begin}\n{text.strip()}\n{end}"
    old = document.read_text(encoding="utf-8") if document.exists() else ""
    if (begin in old) != (end in old):
        raise ValueError(f"{document}: only one marker of section {name}")
    if begin in old:
        head, rest = old.split(begin, 1)
        new = head + section + rest.split(end, 1)[1]
    else:
        new = f"{old.rstrip()}\n\n{section}\n".lstrip()
    document.write_text(new, encoding="utf-8")
