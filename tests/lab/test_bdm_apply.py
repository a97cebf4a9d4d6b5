"""Boot disks for a whole fleet: ours at 0:0, every other disk whole and elsewhere, few calls."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.bdmlab import (
    ALL,
    OURS,
    boots_first,
    copies,
    digests,
    disks,
    first_entries,
    need_grub,
    our_slots,
    switch_off,
)
from tests.lab.fleetlab import Site, changed, outcome, planned, site_on
from vmboot.fleet.journal import FILE, runs_dir
from vmboot.fleet.plan import Verdict
from vmboot.fleet.result import Done
from vmboot.fleet.status import State, read_status
from vmboot.lab import Vcenter

pytestmark = pytest.mark.lab
VMS, TEMPLATES = 200, 10


@pytest.fixture
def site(small_lab: Callable[..., Vcenter], tmp_path: Path) -> Iterator[Site]:
    need_grub()
    with site_on(small_lab(vms=12, templates=2, disks=True), tmp_path) as opened:
        yield opened


def test_two_hundred_machines_and_ten_templates_there_and_back(
    small_lab: Callable[..., Vcenter], tmp_path: Path
) -> None:
    need_grub()
    lab = small_lab(vms=VMS, templates=TEMPLATES, disks=True)
    with site_on(lab, tmp_path) as site:
        before, content = site.dump(), digests(lab)
        fleet = site.fleet(ALL)
        plan = site.plan(fleet, power="off")
        lab.reset_counters()
        result = site.apply(fleet, plan)
        calls = lab.counters()

        assert result.done == VMS + TEMPLATES
        assert result.notes == ()
        after = site.dump()
        touched = {machine.machine.path for machine in plan.machines}
        assert set(changed(before, after)) == touched
        for path in touched:
            ((_, number, unit),) = our_slots(after[path])
            assert (number, unit) == (0, 0), path
            others = sorted(f for f in disks(after[path]).values() if OURS not in f)
            assert others == sorted(disks(before[path]).values()), path
            assert OURS in boots_first(after[path]), path
            assert first_entries(after[path])[1] == "EthernetDevice", path
        assert digests(lab) == content
        assert len(copies(lab)) == VMS + TEMPLATES
        stores = {copy.partition("]")[0] for copy in copies(lab)}
        assert calls.writes["CopyVirtualDisk_Task"] == VMS + TEMPLATES
        assert calls.writes["ImportVApp"] == len(stores)
        assert calls.writes["ReconfigVM_Task"] == VMS + TEMPLATES + len(stores)
        assert "DeleteVirtualDisk_Task" not in calls.writes

        undone = site.undo(result.run_id)

        assert undone.done == VMS + TEMPLATES
        assert changed(before, site.dump()) == []
        assert digests(lab) == content
        assert copies(lab) == []


def test_three_calls_a_machine_at_most(site: Site) -> None:
    """A copy, a reconfigure, and a share of the waits; what a run costs anyway is left out."""
    fleet = site.fleet(ALL.replace("/DC1/vm/PVS/**", "/DC1/vm/PVS/BIOS/*").partition("templ")[0])
    plan = site.plan(fleet, power="off")
    site.lab.reset_counters()
    result = site.apply(fleet, plan)
    calls = site.lab.counters().calls
    count = len(plan.machines)
    assert result.done == count
    assert calls["CopyVirtualDisk_Task"] == count
    assert calls["ReconfigVM_Task"] - calls["ImportVApp"] == count


def test_a_second_apply_costs_no_write(site: Site) -> None:
    fleet = site.fleet(ALL)
    site.apply(fleet)
    site.lab.reset_counters()
    plan = site.plan(fleet)
    assert (plan.has_changes, plan.uploads) == (False, ())
    assert site.apply(fleet, plan).run_id == ""
    assert site.lab.counters().total_writes == 0


def test_foretold_keys_that_the_server_refuses_cost_a_second_reconfigure(site: Site) -> None:
    site.lab.switch(refuse_predicted_keys=True)
    before = site.dump()
    result = site.apply(site.fleet(ALL), window=1)
    assert (result.done, result.failed) == (14, 0)
    after = site.dump()
    for path in changed(before, after):
        assert OURS in boots_first(after[path]), path
    assert site.undo(result.run_id).failed == 0
    assert changed(before, site.dump()) == []


def test_a_running_machine_waits_for_its_power_off(site: Site) -> None:
    path = "/DC1/vm/PVS/BIOS/pvs-001"
    site.lab.edit(path, power="on")
    fleet = site.fleet(f"targets: [{{vms: {path}, method: bdm}}]\n")
    before = site.dump()
    plan = site.plan(fleet)
    assert planned(plan, "pvs-001").verdict is Verdict.PENDING
    assert site.apply(fleet, plan, power="leave").pending == 1
    assert changed(before, site.dump()) == []
    assert copies(site.lab) == []


def test_status_names_the_wrong_slot_and_a_stale_list(site: Site) -> None:
    path = next(p for p in site.dump() if p.endswith("/wrong-01"))
    fleet = site.fleet(f"targets: [{{vms: {path}, method: bdm}}]\n")
    (machine,) = read_status(fleet, site.session, loader_dirs=[site.loaders]).machines
    assert machine.state is State.DRIFT
    assert "the BDM disk sits at SCSI 0:1; the firmware boots only SCSI 0:0" in machine.problem
    assert any(line.what == "vmboot.media" for line in machine.differences)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("full-01", "no SCSI unit is free"),
        ("rdm-01", "raw device mapping"),
        ("mw-01", "shared with other machines"),
        ("clone-01", "linked clone's"),
        ("disk-snap-01", "while there are snapshots"),
        ("crypt-01", "encrypted"),
        ("ft-01", "fault tolerance is on"),
        ("susp-01", "suspended"),
    ],
)
def test_a_machine_that_must_not_be_touched_is_refused_with_the_reason(
    site: Site, name: str, why: str
) -> None:
    before = site.dump()
    path = next(p for p in before if p.endswith(f"/{name}"))
    fleet = site.fleet(f"targets: [{{vms: {path}, method: bdm}}]\n")
    plan = site.plan(fleet, power="off")
    (machine,) = plan.machines
    assert machine.verdict is Verdict.REFUSED
    assert why in machine.problems[0].message
    assert plan.uploads == ()
    result = site.apply(fleet, plan)
    assert outcome(result, name).verdict is Done.SKIPPED
    assert changed(before, site.dump()) == []


@pytest.mark.parametrize("method", ["iso", "pxe"])
def test_away_from_bdm_and_back_by_undo(site: Site, method: str) -> None:
    one = "/DC1/vm/PVS/BIOS/pvs-001"
    text = f"targets: [{{vms: {one}, method: bdm}}]\n"
    original = site.dump()
    site.apply(site.fleet(text))
    with_disk = site.dump()

    result = site.apply(site.fleet(text.replace("bdm", method)))

    assert result.done == 1, result.outcomes
    after = site.dump()[one]
    assert our_slots(after) == []
    assert disks(after) == disks(original[one])
    assert first_entries(after)[0] == ("CdromDevice" if method == "iso" else "EthernetDevice")
    assert copies(site.lab) == []

    assert site.undo(result.run_id).done == 1
    assert changed(with_disk, site.dump()) == []
    assert len(copies(site.lab)) == 1


def test_from_iso_to_bdm_the_drive_keeps_what_it_holds(site: Site) -> None:
    one = "/DC1/vm/PVS/BIOS/pvs-001"
    text = f"targets: [{{vms: {one}, method: iso}}]\n"
    site.apply(site.fleet(text))
    with_iso = site.dump()
    result = site.apply(site.fleet(text.replace("iso", "bdm")))
    after = site.dump()[one]
    assert first_entries(after) == ["DiskDevice", "EthernetDevice", "CdromDevice"]
    assert OURS in boots_first(after)
    assert site.undo(result.run_id).done == 1
    assert changed(with_iso, site.dump()) == []


def records(run_id: str) -> list[dict[str, Any]]:
    lines = (runs_dir() / run_id / FILE).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def places(run_id: str) -> dict[str, dict[str, int]]:
    """Line numbers in the journal by managed object id of the machine and kind of the record."""
    found: dict[str, dict[str, int]] = {}
    of_copy = {}
    for number, record in enumerate(records(run_id)):
        match record["kind"]:
            case "copy":
                of_copy[record["path"]] = moid = record["moid"]
            case "copied":
                moid = of_copy[record["path"]]
            case "intent":
                moid = record["before"]["moid"]
            case "power-off":
                (moid,) = record["moids"]
            case _:
                continue
        found.setdefault(moid, {})[record["kind"]] = number
    return found


@pytest.mark.parametrize("batch", [3, 64])
def test_each_machine_is_changed_as_soon_as_its_own_copy_is_there(
    site: Site, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr("vmboot.fleet.ahead.BATCH", batch)
    switch_off(site)
    result = site.apply(site.fleet(ALL), window=2)
    assert (result.done, result.failed, result.skipped) == (14, 0, 0)
    lines = places(result.run_id)
    assert len(lines) == 14
    for kinds in lines.values():
        assert kinds["copy"] < kinds["copied"] < kinds["intent"]
    first_change = min(kinds["intent"] for kinds in lines.values())
    assert first_change < max(kinds["copy"] for kinds in lines.values())


def test_a_machine_goes_down_when_its_copy_is_there_and_the_others_are_done(site: Site) -> None:
    switch_off(site)
    running = "/DC1/vm/PVS/BIOS/pvs-001"
    site.lab.edit(running, power="on")
    result = site.apply(site.fleet(ALL), power="off")
    assert (result.done, result.shut_down) == (14, (running,))
    lines = places(result.run_id)
    moid = outcome(result, "pvs-001").moid
    down = lines[moid]
    assert down["copy"] < down["copied"] < down["power-off"] < down["intent"]
    others = [kinds["intent"] for other, kinds in lines.items() if other != moid]
    assert max(others) < down["power-off"]
