"""The main job on 40 VMs and 4 templates, judged by a reader that shares no code with vmboot."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.fleetlab import Site, changed, drives, site_on
from tests.soap import TYPE, Soap
from vmboot.fleet.plan import Plan, Verdict
from vmboot.fleet.runs import list_runs
from vmboot.lab import Vcenter

pytestmark = pytest.mark.lab
CHANGED = ("config.hardware.device", "config.bootOptions", "runtime.powerState", "datastore")
BUSES = {"VirtualIDEController": "ide", "VirtualAHCIController": "sata"}


@pytest.fixture
def site(lab: Vcenter, tmp_path) -> Iterator[Site]:
    with site_on(lab, tmp_path) as opened:
        yield opened


def boot_drives(machine: dict[str, Any]) -> list[dict[str, Any]]:
    """Drives at unit 0 of the first IDE or SATA controller."""
    devices = machine["config.hardware.device"]
    first = {key for key, d in devices.items() if d["type"] in BUSES and int(d["busNumber"]) == 0}
    return [
        drive
        for drive in drives(machine)
        if int(drive["controllerKey"]) in first and int(drive["unitNumber"]) == 0
    ]


def holds_ours(machine: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        drive
        for drive in boot_drives(machine)
        if "/vmboot-boot-" in drive["backing"].get("fileName", "")
    ]


def boot_kinds(lab: Vcenter) -> dict[str, list[str]]:
    """Kinds of the boot order's entries by machine name; a CD entry is nothing but its type."""
    with Soap(lab.url) as soap:
        soap.login(lab.user, lab.password)
        machines = soap.retrieve("VirtualMachine", "name", "config.bootOptions")
    return {
        m["name"].text or "": [
            entry.get(TYPE, "").split("Bootable")[-1].removesuffix("Device")
            for entry in m["config.bootOptions"]
            if entry.tag.endswith("bootOrder")
        ]
        for m in machines.values()
    }


def without_boot(machine: dict[str, Any]) -> dict[str, Any]:
    """A machine without what an apply may change: drives, their datastore, power, boot order."""
    kept = {key: value for key, value in machine.items() if key not in CHANGED}
    devices = machine["config.hardware.device"].values()
    kept["disks"] = sorted(d["backing"]["fileName"] for d in devices if d["type"] == "VirtualDisk")
    kept["nics"] = sorted(d["macAddress"] for d in devices if "macAddress" in d)
    options = dict(machine.get("config.bootOptions") or {})
    options.pop("bootOrder", None)
    return kept | {"options": options}


def test_apply_attaches_the_iso_everywhere_and_undo_leaves_no_trace(site: Site) -> None:
    before = site.dump()
    fleet = site.fleet()

    result = site.apply(fleet)

    assert result.counts == {"done": 44, "ok": 0, "pending": 0, "failed": 0, "skipped": 0}
    applied = site.dump()
    paths = [outcome.path for outcome in result.outcomes]
    assert len(paths) == 44
    for path in paths:
        (drive,) = holds_ours(applied[path])
        assert drive["connectable"]["startConnected"] == "true", path
        assert without_boot(applied[path]) == without_boot(before[path]), path
    assert changed(before, applied) == sorted(paths)
    kinds = boot_kinds(site.lab)
    assert {kinds[path.rpartition("/")[2]][0] for path in paths} == {"Cdrom"}

    again = site.plan(fleet)
    site.lab.reset_counters()
    second = site.apply(fleet, again)
    assert (second.run_id, second.ok) == ("", 44)
    assert site.lab.counters().total_writes == 0

    undone = site.undo(result.run_id)
    assert undone.counts == {"done": 44, "ok": 0, "pending": 0, "failed": 0, "skipped": 0}
    assert changed(before, site.dump()) == []


def test_planning_writes_nothing_and_a_plan_survives_json(site: Site) -> None:
    site.lab.reset_counters()
    plan = site.plan(site.fleet(), power="off")
    assert site.lab.counters().total_writes == 0
    assert plan.counts["change"] == 44
    assert Plan.from_json(plan.to_json()) == plan


def test_what_can_be_done_live_is_done_and_the_rest_waits(site: Site) -> None:
    before = site.dump()
    fleet = site.fleet()
    plan = site.plan(fleet)
    pending = [m.machine.path for m in plan.machines if m.verdict is Verdict.PENDING]
    assert pending

    result = site.apply(fleet, plan, power="leave")

    assert result.pending == len(pending)
    assert result.done == 44 - len(pending)
    after = site.dump()
    running = {path for path, m in before.items() if m["runtime.powerState"] == "poweredOn"}
    assert {path for path, m in after.items() if m["runtime.powerState"] == "poweredOn"} == running
    assert set(pending) <= running
    assert not set(changed(before, after)) & set(pending)
    site.undo(result.run_id)
    assert changed(before, site.dump()) == []


def test_pxe_puts_the_nic_first_and_needs_no_iso(site: Site) -> None:
    before = site.dump()
    fleet = site.fleet(
        'targets: [{vms: ["pvs-001", "pvs-002"], method: pxe}]\n', head="version: 1\n"
    )
    plan = site.plan(fleet)
    assert plan.uploads == ()
    result = site.apply(fleet, plan)
    assert (result.done, result.ok) == (1, 1)  # pvs-002 boots from its NIC already
    for outcome in result.outcomes:
        order = site.dump()[outcome.path]["config.bootOptions"]["bootOrder"]
        first = order[0] if isinstance(order, list) else order
        assert first == {
            "type": "VirtualMachineBootOptionsBootableEthernetDevice",
            "deviceKey": "4000",
        }
    site.undo(result.run_id)
    assert changed(before, site.dump()) == []


def test_only_some_machines_of_a_plan(site: Site) -> None:
    before = site.dump()
    fleet = site.fleet()
    plan = site.plan(fleet)
    chosen = [m.machine.path for m in plan.machines if m.verdict is Verdict.CHANGE][:3]
    result = site.apply(fleet, plan, only=chosen)
    assert [outcome.path for outcome in result.outcomes] == chosen
    assert changed(before, site.dump()) == sorted(chosen)
    assert site.apply(fleet, plan, only=[]).outcomes == ()
    site.undo(result.run_id)
    assert changed(before, site.dump()) == []


def test_a_limit_narrows_the_plan(site: Site) -> None:
    plan = site.plan(site.fleet(), limit=["pvs-001", "/DC1/vm/Templates/*"])
    assert sorted(m.machine.name for m in plan.machines) == [
        "pvs-001",
        "tpl-linux-uefi",
        "tpl-rhel-bios",
        "tpl-win10-bios",
        "tpl-win11-pvs",
    ]


def test_an_undo_is_a_run_that_can_be_undone(site: Site) -> None:
    before = site.dump()
    fleet = site.fleet('targets: [{vms: "pvs-00[1-9]", method: iso}]\n')
    result = site.apply(fleet)
    applied = site.dump()
    undone = site.undo(result.run_id)
    assert changed(before, site.dump()) == []
    redone = site.undo(undone.run_id)
    assert redone.failed == 0
    assert [p for p in changed(applied, site.dump()) if not drives(applied[p])] == []
    site.undo(redone.run_id)
    assert changed(before, site.dump()) == []
    by_id = {run.id: run for run in list_runs()}
    assert by_id[result.run_id].undone_by == undone.run_id
    assert by_id[undone.run_id].undone_by == redone.run_id
