"""One way of doing a job on many VMs, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.lab import Site
from benchmarks.measure import run
from benchmarks.report import figure

Argv = Sequence[str | Path]


@dataclass(frozen=True)
class Contender:
    """What one way of doing the job cost.

    :param calls: calls that reached the vCenter
    :param vms: how many VMs it was given
    :param scaled: the figures are extrapolated to ``vms``
    """

    name: str
    wall_s: float
    cpu_s: float
    peak_mb: float
    calls: float
    vms: int
    scaled: bool = False

    def cells(self, base_s: float) -> tuple[str, ...]:
        """Name, wall seconds, against ``base_s``, calls and CPU ms a VM, peak MiB."""
        return (
            self.name,
            figure(self.wall_s) + ("*" if self.scaled else ""),
            f"{figure(self.wall_s / base_s)}×",
            figure(self.calls / self.vms),
            figure(self.cpu_s * 1000 / self.vms),
            figure(self.peak_mb),
        )


def extrapolate(small: Contender, large: Contender, *, vms: int) -> Contender:
    """To ``vms``, along the line through two measurements: what a tool does once, such as walking
    the inventory, is not multiplied.
    """

    def at_all(first: float, second: float) -> float:
        return first + (second - first) * (vms - small.vms) / (large.vms - small.vms)

    return Contender(
        name=large.name,
        wall_s=at_all(small.wall_s, large.wall_s),
        cpu_s=at_all(small.cpu_s, large.cpu_s),
        calls=at_all(small.calls, large.calls),
        peak_mb=max(small.peak_mb, large.peak_mb),
        vms=vms,
        scaled=True,
    )


def counted(
    name: str,
    place: Site,
    argv: Argv,
    env: Mapping[str, str] | None = None,
    *,
    targets: Sequence[str] = (),
    vms: int = 0,
) -> tuple[Contender, str]:
    """Run one contender; ``targets`` go to its input. What it cost and what it wrote.

    :param vms: how many it works on, where that is not the number of ``targets``
    """
    before = place.calls()
    usage = run(argv, env={**place.environment, **(env or {})}, stdin="\n".join(targets))
    cost = Contender(
        name=name,
        wall_s=usage.wall_s,
        cpu_s=usage.cpu_s,
        peak_mb=usage.peak_mb,
        calls=place.calls() - before,
        vms=vms or len(targets),
    )
    return cost, usage.out
