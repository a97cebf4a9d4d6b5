"""kill -9 at 50 points of an apply of boot disks, and in the middle of its undo: no disk is lost.

The judge shares no code with vmboot: an independent reader of the vCenter, and the datastores' own
files, byte for byte. Every machine has something at 0:0 that has to make room.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.lab.bdmlab import ALL, OURS, boots_first, disks, need_grub, our_slots, switch_off
from tests.lab.crashlab import LATE_S, Crashes, Datastores, evenly, templates
from tests.lab.fleetlab import Site, changed, site_on
from vmboot.clock import Deadline, pause
from vmboot.fleet import inflight
from vmboot.fleet.runs import list_runs
from vmboot.fleet.sweep import sweep
from vmboot.lab import start_vcenter
from vmboot.vsphere.disks import delete_disk
from vmboot.vsphere.storage import read_storage

pytestmark = pytest.mark.lab
#: Seven machines and two templates, on seven models of controllers, at home on three datastores.
NAMES = ("pvs-00[1-57]", "pvs-010")
FLEET = ALL.replace('"/DC1/vm/PVS/**"', f"{list(NAMES)}")
IN_AN_UNDO = 10
IN_AN_IMPORT = 12
#: A killed import's machine cannot be removed while its lease lives.
LEASE_S = 1


@dataclass
class Judge:
    """Everything as it was before the first crash.

    :param fleet: inventory paths of the machines that are to boot from a disk
    """

    site: Site
    fleet: frozenset[str]
    machines: dict[str, dict[str, Any]] = field(init=False)
    content: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.store = Datastores(self.site.lab)
        self.machines, self.content = self.site.dump(), self.store.disks()

    def applied(self, point: int) -> None:
        """Ours at 0:0 of every machine, every original disk elsewhere with the same bytes."""
        self.leases_end()
        after = self.site.dump()
        assert after.keys() == self.machines.keys(), f"point {point}"
        for path in self.fleet:
            before = self.machines[path]
            ((_, number, unit),) = our_slots(after[path])
            assert (number, unit) == (0, 0), f"point {point}: {path}"
            others = sorted(file for file in disks(after[path]).values() if OURS not in file)
            assert others == sorted(disks(before).values()), f"point {point}: {path}"
            assert OURS in boots_first(after[path]), f"point {point}: {path}"
            assert after[path]["config.template"] == before["config.template"], f"point {point}"
        self.originals(point)
        left = [
            path for path in self.store.disks() if is_copy(path) and path.endswith("-flat.vmdk")
        ]
        assert len(left) == len(self.fleet), f"point {point}: {left}"

    def left_behind(self) -> set[str]:
        """The kinds of things that a crash has left: a test should meet them all."""
        now = self.site.dump()
        held = {file for machine in now.values() for file in disks(machine).values()}
        copies = {path for path in self.store.disks() if is_copy(path) and "-flat" not in path}
        kinds = {
            "a shell": bool(now.keys() - self.machines.keys()),
            "a free copy": bool(copies - held),
            "an attached copy": bool(copies & held),
            "a template as a machine": templates(now) < templates(self.machines),
        }
        return {kind for kind, is_there in kinds.items() if is_there}

    def leases_end(self) -> None:
        """Wait out the leases of killed imports; in a vCenter it takes five minutes."""
        if any("vmboot-import-" in path for path in self.site.dump()):
            pause(1.3 * LEASE_S, Deadline.after(2 * LEASE_S))

    def originals(self, point: int) -> None:
        now = self.store.disks()
        assert {path: now.get(path) for path in self.content} == self.content, f"point {point}"

    def restored(self, point: int) -> None:
        """As before the apply; beside the originals there is nothing but whole masters."""
        assert changed(self.machines, self.site.dump()) == [], f"point {point}"
        self.originals(point)
        added = self.store.disks().keys() - self.content.keys()
        assert {path for path in added if not is_master(path)} == set(), f"point {point}"

    def swept(self, point: int, fleet: Any) -> None:
        """No copy is left, and after a sweep nothing at all that is vmboot's."""
        assert [path for path in self.store.disks() if is_copy(path)] == [], f"point {point}"
        self.leases_end()
        result = sweep(fleet, self.site.session, everything=True)
        assert result.failed == {}, f"point {point}"
        assert changed(self.machines, self.site.dump()) == [], f"point {point}"
        assert self.store.disks() == self.content, f"point {point}: {result}"
        files = [path for path in self.store.files() if "vmboot" in path]
        assert files == [], f"point {point}"


