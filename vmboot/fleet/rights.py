"""Missing privileges, found while planning instead of half-way through a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from vmboot.errors import AuthError
from vmboot.fleet.plan import MachinePlan, PowerPolicy, Problem, Upload, Verdict
from vmboot.vsphere.importplace import import_place
from vmboot.vsphere.placement import choice_of
from vmboot.vsphere.privileges import (
    NEEDED_FOR_DISKS,
    NEEDED_ON_DATASTORE,
    missing_privileges,
    needed_for,
)
from vmboot.vsphere.storage import Storage

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session


def refuse_without_privileges(
    session: Session, planned: Sequence[MachinePlan], *, power: PowerPolicy
) -> tuple[MachinePlan, ...]:
    """The same plans; machines that this login may not change are refused, privileges named.

    Costs nothing when there is nothing to change now.
    """
    needs = {plan.machine.moid: _needs(plan, power) for plan in planned if plan.has_work}
    needs = {moid: privileges for moid, privileges in needs.items() if privileges}
    missing = missing_privileges(session, needs) if needs else {}
    return tuple(
        _refused(plan, missing[plan.machine.moid], session.user)
        if plan.machine.moid in missing
        else plan
        for plan in planned
    )


def _needs(plan: MachinePlan, power: PowerPolicy) -> frozenset[str]:
    """What the changes need that an apply would make now."""
    off = power == "off"
    return needed_for(
        (*plan.now, *plan.later) if off else plan.now,
        is_template=plan.machine.is_template or plan.make_template,
        power_off=off and bool(plan.later),
    )


def _refused(plan: MachinePlan, missing: tuple[str, ...], user: str) -> MachinePlan:
    word = "privilege" if len(missing) == 1 else "privileges"
    problem = Problem(
        f"{user} lacks the {word} {', '.join(missing)} on it",
        hint="grant a role that has them on this machine or a folder above it",
    )
    return replace(plan, verdict=Verdict.REFUSED, now=(), later=(), problems=(problem,))


def check_datastores(session: Session, uploads: Sequence[Upload]) -> None:
    """Check that this login may put the media where they go, and copy BDM disks there.

    :raises AuthError: it may not; names privilege and datastore
    """
    needs = dict(_store_needs(uploads))
    missing = missing_privileges(session, needs, kind="Datastore") if needs else {}
    for upload in uploads:
        if upload.moid in missing:
            lacking = ", ".join(missing[upload.moid])
            setting = "" if upload.kind == "bdm" else ", or name another one in media.iso.datastore"
            raise AuthError(
                f"{session.user} lacks {lacking} on datastore {upload.datastore}",
                hint=f"grant {lacking} there{setting}",
            )


def check_homes(session: Session, stores: Mapping[str, str]) -> None:
    """Check that this login may put files into the folders of machines.

    :param stores: names of their datastores, by managed object id
    :raises AuthError: it may not; names privilege and datastore
    """
    needs = dict.fromkeys(stores, NEEDED_ON_DATASTORE)
    missing = missing_privileges(session, needs, kind="Datastore") if needs else {}
    for moid, privileges in missing.items():
        lacking = ", ".join(privileges)
        raise AuthError(
            f"{session.user} lacks {lacking} on datastore {stores[moid]}",
            hint=f"grant {lacking} there, or leave media.secure_boot.enroll out",
        )


def check_imports(
    session: Session, storage: Storage, uploads: Sequence[Upload], *, way: str
) -> None:
    """Check that this login may import masters as appliances, where the document demands that.

    :param way: ``media.bdm.import``; ``auto`` finds another way where this one is not allowed
    :raises AuthError: it may not; names what it lacks
    """
    missing = {upload.moid for upload in uploads if upload.kind == "bdm" and not upload.present}
    for store in storage.datastores if way == "nfc" else ():
        if store.moid in missing:
            lacks = import_place(session, storage, choice_of(store)).lacks
            if lacks:
                lacking = ", ".join(lacks)
                raise AuthError(
                    f"{session.user} cannot import to datastore {store.name}: it lacks {lacking}",
                    hint="grant that, or set media.bdm.import to auto or flat",
                )


def _store_needs(uploads: Sequence[Upload]) -> Iterator[tuple[str, frozenset[str]]]:
    """A master is there to be copied, so its datastore counts even if it is there already."""
    for upload in sorted(uploads, key=lambda upload: upload.kind, reverse=True):
        if upload.kind == "bdm":
            yield upload.moid, NEEDED_FOR_DISKS
        elif not upload.present:
            yield upload.moid, NEEDED_ON_DATASTORE
