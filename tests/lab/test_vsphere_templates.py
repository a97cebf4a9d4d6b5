"""Templates to machines and back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.vsphere_lab import again, machine, machines, session_on, shape
from vmboot.errors import AuthError, RemoteError
from vmboot.lab import Vcenter
from vmboot.vsphere.changes import SetBootOrder
from vmboot.vsphere.machine import BootEntry, Power
from vmboot.vsphere.reconfigure import reconfigure_job
from vmboot.vsphere.session import Session
from vmboot.vsphere.tasks import run_window
from vmboot.vsphere.templates import pool_path, root_pools, to_machine, to_template

pytestmark = pytest.mark.lab


@pytest.fixture
def session(lab: Vcenter) -> Iterator[Session]:
    with session_on(lab) as opened:
        yield opened


def test_there_and_back_a_template_is_what_it_was(session: Session):
    before = machines(session, "tpl-*")
    for template in before:
        to_machine(session, template)
    between = again(session, before)
    assert not any(found.is_template for found in between)
    assert all(found.pool for found in between)
    assert [found.host for found in between] == [found.host for found in before]

    for template in before:
        to_template(session, template.moid)
    assert shape(again(session, before)) == shape(before)


def test_a_template_itself_cannot_be_changed(session: Session):
    found = machine(session, "tpl-win11-pvs")
    order = SetBootOrder(found.boot_order, (BootEntry("cdrom"),))
    (outcome,) = run_window(session, [reconfigure_job(found, (order,))])

    assert isinstance(outcome.error, RemoteError)
    assert outcome.error.fault == "NotSupported"


def test_a_running_machine_does_not_become_a_template(session: Session):
    found = next(m for m in machines(session, "pvs-*") if m.power is Power.ON)
    with pytest.raises(RemoteError) as refused:
        to_template(session, found.moid)

    assert refused.value.fault == "InvalidPowerState"


def test_pools_of_many_templates_are_one_call(session: Session, lab: Vcenter):
    hosts = {found.host for found in machines(session, "*")}
    lab.reset_counters()
    pools = root_pools(session, hosts)

    assert set(pools) == hosts
    assert len(set(pools.values())) == 3  # two clusters and the lonely host
    assert lab.counters().total_calls == 1


def test_no_hosts_no_call(session: Session, lab: Vcenter):
    lab.reset_counters()

    assert root_pools(session, ("",)) == {}
    assert lab.counters().total_calls == 0


def test_a_pool_where_a_privilege_is_missing_is_named(session: Session, lab: Vcenter):
    found = machine(session, "tpl-win11-pvs")
    pool = root_pools(session, (found.host,))[found.host]
    path = pool_path(session, pool)
    lab.withhold_privilege(path, "Resource.AssignVMToPool")
    try:
        with pytest.raises(AuthError) as refused:
            to_machine(session, found)
    finally:
        lab.grant_privileges()

    assert found.path in refused.value.message
    hint = refused.value.hint or ""
    assert path.startswith("/DC1/host/")
    assert f"Resource.AssignVMToPool on the resource pool {path}" in hint
