"""A boot disk that storage vMotion moved and renamed after its machine is still vmboot's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.bdmlab import boots_first, disks, need_grub, switch_off
from tests.lab.fleetlab import Site, changed, outcome, site_on
from vmboot.fleet.resolve import one_or_pattern
from vmboot.fleet.result import Done
from vmboot.fleet.undo import plan_undo
from vmboot.lab import Vcenter
from vmboot.vsphere.changes import AddDisk, Change, DetachDisk
from vmboot.vsphere.disks import move_disk
from vmboot.vsphere.inventory import read_index, read_machines
from vmboot.vsphere.ourdisks import is_ours
from vmboot.vsphere.reconfigure import reconfigure_job
from vmboot.vsphere.storage import read_storage
from vmboot.vsphere.tasks import run_window

pytestmark = pytest.mark.lab
ONE = "/DC1/vm/PVS/BIOS/pvs-001"
FIRST = ("scsi", 0, 0)


@pytest.fixture
def site(small_lab: Callable[..., Vcenter], tmp_path: Path) -> Iterator[Site]:
    need_grub()
    with site_on(small_lab(vms=4, templates=0, disks=True), tmp_path) as opened:
        switch_off(opened)
        yield opened


def rename(site: Site) -> str:
    """As storage vMotion does it; the new path of the boot disk of ``ONE``."""
    (entry,) = one_or_pattern(read_index(site.session), ONE)
    (machine,) = read_machines(site.session, [entry.moid])
    (ours,) = (device for device in machine.hardware.devices if is_ours(device, machine))
    assert ours.disk is not None
    assert ours.controller is not None
    assert ours.unit is not None
    store = next(s for s in read_storage(site.session).datastores if s.moid == ours.disk.datastore)
    target = f"{machine.home}/{machine.name}_7.vmdk"
    change(site, DetachDisk(ours.key, ours.label, ours.file))
    move_disk(site.session, source=ours.file, target=target, datacenter=store.datacenter_moid)
    change(site, AddDisk(-1, ours.controller, ours.unit, target, store.moid))
    site.lab.edit(ONE, boot_order=["disk", "nic"])
    return target


def change(site: Site, one: Change) -> None:
    (entry,) = one_or_pattern(read_index(site.session), ONE)
    (machine,) = read_machines(site.session, [entry.moid])
    (result,) = run_window(site.session, [reconfigure_job(machine, (one,))])
    assert result.ok, result.error


@pytest.mark.parametrize("force", [False, True])
def test_an_undo_takes_it_out_and_puts_everything_else_back(site: Site, force: bool) -> None:
    before = site.dump()
    run = site.apply(site.fleet(f"targets: [{{vms: {ONE}, method: bdm}}]\n")).run_id
    target = rename(site)
    assert boots_first(site.dump()[ONE]) == disks(site.dump()[ONE])[FIRST] == target

    (planned,) = plan_undo(run, site.session, force=force).machines
    assert [(p.warning, target in p.message) for p in planned.problems] == [(True, True)]
    undone = site.undo(run, force=force)

    assert outcome(undone, "pvs-001").verdict is Done.DONE
    assert changed(before, site.dump()) == []
    again = site.undo(undone.run_id)
    assert (again.done, disks(site.dump()[ONE])[FIRST]) == (1, target)
    assert changed(before, site.dump()) == [ONE]
