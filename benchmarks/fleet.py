"""Attach a boot ISO to 200 VMs: vmboot beside govc and beside the usual pyvmomi script.

Every contender runs as a process of its own on a fresh lab with 20 ms a call and 500 ms a task.
vmboot's time contains building and uploading its ISO, the plan, the journal and the read-back; the
peers find an ISO in place and do not look at what they did.
"""

from __future__ import annotations

import json
import math
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks import govc
from benchmarks.lab import DELAY_MS, PEER_ISO, TASK_MS, Site, site, upload_peer_iso
from benchmarks.measure import BenchmarkError, Usage, run
from benchmarks.report import Claim, Report, figure

VMS = 200
WINDOW = 32
GOVC_SAMPLE, PYVMOMI_SAMPLE = 24, 16  # targets a slow peer is measured on, then scaled to VMS
PEERS = Path(__file__).parent / "peers"
VMBOOT = Path(sys.executable).with_name("vmboot")


@dataclass(frozen=True)
class Contender:
    """What one way of doing the job cost, for ``sample`` targets.

    :param calls: calls that reached the vCenter
    """

    name: str
    usage: Usage
    calls: int
    sample: int

    @property
    def wall_s(self) -> float:
        """For all of :data:`VMS`."""
        return self.usage.wall_s * VMS / self.sample

    @property
    def scaled(self) -> bool:
        return self.sample != VMS

    def cells(self, base_s: float) -> tuple[str, ...]:
        return (
            self.name,
            figure(self.wall_s) + ("*" if self.scaled else ""),
            f"{figure(self.wall_s / base_s)}×",
            figure(self.calls / self.sample),
            figure(self.usage.cpu_s * 1000 / self.sample),
            figure(self.usage.peak_mb),
        )


def floor_s() -> float:
    """The least that is possible with this many tasks in flight, one call and one task each."""
    return math.ceil(VMS / WINDOW) * (DELAY_MS + TASK_MS) / 1000


def measure() -> Report:
    """Run every contender and compare."""
    applied, again, writes = _vmboot()
    peers = [_govc(), _pyvmomi()]
    base = applied.wall_s
    rows = [applied.cells(base), _floor_cells(base), *(peer.cells(base) for peer in peers)]
    rows.append(again.cells(base))
    return Report(
        name="fleet",
        title=f"Boot ISO on {VMS} VMs, {DELAY_MS} ms a call, {TASK_MS} ms a task",
        columns=("Way", "wall s", "vs vmboot", "calls/VM", "CPU ms/VM", "peak MiB"),
        rows=tuple(rows),
        claims=_claims(applied, again, writes, peers),
        notes=(
            f"\\* measured on {GOVC_SAMPLE} VMs (govc) and {PYVMOMI_SAMPLE} VMs (pyvmomi) of the "
            f"{VMS}, then scaled. Times are those of the whole process; CPU and memory the "
            "client's. vmboot builds and uploads its ISO, plans, journals and reads back within "
            "its time; the peers do none of that.",
        ),
    )


def _claims(
    applied: Contender, again: Contender, writes: int, peers: list[Contender]
) -> tuple[Claim, ...]:
    by_govc, by_pyvmomi = peers
    return (
        Claim("API calls a VM, read-back included", applied.calls / VMS, 1.3),
        Claim("wall time over the floor", applied.wall_s / floor_s(), 1.5, "×"),
        Claim("client CPU a VM", applied.usage.cpu_s * 1000 / VMS, 8, " ms"),
        Claim("faster than govc -P8", by_govc.wall_s / applied.wall_s, 15, "×", at_most=False),
        Claim(
            "faster than sequential pyvmomi",
            by_pyvmomi.wall_s / applied.wall_s,
            20,
            "×",
            at_most=False,
        ),
        Claim("writes of a second apply", writes, 0),
        Claim("API calls a VM of a second apply", again.calls / VMS, 0.05),
    )


def _floor_cells(base_s: float) -> tuple[str, ...]:
    floor = floor_s()
    return (f"floor, {WINDOW} in flight", figure(floor), f"{figure(floor / base_s)}×", "1", "", "")


def _vmboot() -> tuple[Contender, Contender, int]:
    """The first apply, the second, and how many writes the second made."""
    with site(vms=VMS) as place:
        fleet = place.fleet_file()
        argv = [VMBOOT, "apply", fleet, "--yes", "--json"]
        first = _counted("vmboot apply", place, lambda: run(argv, env=place.environment))
        _check_done(first.usage.out)
        before = place.writes()
        second = _counted("vmboot apply, again", place, lambda: run(argv, env=place.environment))
        return first, second, place.writes() - before


def _check_done(document: str) -> None:
    result = json.loads(document)
    done = sum(machine["verdict"] == "done" for machine in result["outcomes"])
    if done != VMS:
        raise BenchmarkError(f"vmboot apply changed {done} of {VMS} VMs")


def _govc() -> Contender:
    with site(vms=VMS) as place:
        upload_peer_iso(place)
        argv = ["xargs", "-P", "8", "-n", "1", PEERS / "govc_attach.sh", PEER_ISO]
        path = os.pathsep.join([str(govc.find_govc().parent), os.environ["PATH"]])
        env = {**place.environment, "GOVC_DATASTORE": "shared-01", "PATH": path}
        names = "\n".join(place.names[:GOVC_SAMPLE])
        return _counted(
            "govc, 8 processes", place, lambda: run(argv, env=env, stdin=names), GOVC_SAMPLE
        )


def _pyvmomi() -> Contender:
    with site(vms=VMS) as place:
        upload_peer_iso(place)
        argv = [sys.executable, PEERS / "sequential_pyvmomi.py", f"[shared-01] {PEER_ISO}"]
        names = "\n".join(place.names[:PYVMOMI_SAMPLE])
        return _counted(
            "pyvmomi, one by one",
            place,
            lambda: run(argv, env=place.environment, stdin=names),
            PYVMOMI_SAMPLE,
        )


def _counted(name, place: Site, job, sample: int = VMS) -> Contender:
    before = place.calls()
    usage = job()
    return Contender(name, usage, place.calls() - before, sample)
