"""The way back leads to where the way there began, whatever the hardware."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from tests.unit.vsphere.builders import (
    AHCI,
    AT_POWER_ON,
    BDM,
    BDM_MEDIA,
    EMPTY,
    IDE0,
    IDE1,
    NVME,
    OLD_BDM,
    OLD_MEDIA,
    OTHER,
    OURS,
    SCSI,
    SCSI1,
    cd,
    disk,
    machine,
    nic,
    running,
)
from tests.unit.vsphere.strategies import machines
from vmboot.vsphere.bootorder import defer_boot_order, plan_boot_order
from vmboot.vsphere.cdrom import plan_cdrom
from vmboot.vsphere.changes import (
    AddCdrom,
    AddController,
    AddDisk,
    DetachDisk,
    MoveDevice,
    RemoveDevice,
    SetBootOrder,
    SetCdrom,
    SetExtra,
)
from vmboot.vsphere.effects import machine_after
from vmboot.vsphere.machine import BootEntry, Bus, Connection, Controller, Machine
from vmboot.vsphere.restore import plan_restore
from vmboot.vsphere.sameness import same_boot


def applied(before: Machine) -> Machine:
    """What the server holds afterwards: our drive and controller have keys of its own."""
    after = machine_after(before, plan_cdrom(before, iso=OURS).changes)
    order = plan_boot_order(after, first="cdrom")
    return machine_after(after, (order,) if order else ())


@given(machines())
def test_restore_undoes_whatever_was_planned(before: Machine):
    after = applied(before)
    restored = machine_after(after, plan_restore(after, before))

    assert same_boot(before, restored) == ()
    assert plan_restore(restored, before) == ()


@given(machines())
def test_a_machine_as_recorded_needs_nothing(found: Machine):
    assert plan_restore(found, found) == ()


def test_our_drive_goes_before_the_disk_comes_home():
    before = machine(disk(IDE0), nic())
    now = machine(disk(IDE0, 1, key=2001, file="[shared-01] vm/2000.vmdk"), cd(IDE0), nic())

    assert plan_restore(now, before) == (
        RemoveDevice(3000, "CD/DVD drive 3000"),
        MoveDevice(2001, "Hard disk 2001", 200, 1, 200, 0),
    )


def test_our_controller_goes_last():
    before = machine(disk(SCSI), controllers=(SCSI,))
    now = machine(disk(SCSI), cd(AHCI, key=16000), controllers=(SCSI, AHCI))

    assert plan_restore(now, before) == (
        RemoveDevice(16000, "CD/DVD drive 16000"),
        RemoveDevice(15000, "SATA controller 0"),
    )


def test_a_controller_that_somebody_uses_meanwhile_stays():
    before = machine(disk(SCSI), controllers=(SCSI,))
    now = machine(disk(SCSI), cd(AHCI), disk(AHCI, 1, key=2009), controllers=(SCSI, AHCI))

    assert plan_restore(now, before) == (RemoveDevice(3000, "CD/DVD drive 3000"),)


def test_disks_are_never_removed():
    before = machine(nic())
    now = machine(nic(), disk(SCSI))

    assert plan_restore(now, before) == ()


def test_media_come_back():
    before = machine(cd(IDE0, backing=OTHER))
    now = machine(cd(IDE0, backing=OURS, connection=AT_POWER_ON))
    (change,) = plan_restore(now, before)

    assert isinstance(change, SetCdrom)
    assert (change.backing, change.connection) == (OTHER, Connection())


def test_a_drive_is_connected_again_only_where_it_runs_now():
    link = Connection(start_connected=True, connected=True)
    before = running(cd(IDE0, backing=OTHER, connection=link))
    now = running(cd(IDE0, backing=OURS, connection=AT_POWER_ON))
    (live,) = plan_restore(now, before)
    (cold,) = plan_restore(machine(*now.hardware.devices), before)

    assert isinstance(live, SetCdrom)
    assert isinstance(cold, SetCdrom)
    assert (live.connection.connected, cold.connection.connected) == (True, False)


def test_the_default_order_comes_back_as_an_empty_one():
    now = machine(boot_order=(BootEntry("cdrom"),))

    assert plan_restore(now, machine()) == (SetBootOrder((BootEntry("cdrom"),), ()),)


def test_a_moved_disk_in_the_order_is_found_by_its_file():
    order = (BootEntry("disk", 2000),)
    before = machine(disk(IDE0), boot_order=order)
    moved = disk(IDE0, 1, key=2001, file="[shared-01] vm/2000.vmdk")
    now = machine(cd(IDE0), moved, boot_order=(BootEntry("cdrom"), BootEntry("disk", 2001)))
    first, deferred = defer_boot_order(plan_restore(now, before), machine=now)

    assert not any(isinstance(change, SetBootOrder) for change in first)
    assert deferred == SetBootOrder(now.boot_order, (BootEntry("disk", 2001),))


def test_a_drive_somebody_removed_is_added_again():
    before = machine(cd(IDE1, backing=OTHER))

    assert plan_restore(machine(nic()), replace(before, hardware=before.hardware)) == (
        AddCdrom(-201, 201, 0, OTHER, Connection()),
    )


def test_with_its_controller_if_need_be():
    sata1 = Controller(15001, Bus.SATA, 1, "VirtualAHCIController")
    before = machine(cd(sata1, backing=EMPTY), controllers=(IDE0, sata1))
    changes = plan_restore(machine(nic(), controllers=(IDE0,)), before)

    assert same_boot(before, machine_after(machine(nic(), controllers=(IDE0,)), changes)) == (
        "there is a NIC with key 4000 that was not there",
    )


def test_our_disk_goes_before_the_other_one_comes_home():
    before = machine(disk(SCSI), nic())
    moved = disk(SCSI, 1, key=2001, file="[shared-01] vm/2000.vmdk")
    order = (BootEntry("disk", 2000), BootEntry("ethernet", 4000))
    now = machine(disk(SCSI, file=BDM), moved, nic(), media=BDM_MEDIA, boot_order=order)

    assert plan_restore(now, before) == (
        DetachDisk(2000, "Hard disk 2000", BDM),
        MoveDevice(2001, "Hard disk 2001", 1000, 1, 1000, 0),
        SetExtra("vmboot.media", BDM_MEDIA, ""),
        SetBootOrder(order, ()),
    )


def test_an_older_disk_of_ours_comes_back_with_its_place_in_the_order():
    order = (BootEntry("disk", 2000),)
    before = machine(disk(SCSI, file=OLD_BDM), media=OLD_MEDIA, boot_order=order)
    now = machine(disk(SCSI, file=BDM), media=BDM_MEDIA, boot_order=order)

    assert plan_restore(now, before) == (
        DetachDisk(2000, "Hard disk 2000", BDM),
        AddDisk(-201, 1000, 0, OLD_BDM, "datastore-1"),
        SetExtra("vmboot.media", BDM_MEDIA, OLD_MEDIA),
        SetBootOrder(order, (BootEntry("disk", -201),)),
    )


@pytest.mark.parametrize("mode", ["persistent", "independent_persistent"])
def test_it_comes_back_in_the_mode_it_had(mode: str):
    before = machine(disk(SCSI, file=OLD_BDM, mode=mode), media=OLD_MEDIA)
    now = machine(disk(SCSI, file=BDM), media=BDM_MEDIA)
    restored = machine_after(now, plan_restore(now, before))

    (back,) = (device.disk for device in restored.hardware.devices if device.disk is not None)
    assert (back.mode, back.datastore) == (mode, "datastore-1")


def test_a_controller_we_added_goes_unless_somebody_uses_it():
    before = machine(nic(), controllers=(IDE0,))
    ours = disk(SCSI, file=BDM)
    theirs = disk(SCSI, 3, key=2003)

    alone = plan_restore(machine(ours, nic(), controllers=(IDE0, SCSI)), before)
    assert alone[-1] == RemoveDevice(1000, "SCSI controller 0")
    used = plan_restore(machine(ours, theirs, nic(), controllers=(IDE0, SCSI)), before)
    assert used == (DetachDisk(2000, "Hard disk 2000", BDM),)


def test_a_controller_of_a_model_we_never_add_stays():
    now = machine(nic(), controllers=(IDE0, NVME))

    assert plan_restore(now, machine(nic(), controllers=(IDE0,))) == ()


def test_a_controller_that_is_gone_comes_back_with_our_disk():
    before = machine(disk(SCSI1, file=BDM), nic(), controllers=(IDE0, SCSI1))
    changes = plan_restore(machine(nic(), controllers=(IDE0,)), before)

    assert changes == (
        AddController(-151, Bus.SCSI, 1, "ParaVirtualSCSIController"),
        AddDisk(-201, -151, 0, BDM, "datastore-1"),
    )


def test_disks_move_home_in_the_order_in_which_their_places_become_free():
    files = [f"[shared-01] vm/{name}.vmdk" for name in "ab"]
    before = machine(disk(SCSI, 0, file=files[0]), disk(SCSI, 1, key=2001, file=files[1]))
    now = machine(disk(SCSI, 1, key=2001, file=files[0]), disk(SCSI, 2, key=2002, file=files[1]))

    assert [(c.key, c.to_unit) for c in plan_restore(now, before) if isinstance(c, MoveDevice)] == [
        (2001, 0),
        (2002, 1),
    ]
    back = plan_restore(before, now)
    assert [(c.key, c.to_unit) for c in back if isinstance(c, MoveDevice)] == [
        (2001, 2),
        (2000, 1),
    ]
