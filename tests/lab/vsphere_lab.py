"""What the tests of the vSphere layer share: a session on a lab, and the whole job in few words."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from vmboot.events import Event
from vmboot.lab import Vcenter
from vmboot.vsphere.credentials import Credentials
from vmboot.vsphere.devices import (
    Change,
    defer_boot_order,
    machine_after,
    plan_boot_order,
    plan_cdrom,
    rebase_boot_order,
)
from vmboot.vsphere.inventory import read_index, read_machines
from vmboot.vsphere.machine import CdBacking, Machine
from vmboot.vsphere.placement import DatastoreChoice, choice_of
from vmboot.vsphere.reconfigure import reconfigure_job
from vmboot.vsphere.session import Session, connect
from vmboot.vsphere.storage import read_storage
from vmboot.vsphere.tasks import Outcome, run_window
from vmboot.vsphere.transfer import upload

ISO = b"an ISO, as far as the lab cares" * 1000
ISO_SHA256 = hashlib.sha256(ISO).hexdigest()
ISO_PATH = "vmboot/boot.iso"


def credentials(lab: Vcenter, **changes: Any) -> Credentials:
    """The lab's login, or one that is wrong in some way."""
    right = Credentials(
        host=lab.host,
        port=lab.port,
        user=lab.user,
        password=lab.password,
        thumbprint=lab.thumbprint,
    )
    return replace(right, **changes)


@contextmanager
def session_on(
    lab: Vcenter, events: list[Event] | None = None, **changes: Any
) -> Iterator[Session]:
    """A session whose events are kept."""
    sink = events.append if events is not None else (lambda _event: None)
    with connect(credentials(lab, **changes), sink=sink) as session:
        yield session


def shared(session: Session, name: str = "shared-01") -> DatastoreChoice:
    """A datastore of the lab by its name."""
    return choice_of(read_storage(session).datastore(name)[0])


def our_iso(session: Session) -> CdBacking:
    """The boot ISO, uploaded."""
    datastore = shared(session)
    upload(session, datastore=datastore, path=ISO_PATH, data=ISO, sha256=ISO_SHA256)
    return CdBacking("iso", path=datastore.path(ISO_PATH), datastore=datastore.moid)


def machines(session: Session, pattern: str) -> tuple[Machine, ...]:
    """Machines by pattern, with their devices."""
    return read_machines(session, [entry.moid for entry in read_index(session).match(pattern)])


def machine(session: Session, pattern: str) -> Machine:
    (found,) = machines(session, pattern)
    return found


def again(session: Session, found: Iterable[Machine]) -> tuple[Machine, ...]:
    """The same machines, read anew."""
    return read_machines(session, [item.moid for item in found])


def wished(found: Machine, iso: CdBacking) -> tuple[Change, ...]:
    """All that makes a machine boot from the ISO."""
    slot = plan_cdrom(found, iso=iso)
    assert not slot.refused, slot.problems
    order = plan_boot_order(machine_after(found, slot.changes), first="cdrom")
    return (*slot.changes, *((order,) if order else ()))


def make(session: Session, plans: dict[str, tuple[Machine, tuple[Change, ...]]]) -> list[Outcome]:
    """Make changes in one pass, and deferred boot orders in a second; all outcomes."""
    passes = {
        moid: (planned_on, *defer_boot_order(changes, machine=planned_on))
        for moid, (planned_on, changes) in plans.items()
    }
    now = {found.moid: found for found in read_machines(session, passes)}
    first = [
        reconfigure_job(now[m], now_changes)
        for m, (_, now_changes, _) in passes.items()
        if now_changes
    ]
    outcomes = list(run_window(session, first))
    waiting = {moid: (found, order) for moid, (found, _, order) in passes.items() if order}
    for found in read_machines(session, waiting):
        planned_on, order = waiting[found.moid]
        rebased = rebase_boot_order(order, planned_on=planned_on, now=found)
        if rebased:
            outcomes += run_window(session, [reconfigure_job(found, (rebased,))])
    return outcomes


def shape(found: Iterable[Machine]) -> tuple[Machine, ...]:
    """Machines without what changes with every edit, for comparing whole values."""
    return tuple(replace(item, change_version="") for item in found)
