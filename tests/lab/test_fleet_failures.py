"""What goes wrong in the middle of an apply, and what is left when it is over."""

import hashlib
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.lab.fleetlab import ALL, Site, changed, outcome, planned, site_on
from vmboot.clock import Deadline, poll
from vmboot.errors import LockedError, RefusedError
from vmboot.events import Event
from vmboot.fleet.apply import apply_plan
from vmboot.fleet.journal import runs_dir
from vmboot.fleet.lock import run_lock
from vmboot.fleet.plan import Verdict
from vmboot.fleet.result import Done
from vmboot.fleet.runs import list_runs, load_run
from vmboot.lab import Vcenter
from vmboot.vsphere.inventory import read_machines
from vmboot.vsphere.machine import Power
from vmboot.vsphere.placement import choice_of
from vmboot.vsphere.storage import read_storage
from vmboot.vsphere.transfer import upload

pytestmark = pytest.mark.lab
TEMPLATES = ["tpl-win11-pvs", "tpl-win10-bios"]


@pytest.fixture
def site(small_lab: Callable[..., Vcenter], tmp_path) -> Iterator[Site]:
    lab = small_lab(vms=12, templates=2)
    with site_on(lab, tmp_path) as opened:
        yield opened


def templates(dump: dict[str, dict[str, Any]]) -> list[str]:
    return sorted(p for p, machine in dump.items() if machine["config.template"] == "true")


def test_a_task_that_fails_is_that_machine_s_own_failure(site: Site) -> None:
    before = site.dump()
    site.lab.fault("task-fails", method="ReconfigVM_Task", vm="pvs-001", message="no such luck")
    result = site.apply(site.fleet())
    assert (result.failed, result.done) == (1, 13)
    assert "no such luck" in outcome(result, "pvs-001").error
    assert "/DC1/vm/PVS/BIOS/pvs-001" not in changed(before, site.dump())
    site.undo(result.run_id)
    assert changed(before, site.dump()) == []


def test_too_many_failures_stop_the_run(site: Site) -> None:
    site.lab.fault("task-fails", method="ReconfigVM_Task", count=-1)
    fleet = site.fleet()
    plan = site.plan(fleet)
    result = apply_plan(
        plan, fleet, site.session, window=2, max_failures=1, loader_dirs=[site.loaders]
    )
    assert result.stopped
    assert 2 <= result.failed <= 4
    skipped = [o for o in result.outcomes if o.verdict is Done.SKIPPED]
    assert len(skipped) >= 6
    assert "too many machines failed" in skipped[0].error


def test_a_template_whose_change_fails_is_a_template_again(site: Site) -> None:
    before = site.dump()
    site.lab.fault("task-fails", method="ReconfigVM_Task", vm=TEMPLATES[0])
    result = site.apply(site.fleet())
    assert outcome(result, TEMPLATES[0]).verdict is Done.FAILED
    assert templates(site.dump()) == templates(before)


def test_a_template_that_does_not_come_back_is_repaired_by_the_next_apply(site: Site) -> None:
    before = site.dump()
    site.lab.fault("fault", method="MarkAsTemplate", vm=TEMPLATES[0], fault="GenericVmConfigFault")
    fleet = site.fleet()
    first = site.apply(fleet)
    assert outcome(first, TEMPLATES[0]).verdict is Done.FAILED
    assert "it is not a template any more" in outcome(first, TEMPLATES[0]).error
    assert len(templates(site.dump())) == len(templates(before)) - 1

    plan = site.plan(fleet)
    assert plan.unfinished == (first.run_id,)
    assert planned(plan, TEMPLATES[0]).make_template
    second = site.apply(fleet, plan)
    assert outcome(second, TEMPLATES[0]).verdict is Done.DONE
    assert second.resumed == (first.run_id,)
    assert templates(site.dump()) == templates(before)
    assert site.undo(second.run_id).failed == 0
    assert changed(before, site.dump()) == []


def test_a_session_that_expires_in_the_middle(site: Site) -> None:
    fleet = site.fleet()
    plan = site.plan(fleet, power="off")
    site.lab.fault("not-authenticated", method="ReconfigVM_Task", after=3, count=2)
    site.lab.expire_sessions()
    result = site.apply(fleet, plan)
    assert result.done == 14


