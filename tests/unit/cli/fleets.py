"""Plans and results made of literals, for tests of what the CLI shows and returns."""

from __future__ import annotations

from vmboot.fleet.plan import MachinePlan, Plan, Problem, Upload, Verdict
from vmboot.fleet.result import Done, MachineOutcome, RunResult
from vmboot.fleet.runs import RunSummary
from vmboot.fleet.undo import UndoPlan
from vmboot.fleet.wayback import MachineUndo
from vmboot.model import BootMethod
from vmboot.vsphere.devices import SetBootOrder, SetCdrom
from vmboot.vsphere.machine import (
    BootEntry,
    Bus,
    CdBacking,
    Connection,
    Controller,
    Device,
    DeviceKind,
    Hardware,
    Machine,
)

ISO = "[shared-01] vmboot/vmboot-boot-0123456789ab.iso"
OLD = CdBacking(kind="iso", path="[shared-01] old.iso")
HARDWARE = Hardware(
    controllers=(Controller(key=200, bus=Bus.IDE, number=0),),
    devices=(
        Device(
            key=3000,
            kind=DeviceKind.CDROM,
            controller=200,
            unit=0,
            label="CD/DVD drive 1",
            backing=OLD,
            connection=Connection(),
        ),
    ),
)
SET_CD = SetCdrom(
    key=3000,
    label="CD/DVD drive 1",
    controller=200,
    unit=0,
    before=OLD,
    before_connection=Connection(),
    backing=CdBacking(kind="iso", path=ISO),
    connection=Connection(start_connected=True),
)
CD_FIRST = SetBootOrder(before=(), after=(BootEntry("cdrom"),))


def machine(name: str, **facts: object) -> Machine:
    path = f"/DC1/vm/PVS/{name}"
    return Machine(moid=f"vm-{name}", name=name, path=path, hardware=HARDWARE, **facts)


def changing(name: str) -> MachinePlan:
    return MachinePlan(
        machine(name), BootMethod.ISO, Verdict.CHANGE, now=(SET_CD, CD_FIRST), iso=ISO
    )


def fine(name: str) -> MachinePlan:
    return MachinePlan(machine(name), BootMethod.ISO, Verdict.OK, iso=ISO)


def waiting(name: str) -> MachinePlan:
    return MachinePlan(machine(name), BootMethod.ISO, Verdict.PENDING, later=(SET_CD,), iso=ISO)


def shut_down(name: str) -> MachinePlan:
    return MachinePlan(machine(name), BootMethod.ISO, Verdict.CHANGE, later=(SET_CD,), iso=ISO)


def refused(name: str, hint: str | None = "sign it, or turn Secure Boot off") -> MachinePlan:
    problem = Problem(f"/DC1/vm/PVS/{name} has Secure Boot and the loader is not signed", hint)
    return MachinePlan(machine(name), BootMethod.ISO, Verdict.REFUSED, problems=(problem,), iso=ISO)


def upload(*, present: bool = False) -> Upload:
    return Upload("shared-01", ISO, size=4_404_019, sha256="ab" * 32, present=present)


def plan(*machines: MachinePlan, present: bool = True, **more: object) -> Plan:
    return Plan("fleet.yml", "vc.example.net", (upload(present=present),), machines, **more)


def outcome(name: str, verdict: Done = Done.DONE, error: str = "", hint: str | None = None):
    return MachineOutcome(f"/DC1/vm/PVS/{name}", f"vm-{name}", verdict, error, hint)


def result(*outcomes: MachineOutcome, **more: object) -> RunResult:
    return RunResult("20261121-220400-ab12", outcomes, seconds=4.2, **more)


def summary(run_id: str, verb: str = "apply", *, machines: int = 1, **more: object) -> RunSummary:
    started = "2026-11-21T22:04:05.123+00:00"
    return RunSummary(run_id, verb, started, "root", "h", "/f.yml", "vc", machines=machines, **more)


def restoring(name: str, *, power_on: bool = False) -> MachineUndo:
    before = machine(name)
    return MachineUndo(before, before, Verdict.CHANGE, now=(SET_CD,), power_on=power_on)


def restored(name: str) -> MachineUndo:
    return MachineUndo(machine(name), machine(name), Verdict.OK)


def gone(name: str) -> MachineUndo:
    problem = Problem("it does not exist any more", hint="there is nothing to restore")
    return MachineUndo(machine(name), None, Verdict.REFUSED, problems=(problem,))


def undo_plan(*machines: MachineUndo) -> UndoPlan:
    return UndoPlan("r1", ("r1",), "/f.yml", "vc.example.net", machines)
