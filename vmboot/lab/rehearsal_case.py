"""What was rehearsed, as the judge needs to know it."""

from __future__ import annotations

from dataclasses import dataclass

from vmboot.lab.network_plan import LabPlan
from vmboot.lab.rehearsal_machine import RehearsalMachine


@dataclass(frozen=True)
class Case:
    """What was rehearsed.

    :param file: the bootstrap's name on the boot servers
    :param marked: the bootstrap is ours and says on the console that it runs
    """

    machine: RehearsalMachine
    plan: LabPlan
    file: str
    marked: bool
