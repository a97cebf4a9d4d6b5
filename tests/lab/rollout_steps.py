"""What the tests of rollouts share: a fleet of the whole lab, and one call to run a playbook.

BIOS machines get the ISO and UEFI machines the boot order only, so that the distribution's loaders
for BIOS are enough.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vmboot.events import Event
from vmboot.fleet.result import RunResult
from vmboot.fleet.rollout import RolloutResult, run_rollout
from vmboot.fleet.undo import undo_run
from vmboot.lab import Vcenter
from vmboot.vsphere.credentials import Credentials
from vmboot.vsphere.session import connect

FLEET = """
version: 1
boot_servers: [{name: pvs1, address: 10.0.0.11}, {name: pvs2, address: 10.0.0.12}]
bootstrap: {bios: {file: ARDBP32.BIN}}
targets:
  - {vms: "/DC1/vm/PVS/BIOS/*", method: iso}
  - {vms: "/DC1/vm/PVS/UEFI/*", method: pxe}
templates:
  - {vms: ["tpl-win10-bios", "tpl-rhel-bios"], method: iso}
rollout: {canary: 2, wave: "50%", max_failures: 1}
"""

Rollout = Callable[..., tuple[RolloutResult, list[Event]]]


def credentials(lab: Vcenter) -> Credentials:
    """How to log in to the lab."""
    return Credentials(lab.host, lab.user, lab.password, lab.port, thumbprint=lab.thumbprint)


@pytest.fixture
def fleet_file(tmp_path: Path) -> Path:
    """A fleet document with a canary of two and two waves."""
    file = tmp_path / "fleet.yml"
    file.write_text(FLEET)
    return file


def runner(lab: Vcenter, fleet: Path) -> Rollout:
    """Runs a playbook on ``lab``; the result and all events."""

    def run(**options: Any) -> tuple[RolloutResult, list[Event]]:
        events: list[Event] = []
        options = {"sink": events.append, **options}
        return run_rollout(fleet, credentials(lab), **options), events

    return run


def take_back(lab: Vcenter, rollout: str) -> RunResult:
    """Undo a rollout without Ansible, which is quicker."""
    with connect(credentials(lab)) as session:
        return undo_run(rollout, session)


def planned(events: list[Event]) -> dict[str, int]:
    """Machines per wave, as they were planned."""
    return dict(next(event.data["waves"] for event in events if event.kind == "rollout.planned"))


def started_waves(events: list[Event]) -> list[str]:
    return [event.subject for event in events if event.kind == "wave.started"]