def test_a_connection_lost_after_the_write_counts_as_done_once_read_back(site: Site) -> None:
    fleet = site.fleet()
    plan = site.plan(fleet, power="off")
    site.lab.fault("drop-connection", method="ReconfigVM_Task", when="after", after=1)
    result = site.apply(fleet, plan)
    assert (result.done, result.failed) == (14, 0)


def test_a_connection_lost_before_the_write_leaves_the_machine_alone(site: Site) -> None:
    before = site.dump()
    fleet = site.fleet()
    plan = site.plan(fleet, power="off")
    site.lab.fault("drop-connection", method="ReconfigVM_Task", vm="pvs-001", when="before")
    result = site.apply(fleet, plan)
    assert (result.done, result.failed) == (13, 1)
    assert "/DC1/vm/PVS/BIOS/pvs-001" not in changed(before, site.dump())
    assert site.apply(fleet).done == 1


def test_a_full_datastore_fails_the_machines_and_leaves_no_file(site: Site) -> None:
    before = site.dump()
    fleet = site.fleet()
    plan = site.plan(fleet, power="off")
    site.lab.fault("disk-full", method="FolderPUT", count=-1)
    result = site.apply(fleet, plan)
    assert result.failed == 14
    assert "free space there" in (result.outcomes[0].hint or "")
    assert changed(before, site.dump()) == []
    site.lab.clear_faults()
    assert site.apply(fleet).done == 14


def test_a_truncated_upload_is_noticed(site: Site) -> None:
    fleet = site.fleet()
    site.lab.fault("truncate-upload", method="FolderPUT")
    assert site.apply(fleet).failed == 14
    assert site.apply(fleet).done == 14


def test_a_machine_that_somebody_changed_since_the_plan(site: Site) -> None:
    fleet = site.fleet()
    plan = site.plan(fleet, power="off")
    site.lab.edit("pvs-001", boot_order=["disk"])
    site.lab.edit(TEMPLATES[0], cd_iso="[shared-01] iso/other-tools.iso")
    edited = site.dump()
    result = site.apply(fleet, plan)
    assert (result.failed, result.done) == (2, 12)
    assert "plan again" in (outcome(result, "pvs-001").hint or "")
    assert "changed since the plan" in outcome(result, TEMPLATES[0]).error
    after = site.dump()
    assert not {"/DC1/vm/PVS/BIOS/pvs-001", f"/DC1/vm/Templates/{TEMPLATES[0]}"} & set(
        changed(edited, after)
    )


def test_two_applies_at_once(site: Site) -> None:
    fleet = site.fleet()
    plan = site.plan(fleet, power="off")
    with run_lock(site.session.about.uuid, str(fleet.file)):
        assert any(f"pid {os.getpid()}" in text for text in site.plan(fleet).warnings)
        with pytest.raises(LockedError, match=rf"pid {os.getpid()} on .*, user .*, since"):
            site.apply(fleet, plan)
    assert site.lab.counters().total_writes == 0
    assert list_runs() == ()


def stop_after(count: int, act: Callable[[], None]) -> Callable[[Event], None]:
    """A sink that acts when so many machines are done."""
    seen: list[str] = []

    def sink(event: Event) -> None:
        if event.kind == "vm.done":
            seen.append(event.subject)
            if len(seen) == count:
                act()

    return sink


def test_a_stop_event_ends_a_run_in_good_order(site: Site) -> None:
    before = site.dump()
    fleet = site.fleet()
    plan = site.plan(fleet, power="off")
    stop = threading.Event()
    site.lab.delays(task_ms=50)
    result = site.apply(fleet, plan, window=2, stop=stop, sink=stop_after(2, stop.set))
    assert result.interrupted
    assert result.done >= 2
    assert result.skipped >= 6
    after = site.dump()
    assert templates(after) == templates(before)
    done = {o.path for o in result.outcomes if o.verdict is Done.DONE}
    assert done <= set(changed(before, after))
    assert load_run(result.run_id).finished
    site.undo(result.run_id)
    assert changed(before, site.dump()) == []


def test_ctrl_c_ends_a_run_in_good_order(site: Site) -> None:
    before = site.dump()
    fleet = site.fleet()
    plan = site.plan(fleet)
    site.lab.delays(task_ms=50)
    strike = stop_after(2, lambda: os.kill(os.getpid(), signal.SIGINT))
    result = site.apply(fleet, plan, power="leave", window=2, sink=strike)
    assert result.interrupted
    assert result.done >= 2
    assert result.skipped >= 4
    assert templates(site.dump()) == templates(before)
    assert load_run(result.run_id).finished
    site.undo(result.run_id)
    assert changed(before, site.dump()) == []


