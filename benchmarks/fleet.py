"""Attach a boot ISO to 200 VMs: vmboot beside govc and beside the usual pyvmomi script.

Every contender runs as a process of its own on a fresh lab with 20 ms a call and 500 ms a task.
vmboot's time contains building and uploading its ISO, the plan, the journal and the read-back; the
peers find an ISO in place and do not look at what they did.
"""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks import govc
from benchmarks.contender import Argv, Contender, counted, extrapolate
from benchmarks.lab import DELAY_MS, PEER_ISO, TASK_MS, Site, site, upload_peer_iso
from benchmarks.measure import BenchmarkError
from benchmarks.report import Claim, Report, figure

VMS = 200
WINDOW = 32
GOVC_SAMPLES, PYVMOMI_SAMPLES = (16, 48), (8, 24)  # VMs a slow peer is measured on
PEERS = Path(__file__).parent / "peers"
VMBOOT = Path(sys.executable).with_name("vmboot")


def floor_s() -> float:
    """The least that is possible with this many tasks in flight, one call and one task each."""
    return math.ceil(VMS / WINDOW) * (DELAY_MS + TASK_MS) / 1000


def measure() -> Report:
    """Run every contender and compare."""
    applied, again, writes, apply_s = _vmboot()
    peers = [_govc(), _pyvmomi()]
    base = applied.wall_s
    rows = [applied.cells(base), _floor_cells(base), *(peer.cells(base) for peer in peers)]
    rows.append(again.cells(base))
    return Report(
        name="fleet",
        title=f"Boot ISO on {VMS} VMs, {DELAY_MS} ms a call, {TASK_MS} ms a task",
        columns=("Way", "wall s", "vs vmboot", "calls/VM", "CPU ms/VM", "peak MiB"),
        rows=tuple(rows),
        claims=_claims(applied, again, writes, peers, apply_s),
        notes=(
            f"\\* measured on {_and(GOVC_SAMPLES)} (govc) and {_and(PYVMOMI_SAMPLES)} (pyvmomi) of "
            f"the {VMS} VMs, extrapolated along the line through both. Times are those of the "
            "whole process; CPU and memory the client's. vmboot builds and uploads its ISO, plans, "
            "journals and reads back within its time; the peers do none of that. The claim on the "
            "floor is about the apply itself, from its first look at the lock to its last read-back"
            f" with the upload between them ({figure(apply_s)} s); the whole process, with start, "
            f"login and plan, took {figure(applied.wall_s / floor_s())}× the floor.",
        ),
    )


def _claims(
    applied: Contender,
    again: Contender,
    writes: int,
    peers: list[Contender],
    apply_s: float,
) -> tuple[Claim, ...]:
    by_govc, by_pyvmomi = peers
    return (
        Claim("API calls a VM, read-back included", applied.calls / VMS, 1.3),
        Claim("apply with upload and read-back, over the floor", apply_s / floor_s(), 1.5, "×"),
        Claim("client CPU a VM", applied.cpu_s * 1000 / VMS, 8, " ms"),
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


def _and(samples: tuple[int, int]) -> str:
    return f"{samples[0]} and {samples[1]}"


def _vmboot() -> tuple[Contender, Contender, int, float]:
    """The first apply, the second, how many writes that made, and seconds of the first's verb."""
    with site(vms=VMS) as place:
        argv: Argv = [VMBOOT, "apply", place.fleet_file(), "--yes", "-q"]
        first, out = counted("vmboot apply", place, argv, vms=VMS)
        check_done(place, VMS)
        words = re.search(r"machines in ([0-9.]+) s", out)
        if words is None:
            raise BenchmarkError(f"vmboot apply did not say how long it took: {out[-200:]}")
        before = place.writes()
        second, _ = counted("vmboot apply, again", place, argv, vms=VMS)
        return first, second, place.writes() - before, float(words[1])


def check_done(place: Site, vms: int) -> None:
    """
    :raises BenchmarkError: ``vmboot apply`` ended well but did not reconfigure all of ``vms``
    """
    done = place.vcenter.counters().writes.get("ReconfigVM_Task", 0)
    if done < vms:
        raise BenchmarkError(f"vmboot apply reconfigured {done} of {vms} VMs")


def _govc() -> Contender:
    argv: Argv = ["xargs", "-P", "8", "-n", "1", PEERS / "govc_attach.sh", PEER_ISO]
    path = os.pathsep.join([str(govc.find_govc().parent), os.environ["PATH"]])
    env = {"GOVC_DATASTORE": "shared-01", "PATH": path}
    return _peer("govc, 8 processes", argv, env, GOVC_SAMPLES)


def _pyvmomi() -> Contender:
    argv: Argv = [sys.executable, PEERS / "sequential_pyvmomi.py", f"[shared-01] {PEER_ISO}"]
    return _peer("pyvmomi, one by one", argv, {}, PYVMOMI_SAMPLES)


def _peer(name: str, argv: Argv, env: Mapping[str, str], samples: tuple[int, int]) -> Contender:
    """One measurement per sample, on VMs that the other did not touch."""
    with site(vms=VMS) as place:
        upload_peer_iso(place)
        small, large = samples
        first, _ = counted(name, place, argv, env, targets=place.names[:small])
        rest = place.names[small : small + large]
        second, _ = counted(name, place, argv, env, targets=rest)
        return extrapolate(first, second, vms=VMS)
