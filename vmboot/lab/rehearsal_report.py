"""What a rehearsal found: stages, a verdict, and where the evidence is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any


class Reached(StrEnum):
    """How far a boot came; each includes those before it."""

    NOTHING = "nothing"
    FIRMWARE = "firmware"
    LOADER = "loader"
    NETWORK = "network"
    SERVER = "server"
    DOWNLOADED = "bootstrap downloaded"
    STARTED = "bootstrap started"


@dataclass(frozen=True)
class Stage:
    """One step of the boot.

    :param seconds: from power on
    :param name: ``firmware``, ``device``, ``loader``, ``dhcp``, ``server``, ``bootstrap``,
        ``started``, ``pause`` or ``refused``
    :param text: the step in plain words
    :param server: label of the boot server that the step is about
    """

    seconds: float
    name: str
    text: str
    server: str = ""

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "seconds": round(self.seconds, 2)}


@dataclass(frozen=True)
class Verdict:
    """The judgement alone. ``sentence`` names where a boot stuck and the likely next step."""

    reached: Reached
    ok: bool
    sentence: str


@dataclass(frozen=True)
class RehearsalReport:
    """The whole result; files are kept in the folder the caller gave.

    :param ok: the bootstrap started, or, where the bootstrap is the user's own and says nothing,
        everything that can be seen from outside happened
    :param seconds: from power on to the end of the rehearsal
    :param notes: where the rehearsal is not like the VM, and what cost time
    """

    machine: str
    verdict: str
    reached: Reached
    ok: bool
    seconds: float
    stages: tuple[Stage, ...]
    notes: tuple[str, ...] = ()
    serial_log: Path | None = None
    screenshot: Path | None = None
    capture: Path | None = None

    def to_json(self) -> dict[str, Any]:
        """The report as a JSON object; paths as text, seconds rounded to 10 ms."""

        def text(path: Path | None) -> str | None:
            return str(path) if path else None

        return {
            "machine": self.machine,
            "ok": self.ok,
            "reached": self.reached.value,
            "verdict": self.verdict,
            "seconds": round(self.seconds, 2),
            "stages": [stage.to_json() for stage in self.stages],
            "notes": list(self.notes),
            "serial_log": text(self.serial_log),
            "screenshot": text(self.screenshot),
            "capture": text(self.capture),
        }
