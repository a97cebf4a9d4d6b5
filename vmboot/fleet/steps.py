"""One machine's change as the engine carries it out, whatever it is for: apply, undo or repair."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vmboot.fleet.journal import Intent
from vmboot.vsphere.changes import AddDisk, Change, SetBootOrder
from vmboot.vsphere.devices import defer_boot_order, predict_boot_order, same_boot
from vmboot.vsphere.effects import machine_after
from vmboot.vsphere.machine import Machine


@dataclass(frozen=True)
class Step:
    """From what a machine is to what it should be.

    :param machine: as it is now
    :param changes: in the order they are made; may be empty when only the kind changes
    :param to_template: it is a template when all is done
    :param rest: why something stays to be done later, ``""`` if nothing does
    """

    machine: Machine
    changes: tuple[Change, ...]
    to_template: bool = False
    rest: str = ""

    @property
    def moid(self) -> str:
        return self.machine.moid

    @property
    def split(self) -> tuple[tuple[Change, ...], SetBootOrder | None]:
        """What the first reconfigure carries, and the boot order that must wait for new keys."""
        return defer_boot_order(self.changes, machine=self.machine)

    @property
    def predicted(self) -> tuple[Change, ...] | None:
        """All in one reconfigure, with the keys that new and moved disks should get.

        ``None`` if no order has to wait for them anyway, or they cannot be foretold.
        """
        order = predict_boot_order(self.changes, self.machine)
        return None if order is None else (*self.split[0], order)

    @property
    def added_disks(self) -> tuple[AddDisk, ...]:
        """Disks whose files must be there first."""
        return tuple(change for change in self.changes if isinstance(change, AddDisk))

    @property
    def has_secure_db(self) -> bool:
        """True if its settings for Secure Boot's db were read, so that they must be again."""
        return self.machine.secure_db is not None

    @property
    def intent(self) -> Intent:
        """The journal's line: a template stays one in ``before``, even if found as a VM."""
        return Intent(replace(self.machine, is_template=self.to_template), self.changes)

    def missing(self, found: Machine) -> tuple[str, ...]:
        """Where ``found`` is not as this step wants it, in words."""
        expected = machine_after(self.machine, self.changes)
        return same_boot(replace(expected, is_template=self.to_template), found)

    def untouched(self, found: Machine) -> bool:
        """True if nothing of this step happened to ``found``."""
        return not same_boot(replace(self.machine, is_template=found.is_template), found)
