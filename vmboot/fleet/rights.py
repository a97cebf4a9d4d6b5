"""Missing privileges, found while planning instead of half-way through a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from vmboot.errors import AuthError
from vmboot.fleet.plan import MachinePlan, PowerPolicy, Problem, Upload, Verdict
from vmboot.vsphere.disks import keeps_objects
from vmboot.vsphere.files import lacks_namespace
from vmboot.vsphere.importing import refuse_flat
from vmboot.vsphere.importplace import import_place
from vmboot.vsphere.placement import DatastoreChoice, choice_of
from vmboot.vsphere.privileges import (
    CONFIGURE_STORE,
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


def check_datastores(session: Session, storage: Storage, uploads: Sequence[Upload]) -> None:
    """Check that this login may put the media where they go, and copy BDM disks there.

    :raises AuthError: it may not; names privilege and datastore
    """
    needs = dict(_store_needs(uploads))
    for moid in _without_folder(session, storage, uploads):
        needs[moid] |= {CONFIGURE_STORE}
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
    """Check that masters get to their datastores in the way that the document demands.

    :param way: ``media.bdm.import``; ``auto`` finds another way where one is not allowed
    :raises AuthError: the login may not; names what it lacks
    :raises RefusedError: the way does not work there
    """
    missing = {upload.moid for upload in uploads if upload.kind == "bdm" and not upload.present}
    for store in storage.datastores:
        if store.moid in missing and way == "flat":
            refuse_flat(choice_of(store))
        elif store.moid in missing and way == "nfc":
            _check_nfc(session, storage, choice_of(store))


def _check_nfc(session: Session, storage: Storage, store: DatastoreChoice) -> None:
    lacks = import_place(session, storage, store).lacks
    if lacks:
        lacking = ", ".join(lacks)
        other = "auto" if keeps_objects(store) else "auto or flat"
        raise AuthError(
            f"{session.user} cannot import to datastore {store.name}: it lacks {lacking}",
            hint=f"grant that, or set media.bdm.import to {other}",
        )


def _without_folder(session: Session, storage: Storage, uploads: Sequence[Upload]) -> Iterator[str]:
    """Datastores where the folder of the media is to be made, and is an object."""
    stores = {store.moid: choice_of(store) for store in storage.datastores}
    folders = {
        (upload.moid, upload.file.partition("/")[0])
        for upload in uploads
        if "/" in upload.file and not upload.present
    }
    for moid, folder in sorted(folders):
        if moid in stores and lacks_namespace(session, datastore=stores[moid], folder=folder):
            yield moid


def _store_needs(uploads: Sequence[Upload]) -> Iterator[tuple[str, frozenset[str]]]:
    """A master is there to be copied, so its datastore counts even if it is there already."""
    for upload in sorted(uploads, key=lambda upload: upload.kind, reverse=True):
        if upload.kind == "bdm":
            yield upload.moid, NEEDED_FOR_DISKS
        elif not upload.present:
            yield upload.moid, NEEDED_ON_DATASTORE
