"""How machines stand to the fleet document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from vmboot.cli.text import plural, printable
from vmboot.cli.views.table import heading, line, stack, table

if TYPE_CHECKING:
    from vmboot.fleet.status import MachineStatus, Status

_STYLES = {
    "as-wished": "green",
    "drift": "yellow",
    "pending": "yellow",
    "refused": "red",
    "not-found": "red",
}


def status_view(status: Status, *, everything: bool = False) -> RenderableType:
    """Machines that are not as wished, and what differs; all of them with ``everything``."""
    shown = [each for each in status.machines if everything or each.state.value != "as-wished"]
    missing = [upload.path for upload in status.uploads if not upload.present]
    return stack(
        heading(f"Status of {status.fleet} on {status.vcenter}"),
        _machines(shown) if shown else None,
        _lines("missing on its datastore", missing),
        _lines("unfinished run, repaired by the next apply", status.unfinished),
        _lines("warning", status.warnings),
        line(_sum(status), "bold"),
    )


def _machines(machines: Sequence[MachineStatus]) -> RenderableType:
    rows = [(_state(each), each.path, _why(each)) for each in machines]
    return table(("state", "machine", "is → should be"), rows)


def _state(machine: MachineStatus) -> Text:
    return Text(machine.state.value, style=_STYLES[machine.state.value])


def _why(machine: MachineStatus) -> Text:
    lines = [f"{each.what}: {each.before} → {each.after}" for each in machine.differences]
    if machine.problem and machine.path not in machine.problem:
        lines.append(machine.problem)
    if machine.hint:
        lines.append(f"hint: {machine.hint}")
    return Text("\n".join(printable(each) for each in lines))


def _lines(word: str, texts: Sequence[str]) -> RenderableType | None:
    return line("\n".join(f"{word}: {text}" for text in texts), "yellow") if texts else None


def _sum(status: Status) -> str:
    counts = [f"{count} {state}" for state, count in status.counts.items() if count]
    return f"{plural(len(status.machines), 'machine')}: {', '.join(counts) or 'none'}."