def test_a_journal_that_cannot_be_written_stops_every_write(site: Site, monkeypatch) -> None:
    fleet = site.fleet()
    plan = site.plan(fleet, power="off")
    full = OSError(28, "No space left on device")

    def refuse(descriptor: int, text: bytes) -> None:
        if b'"intent"' in text:
            raise full
        os.write(descriptor, text)

    monkeypatch.setattr("vmboot.fleet.journal._write_all", refuse)
    with pytest.raises(RefusedError, match="No space left on device"):
        site.apply(fleet, plan, power="leave")
    assert "ReconfigVM_Task" not in site.lab.counters().writes
    assert "MarkAsVirtualMachine" not in site.lab.counters().writes


def test_a_listener_that_breaks_stops_nothing(site: Site) -> None:
    before = site.dump()

    def broken(event: Event) -> None:
        if event.kind == "vm.done":
            raise BrokenPipeError(32, "Broken pipe")

    result = site.apply(site.fleet(), sink=broken)
    assert (result.done, result.failed) == (14, 0)
    assert templates(site.dump()) == templates(before)
    assert site.undo(result.run_id, sink=broken).failed == 0
    assert changed(before, site.dump()) == []


def test_templates_in_flight_are_put_back_whatever_ends_the_run(site: Site, monkeypatch) -> None:
    before = site.dump()

    def break_down(*_: object) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr("vmboot.fleet.execute.Execution._first_ended", break_down)
    with pytest.raises(RuntimeError):
        site.apply(site.fleet())
    assert "MarkAsVirtualMachine" in site.lab.counters().writes
    assert templates(site.dump()) == templates(before)


