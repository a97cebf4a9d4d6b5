"""kill -9 at 50 points of an apply: what follows always finds its way, forward and back.

After each kill, once ``apply`` (then ``undo``), once ``undo`` of the crashed run at once. The judge
is a reader that shares no code with vmboot: no template left a VM, no device lost, nothing attached
twice, and after the undo everything as before.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.bdmlab import switch_off
from tests.lab.crashlab import LATE_S, Crashes, templates
from tests.lab.fleetlab import Site, changed, drives, site_on
from vmboot.fleet import inflight
from vmboot.fleet.plan import Upload
from vmboot.fleet.runs import list_runs
from vmboot.lab import start_vcenter
from vmboot.vsphere.placement import choice_of
from vmboot.vsphere.storage import read_storage
from vmboot.vsphere.transfer import delete

pytestmark = pytest.mark.lab
FLEET = """\
targets: [{vms: "/DC1/vm/PVS/**", method: iso}]
templates: [{vms: "/DC1/vm/Templates/*", method: iso}]
"""


@pytest.fixture(scope="module")
def crashes(lab_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crashes]:
    folder = tmp_path_factory.mktemp("crash")
    with (
        pytest.MonkeyPatch.context() as patch,
        start_vcenter(vms=8, templates=2, specials=False, task_ms=20, binary=lab_binary) as vcenter,
        site_on(vcenter, folder) as site,
    ):
        patch.setenv("VMBOOT_STATE", str(folder / "state"))
        switch_off(site)
        fleet = site.fleet(FLEET)
        (iso,) = site.plan(fleet).uploads
        yield Crashes(site, fleet, folder / "state", freshen=lambda: remove_iso(site, iso))


def remove_iso(site: Site, iso: Upload) -> None:
    """So that the next apply uploads it again."""
    store = choice_of(read_storage(site.session).datastore(iso.moid)[0])
    delete(site.session, datastore=store, path=iso.file)


@pytest.fixture(autouse=True)
def state(crashes: Crashes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inflight, "LATE_S", LATE_S)
    monkeypatch.setenv("VMBOOT_STATE", crashes.environment["VMBOOT_STATE"])


def disks(machine: dict[str, Any]) -> list[str]:
    devices = machine["config.hardware.device"].values()
    return sorted(d["backing"]["fileName"] for d in devices if d["type"] == "VirtualDisk")


def ours(machine: dict[str, Any]) -> int:
    """How many drives hold our ISO."""
    return sum("/vmboot-boot-" in d["backing"].get("fileName", "") for d in drives(machine))


def test_a_killed_apply_is_continued_by_the_next_and_undone_whole(crashes: Crashes) -> None:
    site = crashes.site
    before = site.dump()
    left_as_vms = 0
    for point in crashes.spread():
        crashes.freshen()
        crashes.apply(point)
        crashed = list_runs()[0]
        left_as_vms += len(templates(before) - templates(site.dump()))

        result = site.apply(crashes.fleet)

        after = site.dump()
        assert result.failed == result.pending == result.skipped == 0, f"point {point}"
        assert templates(after) == templates(before), f"point {point}"
        for path, machine in after.items():
            assert ours(machine) == 1, f"point {point}: {path}"
            assert disks(machine) == disks(before[path]), f"point {point}: {path}"
            assert len(drives(machine)) <= 1 + len(drives(before[path])), f"point {point}"
        assert all(run.finished for run in list_runs()), f"point {point}"

        undone = site.undo(result.run_id or crashed.id)

        assert undone.failed == undone.pending == 0, f"point {point}"
        assert changed(before, site.dump()) == [], f"point {point}"
    assert left_as_vms, "no kill came between a template's way out and its way back"


def test_a_killed_apply_is_undone_at_once(crashes: Crashes) -> None:
    site = crashes.site
    before = site.dump()
    for point in crashes.spread():
        known = {run.id for run in list_runs()}
        crashes.freshen()
        crashes.apply(point)
        for run in [run for run in list_runs() if run.id not in known]:
            undone = site.undo(run.id)
            assert undone.failed == undone.pending == 0, f"point {point}"
        assert changed(before, site.dump()) == [], f"point {point}"
        assert all(run.finished for run in list_runs()), f"point {point}"


def test_what_was_on_its_way_at_the_kill_is_waited_for(crashes: Crashes) -> None:
    """The lab takes its time with every call, and the killed process had several on their way."""
    site = crashes.site
    before = site.dump()
    points = crashes.spread()
    for point in points[len(points) // 3 : 3 * len(points) // 5 : 2]:
        known = {run.id for run in list_runs()}
        crashes.freshen()
        site.lab.delays(delay_ms=60)
        crashes.apply(point)
        site.lab.delays(delay_ms=0)
        for run in [run for run in list_runs() if run.id not in known]:
            assert site.undo(run.id).failed == 0, f"point {point}"
        assert changed(before, site.dump()) == [], f"point {point}"