def is_master(path: str) -> bool:
    return "] vmboot/vmboot-boot-" in path and ".part" not in path


def is_copy(path: str) -> bool:
    return "/vmboot-boot-" in path and "] vmboot/" not in path


def delete_masters(site: Site) -> None:
    """So that the next apply imports them again."""
    stores = {store.name: store for store in read_storage(site.session).datastores}
    for path in site.lab.disks():
        if is_master(path):
            where = stores[path[1:].partition("]")[0]].datacenter_moid
            delete_disk(site.session, path=path, datacenter=where)


@pytest.fixture(scope="module")
def crashes(lab_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crashes]:
    need_grub()
    folder = tmp_path_factory.mktemp("crash")
    with (
        pytest.MonkeyPatch.context() as patch,
        start_vcenter(
            vms=10,
            templates=2,
            specials=False,
            disks=True,
            lease_timeout=LEASE_S,
            binary=lab_binary,
        ) as vcenter,
        site_on(vcenter, folder) as site,
    ):
        patch.setenv("VMBOOT_STATE", str(folder / "state"))
        switch_off(site)
        fleet = site.fleet(FLEET)
        yield Crashes(site, fleet, folder / "state", freshen=lambda: delete_masters(site))


@pytest.fixture(autouse=True)
def state(crashes: Crashes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inflight, "LATE_S", LATE_S)
    monkeypatch.setattr("vmboot.fleet.needed.YOUNG", timedelta(0))
    monkeypatch.setenv("VMBOOT_STATE", crashes.environment["VMBOOT_STATE"])


@pytest.fixture
def judge(crashes: Crashes) -> Judge:
    crashes.freshen()
    machines = crashes.site.plan(crashes.fleet).machines
    return Judge(crashes.site, frozenset(plan.machine.path for plan in machines))


def test_a_killed_apply_is_continued_by_the_next_and_undone_whole(
    crashes: Crashes, judge: Judge
) -> None:
    site = crashes.site
    for point in crashes.spread()[::2]:
        crashes.freshen()
        crashes.apply(point)
        crashed = list_runs()[0]

        result = site.apply(crashes.fleet)

        assert result.failed == result.pending == result.skipped == 0, f"point {point}"
        assert all(run.finished for run in list_runs()), f"point {point}"
        judge.applied(point)
        undone = site.undo(result.run_id or crashed.id)
        assert undone.failed == undone.pending == 0, f"point {point}"
        judge.restored(point)


def test_a_killed_apply_is_undone_at_once(crashes: Crashes, judge: Judge) -> None:
    site = crashes.site
    left: set[str] = set()
    for point in crashes.spread()[1::2]:
        known = {run.id for run in list_runs()}
        crashes.freshen()
        crashes.apply(point)
        left |= judge.left_behind()
        for run in [run for run in list_runs() if run.id not in known]:
            undone = site.undo(run.id)
            assert undone.failed == undone.pending == 0, f"point {point}"
        judge.swept(point, crashes.fleet)
        assert all(run.finished for run in list_runs()), f"point {point}"
    assert left == {"a shell", "a free copy", "an attached copy", "a template as a machine"}


def test_a_killed_undo_is_ended_by_the_next(crashes: Crashes, judge: Judge) -> None:
    site = crashes.site
    run_id = site.apply(crashes.fleet).run_id
    total = crashes.undo(run_id, 0)
    for point in evenly(total, IN_AN_UNDO):
        run_id = site.apply(crashes.fleet).run_id
        crashes.undo(run_id, point)

        undone = site.undo(run_id)

        assert undone.failed == undone.pending == 0, f"point {point}"
        judge.restored(point)
        assert all(run.finished for run in list_runs()), f"point {point}"


def test_a_killed_import_by_the_extent_leaves_nothing_that_a_sweep_does_not_take(
    crashes: Crashes, judge: Judge
) -> None:
    site = crashes.site
    document = "media: {bdm: {import: flat}}\ntargets: [{vms: pvs-001, method: bdm}]\n"
    flat = replace(crashes, fleet=site.fleet(document, name="flat.yml"))
    parts = 0
    for point in flat.spread(IN_AN_IMPORT):
        known = {run.id for run in list_runs()}
        flat.freshen()
        flat.apply(point)
        parts += any(".part" in path for path in judge.store.files())
        for run in [run for run in list_runs() if run.id not in known]:
            assert site.undo(run.id).failed == 0, f"point {point}"
        judge.swept(point, flat.fleet)
    assert parts, "no kill came in the middle of an import"