@pytest.mark.parametrize("kind", ["intent", "template-mark", "outcome"])
def test_a_disk_that_fills_up_leaves_no_template_a_vm(
    site: Site, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    before = site.dump()
    fleet = site.fleet()
    plan = site.plan(fleet, power="off")
    site.lab.delays(task_ms=50)
    written: list[bytes] = []

    def refuse(descriptor: int, text: bytes) -> None:
        if f'"kind":"{kind}"'.encode() in text:
            written.append(text)
        if len(written) > 2 * (kind == "intent") or (written and kind != "intent"):
            raise OSError(28, "No space left on device")
        os.write(descriptor, text)

    with monkeypatch.context() as patch, pytest.raises(RefusedError, match="No space left"):
        patch.setattr("vmboot.fleet.journal._write_all", refuse)
        site.apply(fleet, replace(plan, machines=plan.machines[::-1]), window=2)
    assert "MarkAsVirtualMachine" in site.lab.counters().writes
    assert templates(site.dump()) == templates(before)
    again = site.apply(fleet)
    assert again.failed == again.pending == 0
    site.undo(again.run_id or list_runs()[0].id)
    assert changed(before, site.dump()) == []


@pytest.mark.parametrize("verb", ["apply", "undo"])
def test_a_mark_that_the_vcenter_ignores_is_noticed_and_repaired(site: Site, verb: str) -> None:
    before = site.dump()
    fleet = site.fleet()
    run = site.apply(fleet).run_id if verb == "undo" else ""
    site.lab.fault("ignored", method="MarkAsTemplate", count=1)
    first = site.undo(run) if run else site.apply(fleet)
    (failed,) = [o for o in first.outcomes if o.verdict is Done.FAILED]
    assert "it is not a template any more" in failed.error
    assert len(templates(site.dump())) == len(templates(before)) - 1
    assert not load_run(first.run_id).finished

    second = site.apply(fleet)
    assert outcome(second, failed.path.rpartition("/")[2]).verdict is Done.DONE
    assert templates(site.dump()) == templates(before)
    assert all(run.finished for run in list_runs())


def test_what_an_interrupted_repair_did_not_reach_is_repaired_later(site: Site) -> None:
    before = site.dump()
    fleet = site.fleet()
    site.lab.fault("ignored", method="MarkAsTemplate", count=1)
    site.apply(fleet)
    plan, stop = site.plan(fleet), threading.Event()
    stop.set()
    assert site.apply(fleet, plan, stop=stop).interrupted
    assert len(templates(site.dump())) == len(templates(before)) - 1

    assert site.apply(fleet).failed == 0
    assert templates(site.dump()) == templates(before)


LOCKED = "targets: [{vms: locked-01, method: iso}]\n"


def test_media_that_a_guest_holds_stay_until_it_is_off(site: Site) -> None:
    before = site.dump()
    fleet = site.fleet(LOCKED)
    assert planned(site.plan(fleet), "locked-01").verdict is Verdict.PENDING
    assert site.apply(fleet, power="leave").counts["pending"] == 1
    assert changed(before, site.dump()) == []


def test_a_guest_that_holds_our_older_iso_is_answered(site: Site) -> None:
    store = choice_of(read_storage(site.session).datastore("shared-01")[0])
    old, digest = "vmboot/vmboot-old-0123456789ab.iso", hashlib.sha256(b"old").hexdigest()
    upload(site.session, datastore=store, path=old, data=b"old", sha256=digest)
    site.lab.edit("locked-01", cd_iso=store.path(old))
    fleet = site.fleet(LOCKED)
    plan = site.plan(fleet)
    assert planned(plan, "locked-01").now
    assert site.apply(fleet, plan, power="leave").done == 1


def test_a_suspended_machine_keeps_its_memory(site: Site) -> None:
    waiting = [m for m in site.plan(site.fleet()).machines if m.verdict is Verdict.PENDING]
    machine = waiting[0].machine
    fleet = site.fleet(f"targets: [{{vms: {machine.name}, method: iso}}]\n")
    plan = site.plan(fleet, power="off")
    suspend(site, machine.moid)
    before = site.dump()

    late = site.apply(fleet, plan, guest_deadline_s=1)
    again = site.apply(fleet)

    assert outcome(late, machine.name).verdict is Done.FAILED
    assert "was suspended meanwhile" in outcome(late, machine.name).error
    assert outcome(again, machine.name).verdict is Done.SKIPPED
    assert "it is suspended" in outcome(again, machine.name).error
    assert changed(before, site.dump()) == []


def suspend(site: Site, moid: str) -> None:
    machine = site.session.ref("VirtualMachine", moid)
    site.session.call(machine.SuspendVM_Task, write=True)
    poll(
        lambda: read_machines(site.session, [moid])[0].power is Power.SUSPENDED or None,
        deadline=Deadline.after(20),
        every=0.05,
        what="a machine to be suspended",
    )


def test_a_guest_that_does_not_shut_down_keeps_running(site: Site) -> None:
    waiting = [m for m in site.plan(site.fleet()).machines if m.verdict is Verdict.PENDING]
    name = waiting[0].machine.name
    site.lab.edit(name, tools=True, ignores_shutdown=True)
    before = site.dump()
    fleet = site.fleet(f"targets: [{{vms: {name}, method: iso}}]\n")
    result = site.apply(fleet, hard_power_off=False, guest_deadline_s=1)
    assert outcome(result, name).verdict is Done.FAILED
    assert "did not shut down" in outcome(result, name).error
    assert changed(before, site.dump()) == []


def running(dump: dict[str, dict[str, Any]]) -> set[str]:
    return {p for p, machine in dump.items() if machine["runtime.powerState"] == "poweredOn"}


def test_no_guest_is_shut_down_when_too_many_others_have_failed(site: Site) -> None:
    before = site.dump()
    fleet = site.fleet('targets: [{vms: "/DC1/vm/PVS/**", method: iso}]\n')
    site.lab.fault("task-fails", method="ReconfigVM_Task", count=-1)
    plan = site.plan(fleet, power="off")
    assert any(machine.later for machine in plan.machines)
    result = apply_plan(
        plan, fleet, site.session, loader_dirs=[site.loaders], max_failures=1, power="off", window=1
    )
    assert (result.failed, result.stopped) == (2, True)
    assert running(site.dump()) == running(before)


def test_ctrl_c_while_guests_shut_down_pulls_no_plug(site: Site) -> None:
    before = site.dump()
    fleet = site.fleet('targets: [{vms: "/DC1/vm/PVS/**", method: iso}]\n')
    waiting = [m.machine for m in site.plan(fleet, power="off").machines if m.later]
    for machine in waiting:
        site.lab.edit(machine.path, tools=True, ignores_shutdown=True)

    def strike(event: Event) -> None:
        if event.kind == "vm.shutting-down":
            os.kill(os.getpid(), signal.SIGINT)

    result = site.apply(fleet, sink=once(strike, "vm.shutting-down"), hard_power_off=True)
    assert waiting
    assert result.interrupted
    skipped = [o for o in result.outcomes if o.verdict is Done.SKIPPED]
    assert {o.path for o in skipped} == {machine.path for machine in waiting}
    assert {"the run was interrupted"} == {o.error for o in skipped}
    assert not {o.path for o in skipped} & set(changed(before, site.dump()))
    assert "PowerOffVM_Task" not in site.lab.counters().calls
    assert running(site.dump()) == running(before)


def once(act: Callable[[Event], None], kind: str) -> Callable[[Event], None]:
    """A sink that acts upon the first event of that kind."""
    seen: list[Event] = []

    def sink(event: Event) -> None:
        if event.kind == kind and not seen:
            seen.append(event)
            act(event)

    return sink


def test_machines_that_are_down_get_their_change_though_the_budget_is_used_up(site: Site) -> None:
    fleet = site.fleet('targets: [{vms: "/DC1/vm/PVS/**", method: iso}]\n')
    plan = site.plan(fleet, power="off")
    first, *others = [m.machine for m in plan.machines if m.later]
    assert others
    site.lab.fault("task-fails", method="ReconfigVM_Task", vm=first.name, count=-1)
    result = apply_plan(
        plan,
        fleet,
        site.session,
        loader_dirs=[site.loaders],
        max_failures=0,
        power="off",
        hard_power_off=True,
        window=1,
    )
    assert (result.failed, result.skipped) == (1, 0)
    for machine in others:
        assert outcome(result, machine.name).verdict is Done.DONE


def test_the_plan_names_guests_that_cannot_be_asked_to_shut_down(site: Site) -> None:
    fleet = site.fleet()
    waiting = [m.machine.path for m in site.plan(fleet, power="off").machines if m.later]
    hears, *deaf = waiting
    site.lab.edit(hears, tools=True)
    for path in deaf:
        site.lab.edit(path, tools=False)

    plan = site.plan(fleet, power="off")

    warned = [m.machine.path for m in plan.machines if "VMware Tools" in str(m.problems)]
    assert (len(deaf) > 0, warned) == (True, deaf)
    assert not any("VMware Tools" in str(m.problems) for m in site.plan(fleet).machines)


def test_what_was_shut_down_and_could_not_be_changed_is_powered_on_by_the_undo(site: Site) -> None:
    before = site.dump()
    fleet = site.fleet('targets: [{vms: "/DC1/vm/PVS/**", method: iso}]\n')
    plan = site.plan(fleet, power="off")
    last = [m.machine for m in plan.machines if m.later]
    for machine in last:
        site.lab.fault("task-fails", method="ReconfigVM_Task", vm=machine.name, count=-1)
    result = apply_plan(
        plan,
        fleet,
        site.session,
        loader_dirs=[site.loaders],
        max_failures=0,
        power="off",
        hard_power_off=True,
        window=1,
    )
    assert (result.failed, result.skipped) == (len(last), 0)
    assert running(site.dump()) < running(before)
    (summary,) = list_runs()
    assert summary.undoable

    undone = site.undo(result.run_id)
    assert undone.failed == undone.skipped == 0
    assert running(site.dump()) == running(before)
    assert list_runs()[-1].undone_by


def test_journals_hold_no_secret_and_are_the_owner_s_alone(site: Site) -> None:
    result = site.apply(site.fleet())
    folder = runs_dir() / result.run_id
    assert folder.stat().st_mode & 0o077 == 0
    for file in folder.iterdir():
        assert file.stat().st_mode & 0o077 == 0
        assert site.lab.password not in file.read_text()
    assert site.lab.password not in json.dumps(result.to_json())


def test_a_run_s_events_count_up_to_the_total(site: Site) -> None:
    events: list[Event] = []
    fleet = site.fleet(ALL)
    result = site.apply(fleet, sink=events.append)
    done = [event.data["done"] for event in events if event.kind in ("vm.done", "vm.failed")]
    assert done == list(range(1, 15))
    begun = next(event for event in events if event.kind == "run.begin")
    assert (begun.subject, begun.data["total"]) == (result.run_id, 14)
