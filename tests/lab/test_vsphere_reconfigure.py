"""The whole job on the strict lab: every machine boots from the ISO, then is as it was."""

from __future__ import annotations

import pytest

from tests.lab.vsphere_lab import (
    again,
    machine,
    machines,
    make,
    our_iso,
    session_on,
    shape,
    wished,
)
from vmboot.errors import RemoteError
from vmboot.lab import Vcenter
from vmboot.vsphere.devices import (
    AddCdrom,
    MoveDevice,
    SetBootOrder,
    machine_after,
    plan_cdrom,
    plan_restore,
    same_boot,
)
from vmboot.vsphere.machine import BootEntry, Power
from vmboot.vsphere.power import power_on, shut_down
from vmboot.vsphere.reconfigure import read_devices, reconfigure_job
from vmboot.vsphere.session import Session
from vmboot.vsphere.tasks import run_window
from vmboot.vsphere.templates import to_machine, to_template

pytestmark = pytest.mark.lab
ALL = ("/DC1/vm/PVS/**/pvs-*", "/DC1/vm/Templates/*")


@pytest.fixture
def session(lab: Vcenter):
    with session_on(lab) as opened:
        yield opened
    lab.clear_faults()


def test_there_and_back_on_every_machine_and_template(session: Session):
    iso = our_iso(session)
    before = tuple(found for pattern in ALL for found in machines(session, pattern))
    running = [found.moid for found in before if found.power is Power.ON]
    templates = [found for found in before if found.is_template]
    assert len(before) == 44
    assert running
    assert any(MoveDevice in map(type, wished(found, iso)) for found in before)

    assert all(outcome.ok for outcome in shut_down(session, running, hard=True))
    for template in templates:
        to_machine(session, template)
    outcomes = make(session, {found.moid: (found, wished(found, iso)) for found in before})
    assert [outcome for outcome in outcomes if not outcome.ok] == []
    after = again(session, before)
    for was, now in zip(before, after, strict=True):
        found = tuple(
            w for w in same_boot(machine_after(was, wished(was, iso)), now) if "templ" not in w
        )
        assert found == (), was.path
        assert wished(now, iso) == ()

    back = {now.moid: (now, plan_restore(now, was)) for was, now in zip(before, after, strict=True)}
    outcomes = make(session, back)
    assert [outcome for outcome in outcomes if not outcome.ok] == []
    for template in templates:
        to_template(session, template.moid)
    assert all(outcome.ok for outcome in power_on(session, running))
    assert shape(again(session, before)) == shape(before)


def test_a_running_machine_gets_its_media_live(session: Session):
    iso = our_iso(session)
    found = next(
        found
        for found in machines(session, "pvs-*")
        if found.power is Power.ON and not plan_cdrom(found, iso=iso).powered_off_only
    )
    (outcome,) = run_window(session, [reconfigure_job(found, wished(found, iso))])
    (now,) = again(session, [found])

    assert outcome.ok, outcome.error
    assert wished(now, iso) == ()
    assert now.power is Power.ON


def test_what_needs_power_off_is_refused_by_the_vcenter_in_clear_words(session: Session):
    iso = our_iso(session)
    running = (m for m in machines(session, "pvs-*") if m.power is Power.ON)
    planned = ((m, plan_cdrom(m, iso=iso).changes) for m in running)
    found, changes = next(  # a drive that only changes its media is vmboot's own caution
        (m, changes) for m, changes in planned if any(isinstance(c, AddCdrom) for c in changes)
    )
    (outcome,) = run_window(session, [reconfigure_job(found, changes)])

    assert isinstance(outcome.error, RemoteError)
    assert outcome.error.fault == "InvalidPowerState"
    assert outcome.error.hint


def test_an_edit_by_somebody_else_in_between_is_noticed(session: Session, lab: Vcenter):
    found = machine(session, "pvs-005")
    lab.edit("pvs-005", annotation="somebody was here")
    order = SetBootOrder(found.boot_order, (BootEntry("cdrom"),))
    (outcome,) = run_window(session, [reconfigure_job(found, (order,))])

    assert isinstance(outcome.error, RemoteError)
    assert outcome.error.fault == "ConcurrentAccess"
    assert outcome.error.hint is not None
    assert "plan again" in outcome.error.hint
    assert machine(session, "pvs-005").boot_order == found.boot_order


def test_unless_it_is_not_to_be(session: Session, lab: Vcenter):
    found = machine(session, "pvs-006")
    lab.edit("pvs-006", annotation="somebody was here")
    order = SetBootOrder(found.boot_order, (BootEntry("cdrom"), *found.boot_order))
    (outcome,) = run_window(session, [reconfigure_job(found, (order,), guard=False)])

    assert outcome.ok, outcome.error


def test_other_boot_options_stay(session: Session, lab: Vcenter):
    lab.edit("pvs-007", boot_delay=4321)
    found = machine(session, "pvs-007")
    order = SetBootOrder(found.boot_order, (BootEntry("cdrom"),))
    (outcome,) = run_window(session, [reconfigure_job(found, (order,))])
    options = session.ref("VirtualMachine", found.moid).config.bootOptions

    assert outcome.ok, outcome.error
    assert options.bootDelay == 4321


def test_an_order_is_cleared(session: Session, lab: Vcenter):
    lab.edit("pvs-008", boot_order=["cd", "disk"])
    found = machine(session, "pvs-008")
    assert len(found.boot_order) == 2
    (outcome,) = run_window(
        session, [reconfigure_job(found, (SetBootOrder(found.boot_order, ()),))]
    )

    assert outcome.ok, outcome.error
    assert machine(session, "pvs-008").boot_order == ()


def test_a_moved_disk_in_the_boot_order_is_followed_to_its_new_key(session: Session, lab: Vcenter):
    iso = our_iso(session)
    found = next(
        found
        for found in machines(session, "pvs-*")
        if found.power is Power.OFF and MoveDevice in map(type, wished(found, iso))
    )
    move = next(c for c in wished(found, iso) if isinstance(c, MoveDevice))
    order = SetBootOrder(found.boot_order, (BootEntry("disk", move.key),))
    assert all(outcome.ok for outcome in make(session, {found.moid: (found, (order,))}))
    (before,) = again(session, [found])

    assert all(o.ok for o in make(session, {found.moid: (before, wished(before, iso))}))
    (after,) = again(session, [found])
    disk = next(d for d in after.hardware.devices if d.key == after.boot_order[-1].key)
    assert disk.file == next(d.file for d in before.hardware.devices if d.key == move.key)
    assert disk.key != move.key

    assert all(o.ok for o in make(session, {found.moid: (after, plan_restore(after, before))}))
    assert same_boot(before, again(session, [found])[0]) == ()


def test_a_missing_iso_is_refused_in_clear_words(session: Session):
    found = machine(session, "pvs-009")
    missing = our_iso(session).__class__("iso", path="[shared-01] vmboot/missing.iso")
    plan = plan_cdrom(found, iso=missing)
    (outcome,) = run_window(session, [reconfigure_job(found, plan.changes)])

    assert isinstance(outcome.error, RemoteError)
    assert outcome.error.fault == "FileNotFound"
    assert outcome.error.hint


def test_devices_of_many_machines_are_one_call(session: Session, lab: Vcenter):
    moids = [found.moid for found in machines(session, "pvs-01*")]
    lab.reset_counters()
    devices = read_devices(session, moids)

    assert sorted(devices) == sorted(moids)
    assert lab.counters().total_calls == 1
