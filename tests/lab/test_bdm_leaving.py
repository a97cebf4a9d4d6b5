"""From boot disks to another boot method and back: the right disk comes home to 0:0."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.lab.bdmlab import OURS, Slot, copies, disks, need_grub, our_slots, switch_off
from tests.lab.fleetlab import Site, changed, planned, site_on
from vmboot.fleet.spec import Fleet
from vmboot.lab import Vcenter

pytestmark = pytest.mark.lab


@pytest.fixture
def site(small_lab: Callable[..., Vcenter], tmp_path: Path) -> Iterator[Site]:
    need_grub()
    with site_on(small_lab(vms=12, templates=2, disks=True), tmp_path) as opened:
        switch_off(opened)
        yield opened


def with_data_disk(site: Site) -> str:
    """The path of a machine whose data disk is at 0:1, behind the one it starts from."""
    for path, machine in site.dump().items():
        units = sorted(slot for slot in disks(machine) if slot[0] == "scsi")
        if "/PVS/" in path and units == [("scsi", 0, 0), ("scsi", 0, 1)]:
            return path
    raise AssertionError("the lab has no such machine")


def fleet_of(site: Site, path: str, method: str) -> Fleet:
    return site.fleet(f'targets: [{{vms: "{path}", method: {method}}}]\n')


def own_disks(site: Site, path: str) -> Mapping[Slot, str]:
    return {slot: file for slot, file in disks(site.dump()[path]).items() if OURS not in file}


@pytest.mark.parametrize("method", ["iso", "pxe"])
def test_a_machine_leaves_boot_disks_with_each_disk_at_its_place(site: Site, method: str) -> None:
    path = with_data_disk(site)
    home = own_disks(site, path)
    site.apply(fleet_of(site, path, "bdm"))
    with_bdm = site.dump()
    assert own_disks(site, path) != home

    left = site.apply(fleet_of(site, path, method))

    assert left.done == 1
    assert own_disks(site, path) == home
    assert copies(site.lab) == []
    settings = site.dump()[path]["config.extraConfig"]
    assert not [key for key in settings if key.startswith("vmboot.")]
    assert site.undo(left.run_id).done == 1
    assert changed(with_bdm, site.dump()) == []


def test_a_machine_gets_boot_disks_a_second_time(site: Site) -> None:
    path = with_data_disk(site)
    before, home = site.dump(), own_disks(site, path)
    for method in ("bdm", "pxe", "bdm"):
        assert site.apply(fleet_of(site, path, method)).done == 1
    assert our_slots(site.dump()[path]) == [("scsi", 0, 0)]

    last = site.apply(fleet_of(site, path, "pxe"))

    assert own_disks(site, path) == home
    assert site.undo(last.run_id).done == 1
    assert our_slots(site.dump()[path]) == [("scsi", 0, 0)]
    assert changed(before, site.dump()) == [path]


def test_a_machine_of_an_older_run_is_guessed_and_the_plan_says_so(site: Site) -> None:
    path = with_data_disk(site)
    home = own_disks(site, path)
    site.apply(fleet_of(site, path, "bdm"))
    site.lab.edit(path, extra_config={"vmboot.displaced": ""})

    plan = site.plan(fleet_of(site, path, "pxe"), power="off")

    (problem,) = planned(plan, path.rpartition("/")[2]).problems
    assert problem.warning
    assert "not recorded" in problem.message
    assert site.apply(fleet_of(site, path, "pxe")).done == 1
    assert own_disks(site, path) == home
