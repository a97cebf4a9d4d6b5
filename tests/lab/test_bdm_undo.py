"""The way back from boot disks, the way back from that, and another server list in between."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.lab.bdmlab import ALL, OURS, boots_first, copies, digests, need_grub, switch_off
from tests.lab.fleetlab import Site, changed, outcome, site_on
from vmboot.events import Event
from vmboot.fleet import sweep as fleet_sweep
from vmboot.fleet.mediaedit import apply_edit, plan_edit
from vmboot.fleet.resolve import one_or_pattern
from vmboot.fleet.result import Done
from vmboot.fleet.runs import list_runs, load_run
from vmboot.fleet.spec import load_fleet
from vmboot.fleet.stale import Freshness, read_stale
from vmboot.fleet.strays import OUT_OF_SIGHT
from vmboot.fleet.undo import plan_undo
from vmboot.lab import Vcenter
from vmboot.vsphere.changes import AddDisk, DetachDisk
from vmboot.vsphere.disks import copy_disk_job, delete_disk, relative
from vmboot.vsphere.files import make_directory
from vmboot.vsphere.inventory import read_index, read_machines
from vmboot.vsphere.placement import choice_of
from vmboot.vsphere.reconfigure import reconfigure_job
from vmboot.vsphere.storage import read_storage
from vmboot.vsphere.tasks import run_window

pytestmark = pytest.mark.lab
COUNT = 14
NEW = ["10.0.0.77", "10.0.0.11"]
ONE = "/DC1/vm/PVS/BIOS/pvs-001"


@pytest.fixture
def site(small_lab: Callable[..., Vcenter], tmp_path: Path) -> Iterator[Site]:
    need_grub()
    with site_on(small_lab(vms=12, templates=2, disks=True), tmp_path) as opened:
        switch_off(opened)
        yield opened


def edit(site: Site, document: Path, servers: list[str], **options: object):
    """Another server list, all machines shut down where that is needed."""
    dirs = [site.loaders]
    planned = plan_edit(document, site.session, servers, power="off", loader_dirs=dirs)
    return apply_edit(
        planned, site.session, power="off", hard_power_off=True, loader_dirs=dirs, **options
    )


def delete_masters(site: Site) -> None:
    stores = {store.name: store for store in read_storage(site.session).datastores}
    for path in site.lab.disks():
        if "] vmboot/" in path:
            store = stores[path[1:].partition("]")[0]]
            delete_disk(site.session, path=path, datacenter=store.datacenter_moid)


def test_an_undo_is_undone_by_new_copies_of_the_master(site: Site) -> None:
    before = site.dump()
    result = site.apply(site.fleet(ALL))
    with_disks = site.dump()
    undone = site.undo(result.run_id)
    assert (undone.done, copies(site.lab)) == (COUNT, [])

    again = site.undo(undone.run_id)

    assert (again.done, again.failed) == (COUNT, 0)
    assert changed(with_disks, site.dump()) == []
    assert len(copies(site.lab)) == COUNT
    assert site.undo(again.run_id).done == COUNT
    assert changed(before, site.dump()) == []
    assert copies(site.lab) == []


def test_without_a_master_an_undo_of_an_undo_says_what_is_gone(site: Site) -> None:
    result = site.apply(site.fleet(ALL))
    undone = site.undo(result.run_id)
    delete_masters(site)
    before = site.dump()

    again = site.undo(undone.run_id)

    assert (again.done, again.failed) == (0, COUNT)
    assert "its BDM disk is gone, and so is the master" in again.outcomes[0].error
    assert "apply the fleet document of that time" in (again.outcomes[0].hint or "")
    assert changed(before, site.dump()) == []


def test_a_part_of_a_run_keeps_the_copies_of_the_others(site: Site) -> None:
    result = site.apply(site.fleet(ALL))
    assert site.undo(result.run_id, limit=["pvs-001"]).done == 1
    assert len(copies(site.lab)) == COUNT - 1
    assert not any("pvs-001/" in copy for copy in copies(site.lab))


def test_a_machine_that_somebody_changed_since_keeps_its_disk(site: Site) -> None:
    result = site.apply(site.fleet(ALL))
    site.lab.edit("pvs-001", boot_order=["nic"])
    undone = site.undo(result.run_id)
    assert outcome(undone, "pvs-001").verdict is Done.FAILED
    (kept,) = copies(site.lab)
    assert "pvs-001/" in kept


def test_another_server_list_for_all_in_waves_and_back(site: Site) -> None:
    fleet = site.fleet(ALL + 'rollout: {canary: 2, wave: "50%"}\n')
    text, content = fleet.file.read_bytes(), digests(site.lab)
    site.apply(fleet)
    before = site.dump()
    site.lab.reset_counters()

    result = edit(site, fleet.file, NEW)

    calls = site.lab.counters()
    assert [name for name, _ in result.waves] == ["canary", "wave 1", "wave 2"]
    assert (result.counts["done"], result.stopped, result.notes) == (COUNT, "", ())
    assert fleet.file.read_bytes() == text.replace(
        b"[{name: pvs1, address: 10.0.0.11}, {name: pvs2, address: 10.0.0.12}]",
        b"[{address: 10.0.0.77}, {name: pvs1, address: 10.0.0.11}]",
    )
    assert calls.writes["CopyVirtualDisk_Task"] == COUNT
    assert calls.writes["DeleteVirtualDisk_Task"] == COUNT
    after = site.dump()
    for path in changed(before, after):
        assert boots_first(after[path]) != boots_first(before[path])
    assert len(copies(site.lab)) == COUNT
    assert len({copy.rpartition("/")[2] for copy in copies(site.lab)}) == 1
    stores = {path.partition("]")[0] for path in copies(site.lab)}
    assert calls.writes["ImportVApp"] == len(stores)
    last = load_run(max(run.id for run in list_runs() if run.rollout == result.rollout))
    assert len(last.deleted) == len(last.removed) == COUNT

    (document,) = plan_undo(result.rollout, site.session).documents
    assert document.words == f"{fleet.file} gets its text from before back"
    edited_text = fleet.file.read_bytes()
    undone = site.undo(result.rollout)

    assert (undone.done, undone.failed) == (COUNT, 0)
    assert changed(before, site.dump()) == []
    assert undone.notes == (f"{fleet.file} has its text from before back",)
    assert fleet.file.read_bytes() == text
    assert digests(site.lab) == content
    first = min(run.id for run in list_runs() if run.rollout == result.rollout)
    edited = load_run(first).edited
    assert edited is not None
    assert edited.before.encode() == text

    assert site.undo(undone.run_id).failed == 0  # an undo is undone like any other run
    assert fleet.file.read_bytes() == edited_text


def test_a_document_stays_where_it_was_changed_since_or_a_machine_is_left(site: Site) -> None:
    fleet = site.fleet(ALL)
    text = fleet.file.read_bytes()
    site.apply(fleet)
    result = edit(site, fleet.file, NEW)
    edited_text = fleet.file.read_bytes()

    part = site.undo(result.rollout, limit=["pvs-001"])
    assert (part.done, fleet.file.read_bytes()) == (1, edited_text)
    assert "not all machines of it go back" in part.notes[0]

    fleet.file.write_bytes(edited_text + b"# mine\n")
    rest = site.undo(result.rollout)
    assert (rest.failed, fleet.file.read_bytes()) == (0, edited_text + b"# mine\n")
    assert f"{fleet.file} stays as it is: it was changed since" in rest.notes[0]

    fleet.file.write_bytes(edited_text)
    assert site.undo(result.rollout).notes == (f"{fleet.file} has its text from before back",)
    assert fleet.file.read_bytes() == text


def test_an_interrupted_edit_goes_on_and_is_taken_back_as_one(site: Site) -> None:
    fleet = site.fleet(ALL + 'rollout: {canary: 2, wave: "25%"}\n')
    text = fleet.file.read_bytes()
    site.apply(fleet)
    before = site.dump()
    stop = threading.Event()

    def strike(event: Event) -> None:
        if (event.kind, event.message) == ("wave.begin", "wave 2"):
            stop.set()

    first = edit(site, fleet.file, NEW, stop=stop, sink=strike)
    assert first.interrupted
    assert first.not_begun == COUNT - first.counts["done"] > 0

    rest = edit(site, fleet.file, NEW)

    assert rest.rollout == first.rollout
    assert (rest.counts["done"], rest.not_begun) == (first.not_begun, 0)
    undone = site.undo(first.rollout)
    assert (undone.done, undone.failed) == (COUNT, 0)
    assert changed(before, site.dump()) == []
    assert fleet.file.read_bytes() == text
    again = edit(site, fleet.file, NEW)
    assert again.rollout != first.rollout


def test_ctrl_c_between_two_waves_ends_an_edit_with_its_result(site: Site) -> None:
    fleet = site.fleet(ALL + 'rollout: {canary: 2, wave: "50%", pause: 60}\n')
    site.apply(fleet)

    def strike(event: Event) -> None:
        if event.kind == "wave.pause":
            os.kill(os.getpid(), signal.SIGINT)

    result = edit(site, fleet.file, NEW, sink=strike)

    assert (result.interrupted, result.stopped) == (True, "interrupted")
    assert (result.counts["done"], result.not_begun) == (2, COUNT - 2)


def test_a_canary_that_fails_ends_an_edit(site: Site) -> None:
    fleet = site.fleet(ALL + 'rollout: {canary: 1, wave: "50%"}\n')
    site.apply(fleet)
    site.lab.fault("task-fails", method="CopyVirtualDisk_Task", fault="NoDiskSpace")
    result = edit(site, fleet.file, NEW)
    assert (len(result.waves), result.stopped) == (1, "the canary failed")
    assert result.counts["failed"] == 1
    assert len(copies(site.lab)) == COUNT


def test_who_is_stale_costs_no_devices(site: Site) -> None:
    fleet = site.fleet(ALL)
    missing = read_stale(fleet, site.session, loader_dirs=[site.loaders])
    assert {each.state for each in missing.machines} == {Freshness.MISSING}
    site.apply(fleet)
    site.lab.reset_counters()
    fresh = read_stale(fleet, site.session, loader_dirs=[site.loaders])
    assert (fresh.stale, len(fresh.machines)) == ((), COUNT)
    assert site.lab.counters().total_calls == 2

    edit(site, fleet.file, NEW, state=None)
    assert read_stale(load_fleet(fleet.file), site.session, loader_dirs=[site.loaders]).stale == ()
    report = read_stale(fleet, site.session, loader_dirs=[site.loaders])
    assert len(report.stale) == COUNT
    assert {each.servers for each in report.stale} == {tuple(NEW)}


def test_the_list_of_media_that_no_journal_knows_is_read_from_the_master(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = site.fleet(ALL)
    site.apply(fleet)
    monkeypatch.setenv("VMBOOT_STATE", str(tmp_path / "elsewhere"))
    other = site.fleet(ALL, head=(tmp_path / "fleet.yml").read_text().partition("targets")[0])
    other.file.write_text(other.file.read_text().replace("10.0.0.11", "10.9.9.9"))
    report = read_stale(load_fleet(other.file), site.session, loader_dirs=[site.loaders])
    assert {each.servers for each in report.stale} == {("10.0.0.11", "10.0.0.12")}


def test_a_sweep_keeps_masters_in_use_and_takes_what_nobody_needs(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vmboot.fleet.needed.YOUNG", timedelta(0))
    fleet = site.fleet(ALL)
    result = site.apply(fleet)
    kept = fleet_sweep.sweep(fleet, site.session)
    assert kept.removed == ()
    assert all("from a copy of it" in file.reason for file in kept.kept)
    undone = site.undo(result.run_id)
    still = fleet_sweep.sweep(fleet, site.session)
    assert still.removed == ()
    assert all(f"undo of run {undone.run_id} needs it" in file.reason for file in still.kept)
    swept = fleet_sweep.sweep(fleet, site.session, everything=True)
    assert (len(swept.removed), swept.failed) == (len(kept.kept), {})
    assert not any("] vmboot/" in path for path in site.lab.disks())


def test_a_sweep_takes_a_copy_that_an_undo_could_not_delete(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vmboot.fleet.needed.YOUNG", timedelta(0))
    fleet = site.fleet(f"targets: [{{vms: {ONE}, method: bdm}}]\n")
    result = site.apply(fleet)
    site.lab.fault("task-fails", method="DeleteVirtualDisk_Task", fault="FileLocked")
    undone = site.undo(result.run_id)
    assert (undone.done, len(undone.notes)) == (1, 1)
    assert "could not be deleted" in undone.notes[0]
    (left,) = copies(site.lab)
    assert OURS in left
    swept = fleet_sweep.sweep(fleet, site.session, everything=True)
    assert left in [file.path for file in swept.removed]
    assert copies(site.lab) == []
    assert plan_undo(result.run_id, site.session).has_changes is False


def test_a_machine_out_of_sight_keeps_the_copy_in_its_folder(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vmboot.fleet.needed.YOUNG", timedelta(0))
    fleet = site.fleet(ALL)
    result = site.apply(fleet)
    (entry,) = one_or_pattern(read_index(site.session), ONE)
    machine = site.session.ref("VirtualMachine", entry.moid)
    site.session.call(machine.UnregisterVM, write=True)
    (copy,) = (path for path in copies(site.lab) if "pvs-001/" in path)

    undone = site.undo(result.run_id)

    assert undone.done == COUNT - 1
    assert undone.notes == (f"{copy} stays: {OUT_OF_SIGHT}",)
    swept = fleet_sweep.sweep(fleet, site.session, everything=True)
    (kept,) = (file for file in swept.kept if file.path == copy)
    assert kept.reason == OUT_OF_SIGHT
    assert copies(site.lab) == [copy]


def moved_by_storage_vmotion(site: Site, file: str) -> str:
    """The boot disk of ``ONE`` on another datastore, in a folder of the same name."""
    stores = read_storage(site.session).datastores
    (here,) = (store for store in stores if file.startswith(f"[{store.name}] "))
    there = next(
        store
        for store in stores
        if store.datacenter_moid == here.datacenter_moid
        and store.moid != here.moid
        and store.makes_directories
    )
    target = choice_of(there).path(relative(file))
    make_directory(site.session, datastore=choice_of(there), folder=relative(file).split("/")[0])
    (entry,) = one_or_pattern(read_index(site.session), ONE)
    (machine,) = read_machines(site.session, [entry.moid])
    (ours,) = (device for device in machine.hardware.devices if device.file == file)
    assert ours.controller is not None
    assert ours.unit is not None
    where = here.datacenter_moid
    copy = copy_disk_job(
        target, source=file, source_datacenter=where, target=target, target_datacenter=where
    )
    changes = (
        DetachDisk(ours.key, ours.label, file),
        AddDisk(-1, ours.controller, ours.unit, target, there.moid),
    )
    for job in (copy, reconfigure_job(machine, changes)):
        (outcome,) = run_window(site.session, [job])
        assert outcome.ok, outcome.error
    delete_disk(site.session, path=file, datacenter=where)
    site.lab.edit(ONE, boot_order=["disk", "nic"])
    return target


def test_a_copy_that_storage_vmotion_moved_is_deleted_where_it_is_now(site: Site) -> None:
    before = site.dump()
    run = site.apply(site.fleet(f"targets: [{{vms: {ONE}, method: bdm}}]\n")).run_id
    (made,) = copies(site.lab)
    moved = moved_by_storage_vmotion(site, made)

    undone = site.undo(run)

    assert (undone.done, undone.notes, copies(site.lab)) == (1, (), [])
    assert changed(before, site.dump()) == []
    assert site.undo(undone.run_id).done == 1
    assert copies(site.lab) == [moved]


def test_a_machine_shut_down_for_an_undo_that_fails_runs_again(site: Site) -> None:
    run = site.apply(site.fleet(f"targets: [{{vms: {ONE}, method: bdm}}]\n")).run_id
    site.lab.edit(ONE, power="on")
    site.lab.fault("task-fails", method="ReconfigVM_Task", vm="pvs-001", count=-1)

    undone = site.undo(run, power="off", hard_power_off=True)

    assert (undone.failed, undone.shut_down) == (1, ())
    assert site.dump()[ONE]["runtime.powerState"] == "poweredOn"
