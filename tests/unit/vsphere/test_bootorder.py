"""Boot orders, as tables."""

from __future__ import annotations

import pytest

from tests.unit.vsphere.builders import AHCI, BDM, IDE0, SCSI, cd, disk, machine, nic, uefi
from tests.unit.vsphere.serverside import read_back
from vmboot.errors import RefusedError
from vmboot.vsphere.bootorder import (
    defer_boot_order,
    map_boot_order,
    nic_key,
    plan_boot_order,
    predict_boot_order,
    rebase_boot_order,
)
from vmboot.vsphere.changes import AddController, AddDisk, MoveDevice, SetBootOrder
from vmboot.vsphere.effects import machine_after
from vmboot.vsphere.machine import BootEntry, Bus, Machine

CD, FLOPPY = BootEntry("cdrom"), BootEntry("floppy")
DISK, NIC, NIC2 = BootEntry("disk", 2000), BootEntry("ethernet", 4000), BootEntry("ethernet", 4001)
DEVICES = (cd(IDE0), disk(SCSI), nic(4000), nic(4001))


@pytest.mark.parametrize(
    ("found", "after"),
    [
        pytest.param(machine(*DEVICES), (CD,), id="the default order goes on after the CD"),
        pytest.param(
            machine(*DEVICES, boot_order=(DISK, NIC)), (CD, DISK, NIC), id="the rest is kept"
        ),
        pytest.param(
            machine(*DEVICES, boot_order=(NIC, CD, FLOPPY)), (CD, NIC, FLOPPY), id="CD to front"
        ),
        pytest.param(
            machine(*DEVICES, boot_order=(BootEntry("disk", 2999), NIC)),
            (CD, NIC),
            id="a key without a device goes, for the server would refuse it",
        ),
        pytest.param(uefi(*DEVICES), (CD, NIC), id="EFI Quick Boot needs a NIC (KB 326253)"),
        pytest.param(
            uefi(*DEVICES, boot_order=(DISK,)), (CD, NIC, DISK), id="directly after the CD"
        ),
        pytest.param(
            uefi(*DEVICES, boot_order=(DISK, NIC2)), (CD, DISK, NIC2), id="unless one is there"
        ),
        pytest.param(uefi(*DEVICES, hw_version=15), (CD,), id="no Quick Boot before version 16"),
        pytest.param(uefi(cd(IDE0)), (CD,), id="nor without a NIC"),
        pytest.param(uefi(*DEVICES, quick_boot=False), (CD,), id="nor where it is switched off"),
    ],
)
def test_the_cd_comes_first(found: Machine, after: tuple[BootEntry, ...]):
    assert plan_boot_order(found, first="cdrom") == SetBootOrder(found.boot_order, after)


@pytest.mark.parametrize(
    "found",
    [machine(*DEVICES, boot_order=(CD, DISK)), uefi(*DEVICES, boot_order=(CD, DISK, NIC))],
)
def test_an_order_that_is_right_stays(found: Machine):
    assert plan_boot_order(found, first="cdrom") is None


def test_a_chosen_nic_comes_first_and_the_rest_follows():
    found = machine(*DEVICES, boot_order=(DISK, NIC2, CD))

    assert plan_boot_order(found, first=4001) == SetBootOrder(found.boot_order, (NIC2, DISK, CD))


def test_a_nic_that_is_not_there_is_refused():
    with pytest.raises(RefusedError, match="no NIC with the device key 4711"):
        plan_boot_order(machine(*DEVICES), first=4711)


def test_nics_count_from_one():
    assert [nic_key(machine(*DEVICES), index=index) for index in (1, 2)] == [4000, 4001]


@pytest.mark.parametrize("index", [0, 3])
def test_a_nic_index_beyond_the_nics_is_refused(index: int):
    with pytest.raises(RefusedError) as refused:
        nic_key(machine(*DEVICES), index=index)

    assert refused.value.hint is not None
    assert "it has 2" in refused.value.hint


