"""The plan as data: what would change, per machine, and what will not and why.

Planning is pure: wishes and observations in, a :class:`Plan` out. ``apply`` does what the plan says
and nothing else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from vmboot.model import BootMethod
from vmboot.vsphere.changes import Change, Problem
from vmboot.vsphere.machine import Machine

if TYPE_CHECKING:
    from vmboot.fleet.words import DiffLine

__all__ = ["MachinePlan", "Plan", "PowerPolicy", "Problem", "Upload", "Verdict"]

#: A machine whose change needs it powered off: wait for that, or shut it down.
PowerPolicy: TypeAlias = Literal["leave", "off"]


class Verdict(StrEnum):
    """What a plan says of one machine."""

    OK = "ok"  # already as wished; no call will be made
    CHANGE = "change"  # will be changed now
    PENDING = "pending"  # partly or wholly waits for its next power off
    REFUSED = "refused"  # will not be touched; ``problems`` says why


@dataclass(frozen=True)
class MachinePlan:
    """One machine's part of a plan.

    :param now: changes that are made at once, in order
    :param later: changes that need it powered off; made at once with ``--power off``
    :param iso: datastore path of the boot ISO it will hold; ``""`` for another method
    :param bdm: datastore path of its copy of the BDM disk; ``""`` for another method
    :param group: index of the fleet's ``targets``/``templates`` entry it came from
    :param make_template: an unfinished run left this template a VM; it becomes a template again
    """

    machine: Machine
    method: BootMethod
    verdict: Verdict
    now: tuple[Change, ...] = ()
    later: tuple[Change, ...] = ()
    problems: tuple[Problem, ...] = ()
    iso: str = ""
    bdm: str = ""
    group: int = 0
    make_template: bool = False

    @property
    def has_work(self) -> bool:
        """True if something about this machine is not as wished and vmboot can mend it."""
        return self.verdict in (Verdict.CHANGE, Verdict.PENDING)

    @property
    def shut_down(self) -> bool:
        """True if it runs and an apply of this plan shuts it down, because of ``--power off``."""
        return self.verdict is Verdict.CHANGE and bool(self.later)

    @property
    def diff(self) -> tuple[DiffLine, ...]:
        """Everything that changes, in words, in the order it is done."""
        from vmboot.fleet.words import diff

        return diff(self)


@dataclass(frozen=True)
class Upload:
    """One boot ISO, or the master of BDM disks, on one datastore.

    :param datastore: name
    :param path: datastore path, ``"[shared-01] vmboot/vmboot-boot-0123456789ab.iso"``
    :param moid: managed object id of the datastore
    :param present: it is there already with the right size and hash; nothing is sent
    :param kind: a master of BDM disks is imported, not just sent
    """

    datastore: str
    path: str
    size: int
    sha256: str
    present: bool
    moid: str = ""
    kind: Literal["iso", "bdm"] = "iso"

    @property
    def file(self) -> str:
        """The path within the datastore, ``"vmboot/vmboot-boot-0123456789ab.iso"``."""
        return self.path.partition("] ")[2]


@dataclass(frozen=True)
class Plan:
    """Everything one run would do.

    :param fleet: file name of the fleet document
    :param vcenter: host name of the vCenter
    :param unfinished: ids of runs that ended in the middle; an apply repairs what they left
    """

    fleet: str
    vcenter: str
    uploads: tuple[Upload, ...] = ()
    machines: tuple[MachinePlan, ...] = ()
    warnings: tuple[str, ...] = field(default=())
    unfinished: tuple[str, ...] = ()

    @property
    def has_changes(self) -> bool:
        """True if something is not as wished, or was left in the middle."""
        missing = any(not upload.present for upload in self.uploads)
        return missing or bool(self.unfinished) or any(m.has_work for m in self.machines)

    @property
    def counts(self) -> dict[str, int]:
        """Machines per verdict, every verdict named."""
        counter = Counter(machine.verdict for machine in self.machines)
        return {verdict.value: counter[verdict] for verdict in Verdict}

    @property
    def shut_down(self) -> tuple[str, ...]:
        """Inventory paths of the machines that an apply of this plan shuts down."""
        return tuple(plan.machine.path for plan in self.machines if plan.shut_down)

    def to_json(self) -> dict[str, Any]:
        """The plan as a JSON object; ``counts``, ``shut_down`` and ``diff`` are there for people.

        :meth:`from_json` gives the same plan back.
        """
        from vmboot.fleet.codec import encode

        document: dict[str, Any] = encode(self)
        document["counts"] = self.counts
        document["shut_down"] = list(self.shut_down)
        for machine, row in zip(self.machines, document["machines"], strict=True):
            row["shut_down"] = machine.shut_down
            row["diff"] = [line.to_json() for line in machine.diff]
        return document

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        """The plan that :meth:`to_json` wrote.

        :raises InputError: it is something else
        """
        from vmboot.fleet.codec import decode

        return decode(cls, data)
