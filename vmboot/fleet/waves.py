"""How a rollout is cut into waves, and when it has seen too many failures."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import TYPE_CHECKING

from vmboot.errors import InputError

if TYPE_CHECKING:
    from vmboot.fleet.plan import MachinePlan, Plan
    from vmboot.fleet.specmodels import Rollout


@dataclass(frozen=True)
class Amount:
    """A count of machines or a share of them."""

    value: float
    percent: bool = False

    @classmethod
    def parse(cls, text: str | int) -> Amount:
        """``3``, ``"3"`` or ``"2%"``.

        :raises InputError: neither

        >>> Amount.parse("10%").of(44)
        4
        """
        given = str(text).strip()
        percent = given.endswith("%")
        try:
            value = float(given.removesuffix("%")) if percent else float(int(given))
        except ValueError:
            value = -1.0
        if value < 0 or math.isnan(value) or (percent and value > 100):
            raise InputError(
                f"{given!r} is neither a number of machines nor a share of them",
                hint="write 3 or 2%",
            )
        return cls(value, percent)

    def of(self, total: int) -> int:
        """How many of ``total`` that is, rounded down."""
        return int(total * self.value / 100) if self.percent else int(self.value)


@dataclass(frozen=True)
class Budget:
    """How many machines may fail before a run stops submitting more."""

    amount: Amount

    @classmethod
    def parse(cls, text: str | int) -> Budget:
        """``"2%"`` or ``3``; 0 stops at the first failure.

        :raises InputError: neither a number nor a share
        """
        return cls(Amount.parse(text))

    def exceeded(self, failed: int, total: int) -> bool:
        return failed > self.amount.of(total)


#: No limit: every machine is tried.
UNLIMITED = Budget(Amount(100, percent=True))


@dataclass(frozen=True)
class Wave:
    """Machines that are handled together.

    :param name: ``"canary"``, ``"wave 1"``, …
    :param paths: inventory paths
    """

    name: str
    paths: tuple[str, ...]


def split(plan: Plan, rollout: Rollout) -> tuple[Wave, ...]:
    """The machines that have something to do, in waves: canary first, templates last.

    The canary takes turns among firmwares and methods, so that two canaries of a mixed fleet are
    one of each. A share is of all machines with work, and at least one machine.
    """
    working = [machine for machine in plan.machines if machine.has_work]
    ordered = _mixed([m for m in working if not _template(m)])
    ordered += [m for m in working if _template(m)]
    paths = [machine.machine.path for machine in ordered]
    canary = min(Amount.parse(rollout.canary).of(len(paths)), len(paths))
    size = max(1, Amount.parse(rollout.wave).of(len(paths)))
    waves = [Wave("canary", tuple(paths[:canary]))] if canary else []
    rest = paths[canary:]
    for number, start in enumerate(range(0, len(rest), size), start=1):
        waves.append(Wave(f"wave {number}", tuple(rest[start : start + size])))
    return tuple(waves)


def _template(plan: MachinePlan) -> bool:
    return plan.machine.is_template or plan.make_template


def _mixed(machines: Sequence[MachinePlan]) -> list[MachinePlan]:
    groups: dict[tuple[str, str], list[MachinePlan]] = defaultdict(list)
    for machine in machines:
        groups[(machine.machine.firmware, machine.method)].append(machine)
    turns = chain.from_iterable(zip_longest(*groups.values()))
    return [machine for machine in turns if machine is not None]
