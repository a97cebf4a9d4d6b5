"""Missing privileges, named per entity before anything is touched."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.vsphere_lab import machine, machines, our_iso, session_on, shared, wished
from vmboot.errors import AuthError
from vmboot.lab import Vcenter
from vmboot.vsphere.changes import AddCdrom, MoveDevice, SetCdrom
from vmboot.vsphere.machine import Power
from vmboot.vsphere.privileges import (
    ASSIGN_POOL,
    MANAGE_FILES,
    NEEDED_ON_DATASTORE,
    SET_CD,
    SETTINGS,
    missing_privileges,
    needed_for,
)
from vmboot.vsphere.reconfigure import reconfigure_job
from vmboot.vsphere.session import Session
from vmboot.vsphere.tasks import run_window

pytestmark = pytest.mark.lab


@pytest.fixture
def session(lab: Vcenter) -> Iterator[Session]:
    with session_on(lab) as opened:
        yield opened
    lab.grant_privileges()


def test_an_administrator_lacks_nothing(session: Session):
    iso = our_iso(session)
    needs = {found.moid: needed_for(wished(found, iso)) for found in machines(session, "pvs-*")}

    assert missing_privileges(session, needs) == {}


def test_what_is_missing_is_named_where_it_is_missing(session: Session, lab: Vcenter):
    lab.withhold_privilege("/DC1/vm/PVS/BIOS/pvs-001", SET_CD, SETTINGS)
    lab.withhold_privilege("/DC1/vm/PVS/UEFI", SETTINGS)
    needs = {
        found.moid: frozenset({SET_CD, SETTINGS}) for found in machines(session, "/DC1/vm/PVS/**")
    }
    uefi = {found.moid: (SETTINGS,) for found in machines(session, "/DC1/vm/PVS/UEFI/*")}

    assert missing_privileges(session, needs) == {
        machine(session, "pvs-001").moid: (SETTINGS, SET_CD),
        **uefi,
    }


def test_what_is_not_needed_is_not_missed(session: Session, lab: Vcenter):
    lab.withhold_privilege("/DC1/vm/PVS", SET_CD)
    one, other = machine(session, "pvs-001").moid, machine(session, "pvs-002").moid
    needs = {one: frozenset({SETTINGS}), other: frozenset({SET_CD}), "vm-none": frozenset[str]()}

    assert missing_privileges(session, needs) == {other: (SET_CD,)}


def test_all_entities_are_one_call(session: Session, lab: Vcenter):
    iso = our_iso(session)
    needs = {found.moid: needed_for(wished(found, iso)) for found in machines(session, "pvs-*")}
    lab.reset_counters()
    missing_privileges(session, needs)

    assert lab.counters().total_calls == 1
    assert missing_privileges(session, {}) == {}
    assert lab.counters().total_calls == 1


def test_datastores_and_pools_too(session: Session, lab: Vcenter):
    datastore = shared(session)
    lab.withhold_privilege("/DC1/datastore/shared-01", MANAGE_FILES)
    pool = machine(session, "pvs-001").pool
    assert pool is not None
    lab.withhold_privilege("/DC1/host", ASSIGN_POOL)

    assert missing_privileges(session, {datastore.moid: NEEDED_ON_DATASTORE}, kind="Datastore") == {
        datastore.moid: (MANAGE_FILES,)
    }
    assert missing_privileges(session, {pool: frozenset({ASSIGN_POOL})}, kind="ResourcePool") == {
        pool: (ASSIGN_POOL,)
    }


@pytest.mark.parametrize("kind", [SetCdrom, AddCdrom, MoveDevice])
def test_nothing_we_say_is_needed_is_superfluous(session: Session, lab: Vcenter, kind: type):
    """Without any one of them the vCenter refuses; with all of them it does not."""
    iso = our_iso(session)
    found = next(
        m
        for m in machines(session, "pvs-*")
        if m.power is Power.OFF and kind in map(type, wished(m, iso))
    )
    changes = wished(found, iso)
    for privilege in sorted(needed_for(changes)):
        lab.withhold_privilege(found.path, privilege)
        (outcome,) = run_window(session, [reconfigure_job(found, changes)])
        lab.grant_privileges()
        assert isinstance(outcome.error, AuthError), privilege
        assert privilege in outcome.error.message

    (outcome,) = run_window(session, [reconfigure_job(found, changes)])
    assert outcome.ok, outcome.error
