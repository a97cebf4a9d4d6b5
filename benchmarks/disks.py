"""A boot disk (BDM) at 0:0 of 1,000 VMs: vmboot beside govc, pyvmomi and community.vmware.

Every contender runs as a process of its own on a fresh lab with 20 ms a call and 500 ms a task.
vmboot's time contains building its disk, importing it to every datastore, the plan, the journal
and the read-back; the peers find a master in place and do not look at what they did.
"""

from __future__ import annotations

import math
import os
import re
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks import community, govc
from benchmarks.contender import Argv, Contender, counted, extrapolate
from benchmarks.lab import DELAY_MS, TASK_MS, Site, site
from benchmarks.measure import BenchmarkError, run
from benchmarks.report import Claim, Report, figure
from vmboot.vsphere.credentials import resolve
from vmboot.vsphere.inventory import read_index, read_machines
from vmboot.vsphere.session import connect

VMS = 1000
WINDOW = 32
FORKS = 8
BUILDS = 5
GOVC_SAMPLES, PYVMOMI_SAMPLES, ANSIBLE_SAMPLES = (8, 24), (4, 12), (8, 24)  # of slow peers
PEERS = Path(__file__).parent / "peers"
VMBOOT = Path(sys.executable).with_name("vmboot")
MASTER = "bench/bench-master.vmdk"  # where govc puts what it imports from bench-master.vmdk
POOL = "/DC1/host/CL-A/Resources"
FLEET = """\
version: 1
vcenter: {datacenter: DC1}
boot_servers:
  - {name: pvs1, address: 10.0.0.11}
  - {name: pvs2, address: 10.0.0.12}
bootstrap:
  bios: {file: ARDBP32.BIN}
  uefi: {file: pvsnbpx64.efi}
targets:
  - {vms: "/DC1/vm/PVS/**/pvs-*", method: bdm}
"""
BUILD: tuple[str, ...] = (
    "media",
    "bdm",
    "--server",
    "pvs1=10.0.0.11",
    "--server",
    "pvs2=10.0.0.12",
)
BUILD += ("--bootstrap", "bios=ARDBP32.BIN", "--bootstrap", "uefi=pvsnbpx64.efi", "-q")


def floor_s() -> float:
    """The least that is possible with this many in flight: a copy and a reconfigure for each."""
    return 2 * math.ceil(VMS / WINDOW) * (DELAY_MS + TASK_MS) / 1000


def measure() -> Report:
    """Run every contender and compare."""
    build_s, process_s = _build()
    peers = [_govc(), _pyvmomi(), _ansible()]
    applied, again, writes, imports, apply_s = _vmboot()
    base = applied.wall_s
    rows = [applied.cells(base), _floor_cells(base), *(peer.cells(base) for peer in peers)]
    rows.append(again.cells(base))
    return Report(
        name="disks",
        title=f"Boot disk at 0:0 of {VMS:,} VMs, {DELAY_MS} ms a call, {TASK_MS} ms a task",
        columns=("Way", "wall s", "vs vmboot", "calls/VM", "CPU ms/VM", "peak MiB"),
        rows=tuple(rows),
        claims=(
            Claim("CPU of building the disk", build_s, 0.3, " s"),
            Claim("API calls a VM, read-back included", applied.calls / VMS, 3),
            Claim(
                "apply with imports and read-back, over the floor", apply_s / floor_s(), 1.5, "×"
            ),
            Claim("imports a datastore", imports, 1),
            Claim(f"peak memory for {VMS:,} VMs", applied.peak_mb, 130, " MiB"),
            Claim("writes of a second apply", writes, 0),
        ),
        notes=(_note(applied, apply_s, process_s),),
    )


def _note(applied: Contender, apply_s: float, process_s: float) -> str:
    samples = (
        f"{small} and {large} ({name})"
        for name, (small, large) in (
            ("govc", GOVC_SAMPLES),
            ("pyvmomi", PYVMOMI_SAMPLES),
            ("community.vmware", ANSIBLE_SAMPLES),
        )
    )
    return (
        f"\\* measured on {', '.join(samples)} of the {VMS:,} VMs, extrapolated along the line "
        "through both. Times are those of the whole process; CPU and memory the client's. vmboot "
        "builds its disk, imports it to every datastore, plans, journals and reads back within its "
        "time; the peers find a master that govc imported before, and do none of that. "
        "community.vmware has no module that copies a disk on the vCenter's side, so its playbook "
        "has govc do that. The claim on the floor is about the apply itself "
        f"({figure(apply_s)} s); the whole process, with start, login and plan, took "
        f"{figure(applied.wall_s / floor_s())}× the floor. Building the disk is timed without the "
        f"start of Python; all of `vmboot media bdm` takes {figure(process_s)} s of CPU."
    )


