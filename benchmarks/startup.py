"""What a command costs before it does anything: processor time of ``vmboot --help``."""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

from benchmarks.measure import run
from benchmarks.report import Claim, Report, figure

RUNS = 7
VMBOOT = Path(sys.executable).with_name("vmboot")
COMMANDS: tuple[tuple[str, list[str | Path]], ...] = (
    ("vmboot --help", [VMBOOT, "--help"]),
    ("vmboot apply --help", [VMBOOT, "apply", "--help"]),
    ("python -c pass", [sys.executable, "-c", "pass"]),
    ("python -c 'import pyVmomi'", [sys.executable, "-c", "import pyVmomi"]),
)


def measure() -> Report:
    """The median of several runs each."""
    medians = {name: _median(argv) for name, argv in COMMANDS}
    return Report(
        name="startup",
        title="Starting up",
        columns=("Command", "CPU ms", "peak MiB"),
        rows=tuple((f"`{name}`", figure(cpu), figure(mb)) for name, (cpu, mb) in medians.items()),
        claims=(Claim("CPU of vmboot --help", medians["vmboot --help"][0], 150, " ms"),),
        notes=(f"Median of {RUNS} runs after one to warm the caches.",),
    )


def _median(argv: list[str | Path]) -> tuple[float, float]:
    run(argv, env={})
    usages = [run(argv, env={}) for _ in range(RUNS)]
    return (
        statistics.median(usage.cpu_s * 1000 for usage in usages),
        statistics.median(usage.peak_mb for usage in usages),
    )
