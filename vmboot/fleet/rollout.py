"""Run a rollout, or its undo, through Ansible: playbooks own the order, ansible-runner runs them.

What ansible-runner would leave behind is kept from holding secrets and removed: see
:mod:`vmboot.fleet.rollout_environment` and :mod:`vmboot.fleet.rollout_secret`.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vmboot.errors import VmbootError
from vmboot.events import Event, Sink, ignore
from vmboot.fleet.rollout_environment import (
    ansible_environment,
    login_environment,
    login_options,
)
from vmboot.fleet.rollout_place import check_ansible, own_inventory, playbook_file, write_variables
from vmboot.fleet.rollout_progress import EventFile
from vmboot.fleet.rollout_result import RolloutResult, RolloutState, WaveResult
from vmboot.fleet.rollout_run import Watch, run_playbook
from vmboot.fleet.rollout_secret import served_secret
from vmboot.vsphere.credentials import Credentials

__all__ = ["RolloutResult", "RolloutState", "WaveResult", "run_rollout"]


@dataclass(frozen=True)
class _Order:
    """What is asked for, as the playbooks know it."""

    playbook: Path
    inventory: Path | None
    variables: Mapping[str, Any]
    check: bool


def run_rollout(
    fleet_file: str | Path | None,
    credentials: Credentials,
    *,
    playbook: Literal["rollout", "undo"] = "rollout",
    inventory: str | Path | None = None,
    check: bool = False,
    limit: Sequence[str] = (),
    rollout: str | None = None,
    power: Literal["leave", "off"] | None = None,
    loader_dirs: Sequence[str | Path] = (),
    force: bool = False,
    env: Mapping[str, str] = os.environ,
    sink: Sink = ignore,
) -> RolloutResult:
    """Run ``playbooks/rollout.yml`` or ``playbooks/undo.yml`` and follow it to its end.

    An interrupt (Ctrl-C) lets the running module call finish and journal what is in flight, and
    starts nothing more; a second one ends Ansible at once.

    :param fleet_file: the fleet document; ``None`` for an undo
    :param credentials: how the modules log in
    :param inventory: Ansible inventory with a group ``vcenters``; ``None``: this host alone
    :param limit: only these machines (patterns as in the fleet document)
    :param rollout: its id; ``None`` makes one, or undoes the last
    :param power: overrides the fleet's ``rollout.power``
    :param force: undo machines that somebody changed since, too
    :raises NotFoundError: the playbooks are not where they should be
    :raises MissingToolError: ansible-playbook is not installed
    :raises VmbootError: Ansible broke down before any module call ended
    """
    variables = {
        "vmboot_connection": login_options(credentials),
        "vmboot_fleet": str(Path(fleet_file).absolute()) if fleet_file else None,
        "vmboot_rollout": rollout,
        "vmboot_limit": list(limit) or None,
        "vmboot_power": power,
        "vmboot_loader_dirs": [str(Path(folder).absolute()) for folder in loader_dirs] or None,
        "vmboot_force": force or None,
    }
    order = _Order(
        playbook=playbook_file(playbook),
        inventory=Path(inventory).absolute() if inventory else None,
        variables={name: value for name, value in variables.items() if value is not None},
        check=check,
    )
    with tempfile.TemporaryDirectory(prefix="vmboot-rollout-") as home:
        watch, status = _run(order, credentials, Path(home), env, sink)
    result = _result(watch, status, check=check, rollout=rollout or "")
    sink(Event("rollout.finished", result.message, result.rollout, {"state": result.state.value}))
    return result


def _run(
    order: _Order, credentials: Credentials, home: Path, env: Mapping[str, str], sink: Sink
) -> tuple[Watch, str]:
    password_file, events = home / "password", home / "events.jsonl"
    environment = ansible_environment(env, home, secret=credentials.password)
    check_ansible(environment["PATH"])
    environment |= login_environment(credentials, password_file)
    environment |= {"VMBOOT_EVENTS_FILE": str(events)}
    write_variables(home, order.variables)
    watch = Watch(sink, EventFile(events))
    with served_secret(password_file, credentials.password):
        status = run_playbook(
            order.playbook,
            home=home,
            inventory=order.inventory or own_inventory(home),
            environment=environment,
            options="--check --diff" if order.check else "",
            watch=watch,
        )
    return watch, status


def _result(watch: Watch, status: str, *, check: bool, rollout: str) -> RolloutResult:
    wanted = ("plan",) if check else ("apply", "undo")
    calls = [dict(result) for name, result in watch.results if name == "fleet"]
    waves = tuple(WaveResult.of(call) for call in calls if call.get("action") in wanted)
    plan = next((result for name, result in watch.results if name == "fleet_info"), {})
    started = {wave.name for wave in waves}
    refused = tuple(plan.get("refused") or ())
    planned = [wave["name"] for wave in plan.get("waves") or ()]
    error = watch.errors[-1] if watch.errors else None
    message = error.message if error else ""
    if not plan and not watch.interrupted and not message:
        raise VmbootError(
            f"Ansible ended with {status!r} before it did anything",
            hint="run 'ansible-playbook playbooks/rollout.yml' by hand to see more",
        )
    return RolloutResult(
        rollout=plan.get("rollout") or rollout,
        state=_state(watch, status, failed=bool(refused) or any(w.failures for w in waves)),
        waves=waves,
        untouched=tuple(name for name in planned if name not in started),
        refused=refused,
        message=message,
        hint=error.data["hint"] if error else "",
        error=error.data["error"] if error else "",
        check=check,
    )


def _state(watch: Watch, status: str, *, failed: bool) -> RolloutState:
    if watch.interrupted and status != "successful":
        return RolloutState.INTERRUPTED
    if status != "successful" and not _is_partial_undo(watch):
        return RolloutState.STOPPED
    return RolloutState.PARTLY if failed else RolloutState.DONE


def _is_partial_undo(watch: Watch) -> bool:
    """True where an undo went to its end and some machines could not go back."""
    last = watch.results[-1][1] if watch.results else {}
    return last.get("action") == "undo" and last["counts"]["done"] > 0
