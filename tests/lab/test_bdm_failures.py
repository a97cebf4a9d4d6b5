"""Boot disks when something is in the way: each machine fails for itself, and nothing is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest

from tests.lab.bdmlab import ALL, copies, digests, need_grub, our_slots, switch_off
from tests.lab.fleetlab import Site, changed, planned, site_on
from vmboot.errors import AuthError, RefusedError
from vmboot.fleet import ahead
from vmboot.fleet.ahead import Ahead
from vmboot.fleet.apply import apply_plan
from vmboot.fleet.copies import Copies
from vmboot.fleet.journal import FILE, Copying, Ended, Journal, begin, runs_dir, timestamp
from vmboot.fleet.plan import Verdict
from vmboot.fleet.resolve import one_or_pattern
from vmboot.fleet.result import Done
from vmboot.fleet.runs import load_run
from vmboot.fleet.spec import Fleet
from vmboot.fleet.steps import Step
from vmboot.lab import Vcenter
from vmboot.vsphere.changes import AddDisk
from vmboot.vsphere.disks import copy_disk_job, create_disk
from vmboot.vsphere.inventory import read_index, read_machines
from vmboot.vsphere.reconfigure import reconfigure_job
from vmboot.vsphere.slots import disks as slots_disks
from vmboot.vsphere.storage import read_storage
from vmboot.vsphere.tasks import run_window

pytestmark = pytest.mark.lab
COUNT = 14
ONE = "/DC1/vm/PVS/BIOS/pvs-001"
TEXT = f"targets: [{{vms: {ONE}, method: bdm}}]\n"


@pytest.fixture
def site(small_lab: Callable[..., Vcenter], tmp_path: Path) -> Iterator[Site]:
    need_grub()
    with site_on(small_lab(vms=12, templates=2, disks=True), tmp_path) as opened:
        switch_off(opened)
        yield opened


def datacenter(site: Site, path: str) -> str:
    """Managed object id of the datacenter that a datastore path is in."""
    (store,) = read_storage(site.session).datastore(path[1:].partition("]")[0])
    return store.datacenter_moid


def copy(site: Site, source: str, target: str) -> None:
    where = datacenter(site, target)
    job = copy_disk_job(
        target, source=source, source_datacenter=where, target=target, target_datacenter=where
    )
    assert [outcome.ok for outcome in run_window(site.session, [job])] == [True]


@pytest.mark.parametrize("window", [1, 32])
def test_a_datastore_full_at_one_copy_fails_that_machine_alone(site: Site, window: int) -> None:
    before, content = site.dump(), digests(site.lab)
    site.lab.fault("task-fails", method="CopyVirtualDisk_Task", fault="NoDiskSpace", after=5)
    result = site.apply(site.fleet(ALL), window=window)
    assert (result.done, result.failed) == (COUNT - 1, 1)
    (failed,) = (o for o in result.outcomes if o.verdict is Done.FAILED)
    assert "has no space for" in failed.error
    assert "free space there" in (failed.hint or "")
    after = site.dump()
    assert after[failed.path] == before[failed.path]
    assert len(copies(site.lab)) == COUNT - 1
    assert digests(site.lab) == content

    again = site.apply(site.fleet(ALL))
    assert (again.done, again.ok) == (1, COUNT - 1)
    assert len(copies(site.lab)) == COUNT


@pytest.mark.parametrize("window", [1, 32])
def test_too_many_failed_copies_end_the_run_and_leave_no_copy(site: Site, window: int) -> None:
    before = site.dump()
    site.lab.fault(
        "task-fails", method="CopyVirtualDisk_Task", fault="NoDiskSpace", after=3, count=-1
    )
    fleet = site.fleet(ALL)
    plan = site.plan(fleet, power="off")
    result = apply_plan(
        plan,
        fleet,
        site.session,
        power="off",
        window=window,
        max_failures=1,
        loader_dirs=[site.loaders],
    )
    assert result.done + result.failed + result.skipped == COUNT
    if window == 1:  # otherwise all copies are in flight before the first has failed
        assert (result.done, result.failed, result.stopped) == (3, 2, True)
    reached = {one.path for one in result.outcomes if one.verdict is Done.DONE}
    assert set(changed(before, site.dump())) == reached
    assert len(copies(site.lab)) == result.done


def test_a_datastore_without_room_refuses_its_machines_before_anything_is_written(
    site: Site,
) -> None:
    fleet = site.fleet(ALL)
    stores = {plan.bdm.partition("]")[0] for plan in site.plan(fleet).machines}
    full = sorted(stores)[0].removeprefix("[")
    site.lab.datastore(full, free_mib=10)
    plan = site.plan(fleet, power="off")
    refused = [m for m in plan.machines if m.verdict is Verdict.REFUSED]
    assert refused
    for machine in refused:
        assert machine.machine.home.startswith(f"[{full}]")
        assert f"datastore {full} has 10 MiB free" in machine.problems[0].message
        assert "--limit" in (machine.problems[0].hint or "")
    assert all(upload.datastore != full for upload in plan.uploads)
    assert site.apply(fleet, plan).done == COUNT - len(refused)


def test_a_copy_that_is_there_with_the_same_bytes_is_used(site: Site) -> None:
    fleet = site.fleet(TEXT)
    first = site.apply(fleet)
    site.undo(first.run_id)
    (target,) = (planned(site.plan(fleet), "pvs-001").bdm,)
    (master,) = (path for path in site.lab.disks() if "] vmboot/" in path)
    copy(site, master, target)

    site.lab.reset_counters()
    result = site.apply(fleet)

    assert result.done == 1
    assert site.lab.counters().writes.get("DeleteVirtualDisk_Task", 0) == 0
    assert copies(site.lab) == [target]
    assert site.undo(result.run_id).done == 1
    assert copies(site.lab) == []


def test_a_copy_that_was_there_already_stays_when_its_machine_cannot_be_changed(
    site: Site,
) -> None:
    fleet = site.fleet(TEXT)
    site.undo(site.apply(fleet).run_id)
    target = planned(site.plan(fleet), "pvs-001").bdm
    (master,) = (path for path in site.lab.disks() if "] vmboot/" in path)
    copy(site, master, target)  # as another administrator's run that is about to attach it
    site.lab.fault("task-fails", method="ReconfigVM_Task", vm="pvs-001", count=-1)

    assert site.apply(fleet).failed == 1

    assert copies(site.lab) == [target]


def test_somebody_elses_disk_under_our_name_is_never_touched(site: Site) -> None:
    before = site.dump()
    fleet = site.fleet(TEXT)
    plan = site.plan(fleet)
    target = planned(plan, "pvs-001").bdm
    create_disk(site.session, path=target, datacenter=datacenter(site, target), size=8 << 20)
    (digest,) = (disk.digest for path, disk in site.lab.disks().items() if path == target)

    result = site.apply(fleet, plan)

    (outcome,) = result.outcomes
    assert outcome.verdict is Done.FAILED
    assert "is there already, and it is not what vmboot made" in outcome.error
    again = site.apply(fleet)  # the journal of the first must not make it ours
    assert again.outcomes[0].error == outcome.error
    assert site.undo(result.run_id).run_id == ""
    assert site.lab.disks()[target].digest == digest
    assert changed(before, site.dump()) == []


def test_a_copy_that_somebody_changed_since_is_never_touched(site: Site) -> None:
    fleet = site.fleet(TEXT)
    target = planned(site.plan(fleet), "pvs-001").bdm
    site.undo(site.apply(fleet).run_id)  # its journal says that the copy was seen to end
    create_disk(site.session, path=target, datacenter=datacenter(site, target), size=8 << 20)
    digest = site.lab.disks()[target].digest

    (outcome,) = site.apply(fleet).outcomes

    assert "is there already, and it is not what vmboot made" in outcome.error
    assert site.lab.disks()[target].digest == digest


def a_run(site: Site, fleet: Fleet) -> Journal:
    return begin(
        verb="apply",
        fleet=str(fleet.file),
        fleet_sha256=fleet.sha256,
        vcenter=site.session.host,
        vcenter_uuid=site.session.about.uuid,
        user=site.session.user,
    )


def half_made(site: Site, fleet: Fleet) -> str:
    """Path of a disk with other bytes that a run had begun and never saw to end."""
    target = planned(site.plan(fleet), "pvs-001").bdm
    with a_run(site, fleet) as journal:
        journal.write(Copying("vm-1", "", target, "datastore-1"), Ended(timestamp(), {}))
    create_disk(site.session, path=target, datacenter=datacenter(site, target), size=8 << 20)
    return target


def test_half_a_copy_is_made_again_whatever_other_journals_are_like(site: Site) -> None:
    fleet = site.fleet(TEXT)
    target = half_made(site, fleet)
    damaged = runs_dir() / "20990101-0000-0000" / FILE
    damaged.parent.mkdir()
    (mine,) = runs_dir().glob(f"2*/{FILE}")
    damaged.write_bytes(mine.read_bytes().splitlines(keepends=True)[0] + b'{"kind":"copy" no\n')
    assert site.apply(fleet).done == 1
    assert copies(site.lab) == [target]


def test_half_a_copy_that_a_machine_has_is_never_touched(site: Site) -> None:
    fleet = site.fleet(TEXT)
    target = half_made(site, fleet)
    plan = site.plan(fleet)
    (entry,) = one_or_pattern(read_index(site.session), "pvs-002")
    (other,) = read_machines(site.session, [entry.moid])
    taken = next(d for d in slots_disks(other.hardware).values() if d.controller is not None)
    attach = AddDisk(-1, taken.controller or 0, 9, target)
    (attached,) = run_window(site.session, [reconfigure_job(other, (attach,))])
    assert attached.ok, attached.error
    digest = site.lab.disks()[target].digest

    (outcome,) = site.apply(fleet, plan).outcomes

    assert f"{target} is there already" in outcome.error
    assert "pvs-002 has it" in outcome.error
    assert site.lab.disks()[target].digest == digest


def test_a_copy_whose_age_cannot_be_read_fails_its_machine_alone(site: Site) -> None:
    fleet = site.fleet("targets: [{vms: /DC1/vm/PVS/BIOS/*, method: bdm}]\n")
    target = half_made(site, fleet)
    plan = site.plan(fleet, power="off")
    site.lab.fault("fault", method="SearchDatastore_Task", fault="HostCommunication", count=-1)

    result = site.apply(fleet, plan)

    (failed,) = (one for one in result.outcomes if one.verdict is Done.FAILED)
    assert failed.path == ONE
    assert result.done == len(plan.machines) - 1 > 0
    assert load_run(result.run_id).finished
    assert target in copies(site.lab)


def test_a_copy_is_made_on_its_datastore_whatever_that_was_called(site: Site) -> None:
    fleet = site.fleet(TEXT)
    target = planned(site.plan(fleet), "pvs-001").bdm
    site.undo(site.apply(fleet).run_id)
    (upload,) = site.plan(fleet).uploads
    source, path = (f"[old]{name.partition(']')[2]}" for name in (upload.path, target))
    order = Copying("vm-1", source, path, upload.moid, upload.size, upload.sha256)
    with a_run(site, fleet) as journal:
        assert Copies(site.session, journal, [order]).run().ready == {"vm-1"}
    assert copies(site.lab) == [target]


def test_machines_read_back_otherwise_than_written_count_as_failed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, take = Ahead.note_done, Ahead.take_read

    def spoilt(self: Ahead, step: Step) -> None:
        site.lab.edit(step.machine.path, extra_config={"vmboot.media": "other 0123456789ab"})
        done(self, step)

    monkeypatch.setattr(ahead, "BATCH", 1)
    monkeypatch.setattr(Ahead, "note_done", spoilt)
    monkeypatch.setattr(Ahead, "take_read", lambda self, *, wait=False: take(self, wait=True))
    fleet = site.fleet("targets: [{vms: /DC1/vm/PVS/BIOS/*, method: bdm}]\n")
    plan = site.plan(fleet, power="off")

    result = apply_plan(
        plan, fleet, site.session, window=1, max_failures=1, loader_dirs=[site.loaders]
    )

    assert (result.failed, result.stopped) == (2, True)
    assert result.skipped == len(plan.machines) - 2 > 0


def test_somebody_elses_disk_under_the_masters_name_stops_the_plan(site: Site) -> None:
    fleet = site.fleet(TEXT)
    (upload,) = site.plan(fleet).uploads
    where = datacenter(site, upload.path)
    site.session.call(
        lambda: site.session.content.fileManager.MakeDirectory(
            f"[{upload.datastore}] vmboot", site.session.ref("Datacenter", where), True
        )
    )
    create_disk(site.session, path=upload.path, datacenter=where, size=8 << 20)
    with pytest.raises(RefusedError, match="is there already, but it is another disk"):
        site.plan(fleet)


def test_a_failed_reconfigure_leaves_no_copy(site: Site) -> None:
    before = site.dump()
    site.lab.fault("task-fails", method="ReconfigVM_Task", vm="pvs-001", count=-1)
    result = site.apply(site.fleet(TEXT))
    assert result.failed == 1
    assert changed(before, site.dump()) == []
    assert copies(site.lab) == []


def test_a_login_without_the_privileges_is_told_while_planning(site: Site) -> None:
    site.lab.withhold_privilege(ONE, "VirtualMachine.Config.AddExistingDisk")
    (machine,) = site.plan(site.fleet(TEXT)).machines
    assert machine.verdict is Verdict.REFUSED
    assert "VirtualMachine.Config.AddExistingDisk" in machine.problems[0].message
    site.lab.grant_privileges()
    (upload,) = site.plan(site.fleet(TEXT)).uploads
    site.lab.withhold_privilege(f"/DC1/datastore/{upload.datastore}", "Datastore.FileManagement")
    with pytest.raises(AuthError, match="refuses file access") as caught:
        site.plan(site.fleet(TEXT))
    assert "Datastore.FileManagement" in (caught.value.hint or "")


def test_a_home_in_maintenance_refuses_its_machines(site: Site) -> None:
    store = planned(site.plan(site.fleet(TEXT)), "pvs-001").bdm[1:].partition("]")[0]
    site.lab.datastore(store, maintenance="inMaintenance")
    (machine,) = site.plan(site.fleet(TEXT)).machines
    assert machine.verdict is Verdict.REFUSED
    assert f"its datastore {store} is in or entering maintenance mode" in (
        machine.problems[0].message
    )


def test_a_machine_whose_folder_is_the_one_of_the_masters_is_refused(site: Site) -> None:
    (machine,) = site.plan(site.fleet(TEXT)).machines
    folder = machine.machine.home.partition("] ")[2]
    fleet = site.fleet(f"{TEXT}media: {{bdm: {{folder: {folder}}}}}\n")
    plan = site.plan(fleet)
    (machine,) = plan.machines
    assert machine.verdict is Verdict.REFUSED
    assert "is the one of the masters of BDM disks" in machine.problems[0].message
    assert "set media.bdm.folder" in (machine.problems[0].hint or "")
    assert plan.uploads == ()


def test_an_import_that_fails_fails_the_machines_of_that_datastore(site: Site) -> None:
    fleet = site.fleet(ALL)
    plan = site.plan(fleet, power="off")
    store = plan.uploads[0].datastore
    site.lab.datastore(store, free_mib=1)
    result = site.apply(fleet, plan)
    homes = {m.machine.path: m.machine.home for m in plan.machines}
    failed = {o.path for o in result.outcomes if o.verdict is Done.FAILED}
    assert failed == {path for path, home in homes.items() if home.startswith(f"[{store}]")}
    assert result.done == COUNT - len(failed)
    assert not any("vmboot-import-" in path for path in site.dump())


def test_a_template_left_a_machine_by_a_failed_change_is_one_again(site: Site) -> None:
    before = site.dump()
    path = "/DC1/vm/Templates/tpl-win11-pvs"
    site.lab.fault("task-fails", method="ReconfigVM_Task", vm="tpl-win11-pvs", count=-1)
    result = site.apply(site.fleet(f"templates: [{{vms: {path}, method: bdm}}]\n"))
    assert result.failed == 1
    assert changed(before, site.dump()) == []
    site.lab.clear_faults()
    assert site.apply(site.fleet(f"templates: [{{vms: {path}, method: bdm}}]\n")).done == 1
    assert len(our_slots(site.dump()[path])) == 1


@pytest.mark.parametrize(
    ("method", "vm", "when"),
    [("ReconfigVM_Task", "pvs-001", "before"), ("CopyVirtualDisk_Task", "", "after")],
)
def test_a_copy_stays_while_nobody_knows_how_its_write_ended(
    site: Site, method: str, vm: str, when: Literal["before", "after"]
) -> None:
    fleet = site.fleet(TEXT)
    copy = planned(site.plan(fleet), "pvs-001").bdm
    site.lab.fault("drop-connection", method=method, vm=vm, when=when)

    assert site.apply(fleet).failed == 1

    assert site.lab.counters().writes.get("DeleteVirtualDisk_Task", 0) == 0
    assert copies(site.lab) == [copy]
    assert site.apply(fleet).done == 1
    assert copies(site.lab) == [copy]
