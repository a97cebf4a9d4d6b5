"""What happens inside a rollout, as vmboot events.

Two sources: ansible-runner tells of plays, tasks and results; the modules append their own events
to a private file while they work (a module call may take minutes, and Ansible shows nothing of it
before it ends).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vmboot.events import Event

_ENDS = ("runner_on_ok", "runner_on_failed", "runner_item_on_ok", "runner_item_on_failed")
_MODULES = ("vmboot.vsphere.fleet", "vmboot.vsphere.fleet_info")


class EventFile:
    """Reads the events that modules have appended to a file since the last look.

    The way back is a file beside it with ``.go`` in its name: module calls begin to write only
    while it is there.
    """

    def __init__(self, path: Path) -> None:
        path.touch(mode=0o600)
        self._path = path
        self._permit = path.with_name(f"{path.name}.go")
        self._permit.touch(mode=0o600)
        self._offset = 0

    def ask_to_stop(self) -> None:
        """Let no further module call write anything."""
        self._permit.unlink(missing_ok=True)

    def read(self) -> Iterator[Event]:
        """The events of all lines that are complete by now."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._offset += len(line)
                yield Event(**json.loads(line))


def module_result(raw: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]] | None:
    """The module name and the result, if ``raw`` is the end of one of our module calls."""
    facts = raw.get("event_data") or {}
    result = facts.get("res") or {}
    name = facts.get("resolved_action") or facts.get("task_action", "")
    of_loop = "results" in result  # its items were told one by one
    if raw.get("event") not in _ENDS or name not in _MODULES or of_loop:
        return None
    return name.rpartition(".")[2], result


def translated(raw: Mapping[str, Any]) -> Event | None:
    """One event of ansible-runner in vmboot's words; ``None`` for those nobody needs."""
    facts = raw.get("event_data") or {}
    host, task = str(facts.get("host", "")), str(facts.get("task", ""))
    result = facts.get("res") or {}
    message = str(result.get("msg", ""))
    told = {"task": task, "hint": result.get("hint") or "", "error": result.get("error") or ""}
    match raw.get("event"):
        case "playbook_on_play_start":
            return Event("rollout.play", str(facts.get("play", "")))
        case "playbook_on_task_start":
            return Event("rollout.task", task)
        case "runner_on_failed" if not facts.get("ignore_errors"):
            return Event("rollout.failed", message, subject=host, data=told)
        case "runner_on_unreachable":
            return Event("rollout.unreachable", message, subject=host, data=told)
        case "warning" | "error":
            return Event("rollout.warning", str(raw.get("stdout", "")).strip())
        case _:
            return None
