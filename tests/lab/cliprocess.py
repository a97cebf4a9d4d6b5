"""vmboot as a person or a script meets it: a process with arguments, streams and an exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.lab.fleetlab import HEAD, make_loaders
from vmboot.lab import Vcenter

SECONDS = 120


@dataclass(frozen=True)
class Ended:
    """A process that is over."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = self.document["error"]
        return found


@dataclass(frozen=True)
class Shell:
    """Runs vmboot in a folder of its own against one lab."""

    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def at(cls, lab: Vcenter, folder: Path) -> Shell:
        loaders = make_loaders(folder / "loaders")
        own = {"VMBOOT_LOADERS": str(loaders), "VMBOOT_STATE": str(folder / "state")}
        return cls(folder, {**lab.environment(), **own})

    def fleet(self, groups: str, name: str = "fleet.yml") -> str:
        """Write a fleet document with these groups, and return its name."""
        (self.folder / name).write_text(HEAD + groups, "utf-8")
        return name

    def environment(self, **changes: str | None) -> dict[str, str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("VMBOOT_")}
        colours = ("NO_COLOR", "FORCE_COLOR", "COLUMNS")
        wanted = {k: v for k, v in inherited.items() if k not in colours}
        wanted |= {**self.variables, "VMBOOT_CACHE": os.environ.get("VMBOOT_CACHE", "")}
        wanted |= {k: v for k, v in changes.items() if v is not None}
        return {k: v for k, v in wanted.items() if v and not (k in changes and changes[k] is None)}

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "vmboot", *words]

    def run(self, *words: str, **changes: str | None) -> Ended:
        """Run to the end, without a terminal."""
        ended = subprocess.run(
            self.command(*words),
            cwd=self.folder,
            env=self.environment(**changes),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)
