"""One machine's change as the engine carries it out, whatever it is for: apply, undo or repair."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from vmboot.fleet.compare import State, differences, state_of
from vmboot.fleet.journal import Intent
from vmboot.vsphere.devices import Change, apply_changes
from vmboot.vsphere.machine import Machine


@dataclass(frozen=True)
class Step:
    """From what a machine is to what it should be.

    :param machine: as it is now
    :param changes: in the order they are made; may be empty when only the kind changes
    :param to_template: it is a template when all is done
    :param power_off: shut it down first
    :param rest: why something stays to be done later, ``""`` if nothing does
    """

    machine: Machine
    changes: tuple[Change, ...]
    to_template: bool = False
    power_off: bool = False
    rest: str = ""

    @property
    def moid(self) -> str:
        return self.machine.moid

    @property
    def expected(self) -> State:
        """What the read-back must find."""
        machine = self.machine
        hardware, order = apply_changes(machine.hardware, machine.boot_order, self.changes)
        return State(hardware, order, self.to_template)

    @property
    def intent(self) -> Intent:
        """The journal's line: a template stays one in ``before``, even if found as a VM."""
        before = replace(self.machine, is_template=self.to_template)
        return Intent(before, self.changes, self.expected)

    def missing(self, found: Machine) -> tuple[str, ...]:
        """Where ``found`` is not as this step wants it."""
        return differences(self.expected, state_of(found))

    def untouched(self, found: Machine) -> bool:
        """True if nothing of this step happened to ``found``."""
        return not differences(state_of(self.machine), state_of(found), templates=False)


def moids(steps: Iterable[Step]) -> tuple[str, ...]:
    return tuple(step.moid for step in steps)
