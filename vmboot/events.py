"""Progress as data: library code emits events, whoever runs it decides what to show.

An event is a frozen value with a stable ``kind``; the sink is any callable that takes one. The
CLI turns them into a live view or JSON lines, the Ansible modules into results, tests into lists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Sink = Callable[["Event"], None]


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    :param kind: stable dotted name, e.g. ``"upload.progress"``, ``"vm.done"``
    :param message: the same in plain words, for logs
    :param subject: what it happened to (inventory path, file name), ``""`` if nothing particular
    :param data: JSON-serialisable facts, e.g. ``{"bytes": 1048576, "total": 4194304}``
    """

    kind: str
    message: str = ""
    subject: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The event as a JSON object with keys kind, message, subject, data."""
        return {
            "kind": self.kind,
            "message": self.message,
            "subject": self.subject,
            "data": dict(self.data),
        }


def ignore(_event: Event) -> None:
    """The sink of those who do not listen."""