def _floor_cells(base_s: float) -> tuple[str, ...]:
    floor = floor_s()
    return (f"floor, {WINDOW} in flight", figure(floor), f"{figure(floor / base_s)}×", "2", "", "")


def _build() -> tuple[float, float]:
    """CPU seconds of building a disk, and of ``vmboot media bdm`` from start to end; medians."""
    once = [sys.executable, "-m", "benchmarks.disk_once"]
    alone = [float(run(once, env={}).out) for _ in range(BUILDS)]
    with tempfile.TemporaryDirectory(prefix="vmboot-bench-") as home:
        whole = [
            run([VMBOOT, *BUILD, "--out", Path(home) / f"{n}.vmdk"], env={}).cpu_s
            for n in range(BUILDS)
        ]
    return statistics.median(alone), statistics.median(whole)


def _vmboot() -> tuple[Contender, Contender, int, float, float]:
    """Both applies, writes of the second, imports a datastore and seconds of the first's verb."""
    with site(vms=VMS) as place:
        stores = len(_datastores(place))
        argv: Argv = [VMBOOT, "apply", place.fleet_file(FLEET), "--power", "off", "--yes", "-q"]
        first, out = counted("vmboot apply", place, argv, vms=VMS)
        counters = place.vcenter.counters()
        _check_done(counters.writes)
        words = re.search(r"machines in ([0-9.]+) s", out)
        if words is None:
            raise BenchmarkError(f"vmboot apply did not say how long it took: {out[-200:]}")
        before = place.writes()
        second, _ = counted("vmboot apply, again", place, argv, vms=VMS)
        imports = counters.calls["ImportVApp"] / stores
        return first, second, place.writes() - before, imports, float(words[1])


def _check_done(writes: Mapping[str, int]) -> None:
    for method in ("CopyVirtualDisk_Task", "ReconfigVM_Task"):
        if writes.get(method, 0) < VMS:
            raise BenchmarkError(f"{method} was sent {writes.get(method, 0)} times for {VMS} VMs")


def _govc() -> Contender:
    argv: Argv = ["xargs", "-P", str(FORKS), "-n", "1", PEERS / "govc_bdm.sh", MASTER]
    return _peer(f"govc, {FORKS} processes", lambda *_: argv, GOVC_SAMPLES)


def _pyvmomi() -> Contender:
    argv: Argv = [sys.executable, PEERS / "sequential_pyvmomi_bdm.py", MASTER]
    return _peer("pyvmomi, one by one", lambda *_: argv, PYVMOMI_SAMPLES)


def _ansible() -> Contender:
    def argv(place: Site, names: Sequence[str]) -> Argv:
        file = PEERS / "community_vmware.yml"
        command = community.playbook(file, names, forks=FORKS, home=place.home)
        return [*command, "-e", f"master={MASTER}"]

    env = community.environment()
    return _peer(f"community.vmware, {FORKS} forks", argv, ANSIBLE_SAMPLES, env=env)


def _peer(
    name: str,
    argv: Callable[[Site, Sequence[str]], Argv],
    samples: tuple[int, int],
    *,
    env: dict[str, str] | None = None,
) -> Contender:
    """One measurement per sample, on VMs that the other did not touch, of a lab of all of them."""
    path = os.pathsep.join([str(govc.find_govc().parent), os.environ["PATH"]])
    with site(vms=VMS) as place:
        _import_master(place)
        small, large = samples
        parts = place.names[:small], place.names[small : small + large]
        env = {**(env or {}), "PATH": path}
        costs = [counted(name, place, argv(place, names), env, targets=names)[0] for names in parts]
        return extrapolate(*costs, vms=VMS)


def _import_master(place: Site) -> None:
    """By govc, to every datastore that has VMs."""
    file = place.home / Path(MASTER).name
    run([VMBOOT, *BUILD, "--format", "vmdk-stream", "--out", file], env=place.environment)
    for store in _datastores(place):
        options = ("-ds", store, "-pool", POOL, "-folder", "/DC1/vm")
        place.govc("import.vmdk", *options, str(file), str(Path(MASTER).parent))


def _datastores(place: Site) -> tuple[str, ...]:
    """Where the VMs' folders are."""
    with connect(resolve(use_keyring=False, env=place.environment)) as session:
        moids = [entry.moid for entry in read_index(session).match("/DC1/vm/PVS/**/pvs-*")]
        homes = {machine.home for machine in read_machines(session, moids)}
    return tuple(sorted({home.partition("]")[0].lstrip("[") for home in homes}))
