"""kill -9 at 50 points of an apply: what follows always finds its way, forward and back.

After each kill, once ``apply`` (then ``undo``), once ``undo`` of the crashed run at once. The judge
is a reader that shares no code with vmboot: no template left a VM, no device lost, nothing attached
twice, and after the undo everything as before.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab import crash_child
from tests.lab.fleetlab import Site, changed, drives, site_on
from vmboot.fleet import inflight
from vmboot.fleet.runs import list_runs
from vmboot.fleet.spec import Fleet
from vmboot.lab import Vcenter, start_vcenter
from vmboot.vsphere.placement import choice_of
from vmboot.vsphere.storage import read_storage
from vmboot.vsphere.transfer import delete

pytestmark = pytest.mark.lab
POINTS = 50
#: How long a call that the lab has received may take until it is carried out.
LATE_S = 0.3
FLEET = """\
targets: [{vms: "/DC1/vm/PVS/**", method: iso}]
templates: [{vms: "/DC1/vm/Templates/*", method: iso}]
"""
Dump = dict[str, dict[str, Any]]


class Crashes:
    """A small lab, the fleet on it, and children that die."""

    def __init__(self, site: Site, fleet: Fleet, state: Path) -> None:
        self.site, self.fleet = site, fleet
        self._environment = {**site.lab.environment(), "VMBOOT_STATE": str(state)}
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["tests.lab.crash_child", "pyVmomi", "pycdlib"])
        (self._iso,) = site.plan(fleet).uploads

    def child(self, burns_at: int) -> int:
        """Run an apply that dies at that point; how many points it reached if it lived."""
        ours, theirs = self._context.Pipe(duplex=False)
        arguments = (
            self._environment,
            str(self.fleet.file),
            str(self.site.loaders),
            burns_at,
            theirs,
        )
        process = self._context.Process(target=crash_child.run, args=arguments)
        process.start()
        theirs.close()
        process.join(60)
        if process.exitcode == -signal.SIGKILL:
            return 0
        assert process.exitcode == 0, f"the child ended with {process.exitcode}"
        return int(ours.recv())

    def remove_iso(self) -> None:
        """So that the next apply uploads it again."""
        store = choice_of(read_storage(self.site.session).datastore(self._iso.moid)[0])
        delete(self.site.session, datastore=store, path=self._iso.file)

    def spread(self) -> list[int]:
        """50 points spread evenly over an apply, from its first to its last, upload included."""
        self.remove_iso()
        total = self.child(0)
        self.site.undo(list_runs()[0].id)
        assert total >= POINTS
        return [1 + number * (total - 1) // (POINTS - 1) for number in range(POINTS)]


@pytest.fixture(scope="module")
def crashes(lab_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crashes]:
    folder = tmp_path_factory.mktemp("crash")
    with (
        pytest.MonkeyPatch.context() as patch,
        start_vcenter(vms=8, templates=2, specials=False, task_ms=20, binary=lab_binary) as vcenter,
        site_on(vcenter, folder) as site,
    ):
        patch.setenv("VMBOOT_STATE", str(folder / "state"))
        switch_off(vcenter, site.dump())
        yield Crashes(site, site.fleet(FLEET), folder / "state")


def switch_off(vcenter: Vcenter, machines: Dump) -> None:
    """So that the crashed apply has work with every one of them."""
    for path, machine in machines.items():
        if machine["runtime.powerState"] == "poweredOn":
            vcenter.edit(path, power="off")


@pytest.fixture(autouse=True)
def state(crashes: Crashes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inflight, "LATE_S", LATE_S)
    monkeypatch.setenv("VMBOOT_STATE", crashes._environment["VMBOOT_STATE"])


def templates(machines: Dump) -> set[str]:
    return {path for path, machine in machines.items() if machine["config.template"] == "true"}


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
        crashes.remove_iso()
        crashes.child(point)
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
        crashes.remove_iso()
        crashes.child(point)
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
        crashes.remove_iso()
        site.lab.delays(delay_ms=60)
        crashes.child(point)
        site.lab.delays(delay_ms=0)
        for run in [run for run in list_runs() if run.id not in known]:
            assert site.undo(run.id).failed == 0, f"point {point}"
        assert changed(before, site.dump()) == [], f"point {point}"
