"""A copy lies beside its machine, where there is room for all copies or for none."""

from dataclasses import replace

import pytest

from tests.unit.vsphere.builders import SCSI, disk, machine, nic
from vmboot.fleet.decide import BdmWish, Wanted, plan_machine
from vmboot.fleet.homes import Home, home_of, join, needs_copy, refuse_without_room
from vmboot.fleet.plan import MachinePlan, Problem, Upload, Verdict
from vmboot.model import BootMethod, Firmware
from vmboot.vsphere.machine import Machine
from vmboot.vsphere.storage import Datastore, Storage

NAME = "vmboot-boot-0123456789ab.vmdk"
MIB = 1 << 20
STORE = Datastore("ds-1", "shared", "/DC1/datastore/shared", "/DC1", "dc-1", free=100 * MIB)
ELSEWHERE = replace(STORE, moid="ds-2", path="/DC2/datastore/shared", datacenter="/DC2")
BOTH = Storage((ELSEWHERE, STORE))


def vm(number: int = 1) -> Machine:
    made = machine(disk(SCSI), nic(), moid=f"vm-{number}", path=f"/DC1/vm/vm-{number}")
    return replace(made, home=f"[shared] vm-{number}")


def plan(number: int = 1) -> MachinePlan:
    found = vm(number)
    file = f"{found.home}/{NAME}"
    wish = BdmWish(file, "ds-1", "boot 0123456789ab", frozenset(Firmware))
    return plan_machine(found, Wanted(BootMethod.BDM, bdm=wish))


def master(*, present: bool = False) -> Upload:
    return Upload("shared", f"[shared] vmboot/{NAME}", 8 * MIB, "ab", present, "ds-1", "bdm")


def test_of_two_datastores_with_one_name_the_machines_datacenter_decides() -> None:
    home = home_of(BOTH, vm())
    assert isinstance(home, Home)
    assert home.datastore.moid == "ds-1"
    assert home.path(NAME) == f"[shared] vm-1/{NAME}"


@pytest.mark.parametrize(
    ("folder", "path"),
    [("[a] b", "[a] b/c"), ("[a] b/d", "[a] b/d/c"), ("[a]", "[a] c"), ("[a] ", "[a] c")],
)
def test_a_path_below_a_folder_or_the_datastore_itself(folder: str, path: str) -> None:
    assert join(folder, "c") == path


@pytest.mark.parametrize(
    ("found", "storage", "why"),
    [
        (replace(vm(), unavailable="inaccessible"), BOTH, "the vCenter calls it inaccessible"),
        (replace(vm(), home=""), BOTH, "does not tell where its files are"),
        (replace(vm(), home="[other] x"), BOTH, "the datastore other of its files cannot be seen"),
        (vm(), Storage((replace(STORE, maintenance="inMaintenance"),)), "maintenance mode"),
    ],
)
def test_a_home_that_takes_no_disk_is_a_problem_of_its_machine(
    found: Machine, storage: Storage, why: str
) -> None:
    home = home_of(storage, found)
    assert isinstance(home, Problem)
    assert why in home.message


def test_a_machine_that_is_to_get_a_disk_needs_a_copy() -> None:
    made = plan()
    change = needs_copy(made)
    assert change is not None
    assert (change.file, change.datastore) == (made.bdm, "ds-1")


@pytest.mark.parametrize(("free", "fits"), [(24, True), (23, False)])
def test_copies_and_their_master_must_fit_together(free: int, fits: bool) -> None:
    storage = Storage((replace(STORE, free=free * MIB),))
    plans = refuse_without_room([plan(1), plan(2)], [master()], storage)
    assert {each.verdict for each in plans} == {Verdict.CHANGE if fits else Verdict.REFUSED}
    if not fits:
        assert plans[0].problems[0].message == (
            "datastore shared has 23 MiB free, and 2 copies of the BDM disk and its master "
            "need 24 MiB"
        )


def test_a_master_that_is_there_takes_no_more_room() -> None:
    storage = Storage((replace(STORE, free=16 * MIB),))
    plans = refuse_without_room([plan(1), plan(2)], [master(present=True)], storage)
    assert {each.verdict for each in plans} == {Verdict.CHANGE}