MOVE = MoveDevice(2000, "Hard disk 1", 200, 0, 200, 1)
MOVED = (disk(IDE0, 1, key=2001, file="[shared-01] vm/2000.vmdk"), nic(4000), nic(4001))


def test_an_order_that_names_a_moving_disk_waits_for_its_new_key():
    order = SetBootOrder((DISK,), (CD, DISK))
    before = machine(disk(IDE0), nic(), boot_order=(DISK,))
    first, deferred = defer_boot_order((MOVE, order), machine=before)

    assert (first, deferred) == ((MOVE,), order)
    now = machine(*MOVED, boot_order=())
    assert rebase_boot_order(order, planned_on=before, now=now) == SetBootOrder(
        (), (CD, BootEntry("disk", 2001))
    )


def test_an_order_that_stays_follows_a_moving_disk_too():
    before = machine(disk(IDE0), boot_order=(CD, DISK))

    assert defer_boot_order((MOVE,), machine=before) == (
        (MOVE,),
        SetBootOrder((CD, DISK), (CD, DISK)),
    )


def test_an_order_without_the_moving_disk_goes_along():
    changes = (MOVE, SetBootOrder((), (CD,)))

    assert defer_boot_order(changes, machine=machine(disk(IDE0))) == (changes, None)


def test_an_order_already_in_force_is_not_set_again():
    before = machine(disk(IDE0), boot_order=(DISK,))
    now = machine(*MOVED, boot_order=(CD, BootEntry("disk", 2001)))

    assert rebase_boot_order(SetBootOrder((DISK,), (CD, DISK)), planned_on=before, now=now) is None


def test_what_is_gone_is_left_out_when_keys_are_mapped():
    then = machine(disk(AHCI), nic(4000))
    now = machine(nic(4005))

    assert map_boot_order((CD, DISK, NIC), of=then, to=now) == (CD,)


OURS = BootEntry("disk", -302)
SWAP = (
    MoveDevice(2000, "Hard disk 1", 1000, 0, 1000, 1),
    AddDisk(-302, 1000, 0, BDM),
    SetBootOrder((DISK,), (OURS, NIC, DISK)),
)
OCCUPIED = machine(disk(SCSI), nic(), boot_order=(DISK,))


def test_an_order_that_names_a_new_disk_waits_or_is_foretold():
    first, deferred = defer_boot_order(SWAP, machine=OCCUPIED)

    assert (first, deferred) == (SWAP[:2], SWAP[2])
    assert predict_boot_order(SWAP, OCCUPIED) == SetBootOrder(
        (DISK,), (BootEntry("disk", 2000), NIC, BootEntry("disk", 2001))
    )


def test_the_new_disk_is_found_again_by_its_file_whatever_its_key():
    now = read_back(machine_after(OCCUPIED, SWAP[:2]))

    assert rebase_boot_order(SWAP[2], planned_on=OCCUPIED, now=now, changes=SWAP) == SetBootOrder(
        now.boot_order, (BootEntry("disk", 2000), NIC, BootEntry("disk", 2001))
    )


def test_an_order_that_stays_is_foretold_for_the_disk_that_moves():
    assert predict_boot_order(SWAP[:1], OCCUPIED) == SetBootOrder(
        (DISK,), (BootEntry("disk", 2001),)
    )


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param((SetBootOrder((DISK,), (NIC, DISK)),), id="nothing has to wait"),
        pytest.param((AddDisk(-302, 4711, 0, BDM), SWAP[2]), id="an unknown controller"),
        pytest.param(
            (
                AddController(-301, Bus.SCSI, 1, "ParaVirtualSCSIController"),
                AddDisk(-302, -301, 64, BDM),
                SWAP[2],
            ),
            id="an impossible unit",
        ),
    ],
)
def test_where_there_is_nothing_to_foretell_nothing_is(changes: tuple):
    assert predict_boot_order(changes, OCCUPIED) is None
