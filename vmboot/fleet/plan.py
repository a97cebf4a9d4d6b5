"""The plan as data: what would change, per machine, and what will not and why.

Planning is pure: wishes and observations in, a :class:`Plan` out. ``apply`` does what the plan says
and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from vmboot.model import BootMethod
from vmboot.vsphere.devices import Change
from vmboot.vsphere.machine import Machine


class Verdict(StrEnum):
    """What a plan says of one machine."""

    OK = "ok"  # already as wished; no call will be made
    CHANGE = "change"  # will be changed now
    PENDING = "pending"  # partly or wholly waits for its next power off
    REFUSED = "refused"  # will not be touched; ``problems`` says why


@dataclass(frozen=True)
class Problem:
    """Why a machine is refused, or what a person should know about it (``warning``)."""

    message: str
    hint: str | None = None
    warning: bool = False


@dataclass(frozen=True)
class MachinePlan:
    """One machine's part of a plan.

    :param now: changes that are made at once, in order
    :param later: changes that need it powered off; made at once with ``--power off``
    :param iso: datastore path of the boot ISO it will hold; ``""`` for method ``pxe``
    :param group: index of the fleet's ``targets``/``templates`` entry it came from
    """

    machine: Machine
    method: BootMethod
    verdict: Verdict
    now: tuple[Change, ...] = ()
    later: tuple[Change, ...] = ()
    problems: tuple[Problem, ...] = ()
    iso: str = ""
    group: int = 0


@dataclass(frozen=True)
class Upload:
    """One boot ISO on one datastore.

    :param path: datastore path, ``"[shared-01] vmboot/vmboot-boot-0123456789ab.iso"``
    :param present: it is there already with the right size and hash; nothing is sent
    """

    datastore: str
    path: str
    size: int
    sha256: str
    present: bool


@dataclass(frozen=True)
class Plan:
    """Everything one run would do.

    :param fleet: file name of the fleet document
    :param vcenter: host name of the vCenter
    """

    fleet: str
    vcenter: str
    uploads: tuple[Upload, ...] = ()
    machines: tuple[MachinePlan, ...] = ()
    warnings: tuple[str, ...] = field(default=())

    @property
    def has_changes(self) -> bool:
        """True if an apply would write anything now."""
        return any(m.verdict in (Verdict.CHANGE, Verdict.PENDING) for m in self.machines)
