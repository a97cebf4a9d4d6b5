"""One apply over 5,000 VMs: does memory stay within bounds?"""

from __future__ import annotations

from benchmarks.fleet import VMBOOT, WINDOW, check_done
from benchmarks.lab import DELAY_MS, site
from benchmarks.measure import run
from benchmarks.report import Claim, Report, figure

VMS = 5000
TASK_MS = 100  # shorter than in the fleet benchmark: memory is the question here, not time


def measure() -> Report:
    """Apply, then apply again."""
    with site(vms=VMS, task_ms=TASK_MS) as place:
        argv = [VMBOOT, "apply", place.fleet_file(), "--yes", "-q"]
        before = place.calls()
        first = run(argv, env=place.environment)
        middle = place.calls()
        check_done(place, VMS)
        second = run(argv, env=place.environment)
        after = place.calls()
    rows = tuple(
        (name, *(figure(x) for x in (u.wall_s, calls / VMS, u.cpu_s * 1000 / VMS, u.peak_mb)))
        for name, u, calls in (
            ("vmboot apply", first, middle - before),
            ("vmboot apply, again", second, after - middle),
        )
    )
    return Report(
        name="scale",
        title=f"{VMS:,} VMs, {DELAY_MS} ms a call, {TASK_MS} ms a task, window {WINDOW}",
        columns=("Command", "wall s", "calls/VM", "CPU ms/VM", "peak MiB"),
        rows=rows,
        claims=(
            Claim(f"peak memory for {VMS:,} VMs", max(first.peak_mb, second.peak_mb), 120, " MiB"),
            Claim("API calls a VM", (middle - before) / VMS, 1.3),
        ),
    )
