"""A fleet on a lab vCenter, with the shortest words for what the tests do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.soap import dump
from tests.unit.media.synthetic import ipxe_efi, isolinux, ldlinux, lkrn
from vmboot.fleet.apply import apply_plan
from vmboot.fleet.plan import MachinePlan, Plan
from vmboot.fleet.planner import plan_fleet
from vmboot.fleet.result import MachineOutcome, RunResult
from vmboot.fleet.spec import Fleet, load_fleet
from vmboot.fleet.undo import undo_run
from vmboot.lab import Vcenter
from vmboot.vsphere.credentials import resolve
from vmboot.vsphere.session import Session, connect

HEAD = """\
version: 1
boot_servers: [{name: pvs1, address: 10.0.0.11}, {name: pvs2, address: 10.0.0.12}]
bootstrap: {bios: ARDBP32.BIN, uefi: pvsnbpx64.efi}
"""
ALL = """\
targets: [{vms: "/DC1/vm/PVS/**", method: iso}]
templates: [{vms: "/DC1/vm/Templates/*", method: iso}]
"""
TEMPLATE = "/DC1/vm/Templates/tpl-win11-pvs"


def make_loaders(folder: Path) -> Path:
    """Boot programs that vmboot takes for real ones, in a new folder."""
    folder.mkdir()
    programs = {
        "isolinux.bin": isolinux(),
        "ldlinux.c32": ldlinux(),
        "ipxe.lkrn": lkrn(),
        "ipxe.efi": ipxe_efi(),
    }
    for name, data in programs.items():
        (folder / name).write_bytes(data)
    return folder


@dataclass
class Site:
    """One vCenter, one session, a folder for documents and loaders."""

    lab: Vcenter
    session: Session
    folder: Path

    @property
    def loaders(self) -> Path:
        return self.folder / "loaders"

    def fleet(self, text: str = ALL, *, head: str = HEAD, name: str = "fleet.yml") -> Fleet:
        file = self.folder / name
        file.write_text(head + text)
        return load_fleet(file)

    def plan(self, fleet: Fleet, **options: Any) -> Plan:
        return plan_fleet(fleet, self.session, loader_dirs=[self.loaders], **options)

    def apply(self, fleet: Fleet, plan: Plan | None = None, **options: Any) -> RunResult:
        """Apply, with all guests shut down or cut off where that is needed."""
        given = {"power": "off", "hard_power_off": True, "guest_deadline_s": 20, **options}
        plan = plan or self.plan(fleet, power=given["power"])
        return apply_plan(
            plan, fleet, self.session, loader_dirs=[self.loaders], max_failures="100%", **given
        )

    def undo(self, run_id: str, **options: Any) -> RunResult:
        return undo_run(run_id, self.session, **options)

    def dump(self) -> dict[str, dict[str, Any]]:
        """What an independent reader finds."""
        return dump(self.lab)


@contextmanager
def site_on(lab: Vcenter, folder: Path) -> Iterator[Site]:
    """A session on ``lab``; loaders are made in ``folder``."""
    if not (folder / "loaders").exists():
        make_loaders(folder / "loaders")
    with connect(resolve(env=lab.environment(), use_keyring=False)) as session:
        yield Site(lab, session, folder)


def planned(plan: Plan, name: str) -> MachinePlan:
    """The plan of the machine with that name."""
    (found,) = [m for m in plan.machines if m.machine.name == name]
    return found


def outcome(result: RunResult, name: str) -> MachineOutcome:
    (found,) = [o for o in result.outcomes if o.path.rpartition("/")[2] == name]
    return found


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Paths of machines that differ between two dumps."""
    return sorted(p for p in before.keys() | after.keys() if before.get(p) != after.get(p))


def drives(machine: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The CD-ROM drives in one machine of a dump."""
    devices = machine["config.hardware.device"].values()
    return [device for device in devices if device["type"] == "VirtualCdrom"]
