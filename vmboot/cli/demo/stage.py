"""Runs the steps of the demo one by one and keeps count of what held."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from rich.text import Text

from vmboot.cli.exits import Exit
from vmboot.cli.terminal import Terminal
from vmboot.cli.text import printable
from vmboot.cli.views.table import line
from vmboot.errors import MissingToolError, VmbootError


class State(StrEnum):
    """How a step ended."""

    HELD = "held"
    FAILED = "failed"
    NOT_DONE = "not done"


class BrokenPromise(VmbootError):
    """A step ran, and what the demo says of it turned out to be false."""


@dataclass(frozen=True)
class Outcome:
    """One step that is over.

    :param says: what was seen, or what went wrong
    """

    name: str
    state: State
    says: str
    hint: str | None = None
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Keys name, state, says, hint, seconds."""
        return {
            "name": self.name,
            "state": self.state.value,
            "says": self.says,
            "hint": self.hint,
            "seconds": round(self.seconds, 2),
        }


class Stage:
    """Where the steps appear; remembers how each ended."""

    def __init__(self, terminal: Terminal, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.terminal = terminal
        self.outcomes: list[Outcome] = []
        self._clock = clock

    def step(self, name: str, explanation: str, action: Callable[[], str]) -> bool:
        """Show the step, run it, show how it ended.

        :param action: returns what was seen, in one sentence; raises
            :class:`~vmboot.errors.MissingToolError` where this machine cannot do it
        :returns: whether it held
        """
        self.terminal.show(lambda: _heading(len(self.outcomes) + 1, name, explanation))
        begun = self._clock()
        state, says, hint = _outcome(action)
        outcome = Outcome(name, state, says, hint, self._clock() - begun)
        self.outcomes.append(outcome)
        self.terminal.show(lambda: _ending(outcome))
        return state is State.HELD

    def skip(self, name: str, why: str, *, hint: str | None = None) -> None:
        """A step that cannot be tried."""
        outcome = Outcome(name, State.NOT_DONE, why, hint)
        self.outcomes.append(outcome)
        self.terminal.show(lambda: _ending(outcome))

    @property
    def exit(self) -> Exit:
        """0 if each step held, 1 if one failed, 3 if the rest held but some could not be done."""
        states = {outcome.state for outcome in self.outcomes}
        if State.FAILED in states:
            return Exit.FAILED
        return Exit.PARTLY if State.NOT_DONE in states else Exit.OK


def _outcome(action: Callable[[], str]) -> tuple[State, str, str | None]:
    try:
        return State.HELD, action(), None
    except MissingToolError as error:
        return State.NOT_DONE, error.message, error.hint
    except VmbootError as error:
        return State.FAILED, str(error), error.hint


def _heading(number: int, name: str, explanation: str) -> Text:
    return Text.assemble(
        (f"\n{number}. {name}", "bold cyan"), ("  ", ""), (printable(explanation), "italic")
    )


_MARKS = {
    State.HELD: ("✓", "bold green"),
    State.FAILED: ("✗ failed:", "bold red"),
    State.NOT_DONE: ("not done:", "bold yellow"),
}


def _ending(outcome: Outcome) -> Text:
    text = Text.assemble(_MARKS[outcome.state], " ")
    text.append_text(line(outcome.says))
    if outcome.seconds:
        text.append(f"  ({outcome.seconds:.1f} s)", style="dim")
    if outcome.hint:
        text.append(f"\n  hint: {printable(outcome.hint)}")
    return text
