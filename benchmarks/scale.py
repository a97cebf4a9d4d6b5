"""One apply over 5,000 VMs, of a boot ISO and of boot disks: does memory stay within bounds?"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks import disks, fleet
from benchmarks.contender import Argv
from benchmarks.lab import DELAY_MS, FLEET, site
from benchmarks.measure import Usage, run
from benchmarks.report import Claim, Report, figure

VMS = 5000
TASK_MS = 100  # shorter than in the other benchmarks: memory is the question here, not time


@dataclass(frozen=True)
class _Pair:
    """An apply and the one after it, of one method.

    :param calls: of each
    """

    method: str
    usages: tuple[Usage, Usage]
    calls: tuple[int, int]

    @property
    def peak_mb(self) -> float:
        return max(usage.peak_mb for usage in self.usages)

    def rows(self) -> tuple[tuple[str, ...], ...]:
        names = f"vmboot apply, {self.method}", f"vmboot apply, {self.method}, again"
        costs = zip(names, self.usages, self.calls, strict=True)
        return tuple((name, *map(figure, _cells(usage, calls))) for name, usage, calls in costs)


def measure() -> Report:
    """Apply, then apply again, for each method."""
    iso, bdm = _pair("ISO", FLEET), _pair("disks", disks.FLEET)
    return Report(
        name="scale",
        title=f"{VMS:,} VMs, {DELAY_MS} ms a call, {TASK_MS} ms a task, window {fleet.WINDOW}",
        columns=("Command", "wall s", "calls/VM", "CPU ms/VM", "peak MiB"),
        rows=(*iso.rows(), *bdm.rows()),
        claims=(
            Claim(f"peak memory for {VMS:,} VMs, ISO", iso.peak_mb, 120, " MiB"),
            Claim(f"peak memory for {VMS:,} VMs, disks", bdm.peak_mb, 160, " MiB"),
            Claim("API calls a VM, ISO", iso.calls[0] / VMS, 1.3),
            Claim("API calls a VM, disks", bdm.calls[0] / VMS, 3),
        ),
        notes=(
            "Memory grows with the plan, about one machine's state and its changes for each VM. "
            "What a change of disks needs beyond that, whole devices, is held for at most "
            "two batches of 64 VMs.",
        ),
    )


def _pair(method: str, document: str) -> _Pair:
    with site(vms=VMS, task_ms=TASK_MS) as place:
        argv: Argv = [
            fleet.VMBOOT,
            "apply",
            place.fleet_file(document),
            "--power",
            "off",
            "--yes",
            "-q",
        ]
        before = place.calls()
        first = run(argv, env=place.environment)
        middle = place.calls()
        fleet.check_done(place, VMS)
        second = run(argv, env=place.environment)
        return _Pair(method, (first, second), (middle - before, place.calls() - middle))


def _cells(usage: Usage, calls: int) -> tuple[float, ...]:
    return usage.wall_s, calls / VMS, usage.cpu_s * 1000 / VMS, usage.peak_mb
