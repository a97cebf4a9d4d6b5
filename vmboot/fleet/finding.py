"""What ``doctor`` says of one thing that it looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

_NAMED = 5


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    :param name: what it is about, e.g. ``"privileges"``
    :param state: ``fail``: an apply would not work, or not for every machine
    """

    name: str
    state: Literal["ok", "warn", "fail"]
    message: str
    hint: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "state": self.state,
            "message": self.message,
            "hint": self.hint,
        }


def few(names: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def count(number: int, what: str = "machine") -> str:
    """``"1 machine"``, ``"2 machines"``."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
