"""Where the BDM disk goes, as tables of literal machines."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.vsphere.builders import (
    AHCI,
    BDM,
    BDM_MEDIA,
    IDE0,
    IDE1,
    LSI,
    LSI1,
    LSI_SAS,
    NVME,
    OLD_BDM,
    OLD_MEDIA,
    SCSI,
    SCSI1,
    cd,
    disk,
    machine,
    nic,
    running,
    uefi,
)
from vmboot.errors import InputError
from vmboot.vsphere.bdmdisk import boot_place, plan_bdm
from vmboot.vsphere.cdrom import SlotPlan
from vmboot.vsphere.changes import (
    AddController,
    AddDisk,
    DetachDisk,
    MoveDevice,
    SetBootOrder,
    SetExtra,
)
from vmboot.vsphere.effects import machine_after
from vmboot.vsphere.machine import BootEntry, Bus, Controller, Device, DeviceKind, Machine, Power
from vmboot.vsphere.slots import PVSCSI_MODEL, SCSI_OWN_UNIT, Slot

IDE = (IDE0, IDE1)
SCSI_00, SATA_00, NVME_00 = (Slot(bus, 0, 0) for bus in (Bus.SCSI, Bus.SATA, Bus.NVME))
NIC = BootEntry("ethernet", 4000)
NAMED = SetExtra("vmboot.media", "", BDM_MEDIA)
SMALL = 8 * 1024**2


def planned(found: Machine, *, disk_next: bool = False) -> SlotPlan:
    return plan_bdm(found, file=BDM, datastore="datastore-1", media=BDM_MEDIA, disk_next=disk_next)


def on(*controllers: Controller) -> dict[str, tuple[Controller, ...]]:
    return {"controllers": (*IDE, *controllers)}


def full(controller: Controller, count: int) -> list[Device]:
    own = SCSI_OWN_UNIT if controller.bus is Bus.SCSI else None
    units = (unit for unit in range(count) if unit != own)
    return [disk(controller, unit, key=5000 + unit) for unit in units]


@pytest.mark.parametrize(
    ("found", "slot"),
    [
        pytest.param(machine(disk(SCSI)), SCSI_00, id="PVSCSI"),
        pytest.param(machine(disk(LSI), **on(LSI)), SCSI_00, id="LSI parallel"),
        pytest.param(machine(disk(LSI_SAS), **on(LSI_SAS)), SCSI_00, id="LSI SAS"),
        pytest.param(uefi(disk(NVME), **on(NVME)), NVME_00, id="NVMe"),
        pytest.param(uefi(disk(NVME), **on(NVME, SCSI)), SCSI_00, id="SCSI before NVMe"),
        pytest.param(
            uefi(disk(NVME), **on(NVME, SCSI), boot_order=(BootEntry("disk", 2000),)),
            NVME_00,
            id="the first disk in the boot order decides",
        ),
        pytest.param(
            machine(disk(SCSI1), **on(SCSI1), boot_order=(BootEntry("disk", 2000),)),
            SCSI_00,
            id="it is on SCSI controller 1, and there is no 0",
        ),
        pytest.param(
            machine(**on(SCSI, AHCI), boot_order=(BootEntry("disk", 77),)),
            SCSI_00,
            id="the boot order names a disk that is gone",
        ),
        pytest.param(uefi(disk(AHCI), **on(AHCI)), SATA_00, id="SATA with a disk"),
        pytest.param(uefi(disk(AHCI, 1), cd(AHCI), **on(AHCI)), SCSI_00, id="a CD at SATA 0:0"),
        pytest.param(uefi(nic(), **on(AHCI)), SCSI_00, id="SATA without a disk says nothing"),
        pytest.param(machine(disk(IDE0), controllers=IDE), SCSI_00, id="a disk on IDE"),
        pytest.param(
            machine(disk(IDE0), controllers=IDE, boot_order=(BootEntry("disk", 2000),)),
            SCSI_00,
            id="a disk on IDE that boots first",
        ),
        pytest.param(machine(nic(), controllers=IDE), SCSI_00, id="no disk controller at all"),
    ],
)
def test_the_place_is_where_the_firmware_looks(found: Machine, slot: Slot):
    assert boot_place(found) == slot


def test_the_disk_there_moves_and_ours_boots_first_with_the_nic_behind_it():
    found = machine(disk(SCSI), nic(), boot_order=(BootEntry("disk", 2000),))

    assert planned(found) == SlotPlan(
        (
            MoveDevice(2000, "Hard disk 2000", 1000, 0, 1000, 1),
            AddDisk(-302, 1000, 0, BDM, "datastore-1"),
            NAMED,
            SetBootOrder(found.boot_order, (BootEntry("disk", -302), NIC, BootEntry("disk", 2000))),
        ),
        powered_off_only=True,
    )


def test_a_free_place_is_taken_without_moving_anything():
    found = machine(disk(SCSI, 1), nic())

    assert planned(found).changes == (
        AddDisk(-302, 1000, 0, BDM, "datastore-1"),
        NAMED,
        SetBootOrder((), (BootEntry("disk", -302), NIC)),
    )


@pytest.mark.parametrize(
    ("hw_version", "model"),
    [(6, "VirtualLsiLogicController"), (7, PVSCSI_MODEL), (19, PVSCSI_MODEL), (0, PVSCSI_MODEL)],
)
def test_a_controller_is_added_where_there_is_none(hw_version: int, model: str):
    found = machine(disk(IDE0), nic(), controllers=IDE, hw_version=hw_version)

    assert planned(found).changes[:2] == (
        AddController(-301, Bus.SCSI, 0, model),
        AddDisk(-302, -301, 0, BDM, "datastore-1"),
    )


@pytest.mark.parametrize(
    ("devices", "controllers", "hw_version", "key", "unit"),
    [
        pytest.param([disk(SCSI), disk(SCSI, 1, key=2001)], (SCSI,), 19, 1000, 2, id="next free"),
        pytest.param(full(SCSI, 7), (SCSI,), 19, 1000, 8, id="never SCSI 7"),
        pytest.param(full(SCSI, 16), (SCSI,), 14, 1000, 16, id="PVSCSI has 64"),
        pytest.param(full(SCSI, 16), (SCSI, SCSI1), 13, 1001, 0, id="the next PVSCSI controller"),
        pytest.param(full(LSI, 16), (LSI, LSI1), 19, 1001, 0, id="the next LSI controller"),
        pytest.param(full(NVME, 14), (NVME,), 19, 31000, 14, id="NVMe has 15"),
        pytest.param(full(AHCI, 29), (AHCI,), 19, 15000, 29, id="SATA has 30"),
        pytest.param([disk(AHCI), cd(AHCI, 1)], (AHCI,), 19, 15000, 2, id="not a CD's place"),
    ],
)
def test_the_disk_there_moves_to_the_first_free_unit(
    devices: list[Device],
    controllers: tuple[Controller, ...],
    hw_version: int,
    key: int,
    unit: int,
):
    plan = planned(machine(*devices, nic(), **on(*controllers), hw_version=hw_version))
    (move,) = (change for change in plan.changes if isinstance(change, MoveDevice))

    assert (move.to_controller, move.to_unit) == (key, unit)
    assert (move.from_controller, move.from_unit) == (controllers[0].key, 0)


@pytest.mark.parametrize(
    ("found", "words", "hint"),
    [
        pytest.param(
            machine(disk(SCSI), has_snapshot=True),
            "Hard disk 2000 at SCSI 0:0 cannot change its place while there are snapshots",
            "delete or consolidate",
            id="snapshots",
        ),
        pytest.param(
            machine(disk(SCSI, file=OLD_BDM), has_snapshot=True),
            "at SCSI 0:0 cannot change its place",
            "snapshots",
            id="an older BDM disk with snapshots",
        ),
        pytest.param(
            machine(disk(SCSI, has_parent=True)), "linked clone", "full clone", id="linked clone"
        ),
        pytest.param(
            machine(disk(SCSI, sharing="sharingMultiWriter")),
            "multi-writer",
            "by hand",
            id="shared",
        ),
        pytest.param(machine(disk(SCSI, kind="rdm")), "raw device", "by hand", id="RDM"),
        pytest.param(
            machine(disk(replace(SCSI, shared=True), 1), **on(replace(SCSI, shared=True))),
            "SCSI 0:0 is on a SCSI bus that other machines share",
            "bus sharing",
            id="shared bus",
        ),
        pytest.param(machine(nic(), encrypted=True), "encrypted", "iso or pxe", id="encrypted"),
        pytest.param(machine(fault_tolerant=True), "fault tolerance", "turn", id="FT"),
        pytest.param(
            machine(*full(LSI, 16), **on(LSI)),
            "no SCSI unit is free",
            "another controller by hand",
            id="no unit is free",
        ),
        pytest.param(
            machine(*full(LSI, 16), **on(LSI, SCSI1)),
            "no SCSI unit is free",
            "by hand",
            id="only on a controller that needs another driver",
        ),
        pytest.param(machine(unavailable="orphaned"), "orphaned", "host", id="out of reach"),
        pytest.param(
            replace(machine(), hardware=replace(machine().hardware, controllers=(), devices=())),
            "cannot be read",
            "System.Read",
            id="unreadable",
        ),
    ],
)
def test_refusals_say_why_and_what_next(found: Machine, words: str, hint: str):
    plan = planned(found)
    (problem,) = plan.problems

    assert plan.refused
    assert plan.changes == ()
    assert words in problem.message
    assert problem.hint is not None
    assert hint in problem.hint


def test_a_device_that_is_no_disk_is_not_moved():
    tape = replace(disk(SCSI), kind=DeviceKind.OTHER, label="", model="VirtualSCSIPassthrough")
    (problem,) = planned(machine(tape)).problems

    assert (
        problem.message == "SCSI 0:0 is taken by VirtualSCSIPassthrough, which vmboot cannot move"
    )


@pytest.mark.parametrize(
    "found",
    [
        machine(disk(SCSI, 1, has_parent=True, sharing="sharingMultiWriter", kind="rdm"), nic()),
        machine(disk(SCSI, 1), nic(), has_snapshot=True),
    ],
)
def test_disks_that_stay_where_they_are_forbid_nothing(found: Machine):
    assert not planned(found).refused


def right(**fields: object) -> Machine:
    order = (BootEntry("disk", 2000), NIC)
    placed = disk(SCSI, file=BDM, capacity=SMALL)
    return machine(placed, nic(), **{"media": BDM_MEDIA, "boot_order": order, **fields})


@pytest.mark.parametrize(
    "found",
    [
        right(),
        right(power=Power.ON),
        right(has_snapshot=True, encrypted=True, fault_tolerant=True),
        right(quick_boot=False),
    ],
)
def test_one_that_is_right_is_left_alone(found: Machine):
    assert planned(found) == SlotPlan()


def test_also_where_a_snapshot_put_a_delta_on_top():
    delta = BDM.replace(".vmdk", "-000001.vmdk")
    placed = disk(SCSI, file=delta, has_parent=True)
    order = (BootEntry("disk", 2000), NIC)
    found = machine(placed, nic(), media=BDM_MEDIA, boot_order=order, has_snapshot=True)

    assert planned(found) == SlotPlan()


def test_and_where_a_clone_has_its_copy_under_another_name():
    copied = disk(SCSI, file="[shared-01] clone/clone.vmdk", capacity=SMALL)
    order = (BootEntry("disk", 2000), NIC)
    found = machine(copied, disk(SCSI, 1, key=2001), nic(), media=BDM_MEDIA, boot_order=order)

    plan = planned(found)
    assert (plan.changes, plan.refused) == ((), False)
    (warning,) = plan.problems
    assert warning.message == (
        "Hard disk 2000 at SCSI 0:0 is taken for its BDM disk, though its file is "
        "[shared-01] clone/clone.vmdk"
    )


def test_an_older_one_under_another_name_is_replaced_and_the_plan_says_which():
    copied = disk(SCSI, file="[shared-01] clone/clone.vmdk", capacity=SMALL)
    plan = planned(machine(copied, nic(), media=OLD_MEDIA))

    assert plan.changes[0] == DetachDisk(2000, "Hard disk 2000", copied.file)
    assert [copied.file in problem.message for problem in plan.problems] == [True]


def test_the_disk_that_made_room_is_never_taken_for_the_one_that_took_its_place():
    own = disk(SCSI, uuid="6000c29a", capacity=SMALL)
    plan = planned(machine(own, nic(), media=OLD_MEDIA, displaced="6000c29a"))

    assert plan.changes[0] == MoveDevice(2000, "Hard disk 2000", 1000, 0, 1000, 1)
    assert not any(isinstance(change, DetachDisk) for change in plan.changes)


def test_an_older_disk_is_replaced_in_one_go_and_nothing_else_moves():
    found = replace(right(), media=OLD_MEDIA)
    devices = (disk(SCSI, file=OLD_BDM), disk(SCSI, 1, key=2001), nic())
    found = replace(found, hardware=replace(found.hardware, devices=devices))

    assert planned(found).changes == (
        DetachDisk(2000, "Hard disk 2000", OLD_BDM),
        AddDisk(-302, 1000, 0, BDM, "datastore-1"),
        SetExtra("vmboot.media", OLD_MEDIA, BDM_MEDIA),
        SetBootOrder(found.boot_order, (BootEntry("disk", -302), NIC)),
    )


def test_ours_at_the_wrong_unit_moves_to_the_right_one_and_is_spoken_of():
    found = machine(disk(SCSI), disk(SCSI, 1, key=2001, file=BDM), nic(), media=BDM_MEDIA)
    plan = planned(found)

    assert plan.changes[:2] == (
        MoveDevice(2000, "Hard disk 2000", 1000, 0, 1000, 2),
        MoveDevice(2001, "Hard disk 2001", 1000, 1, 1000, 0),
    )
    assert [problem.message for problem in plan.problems] == [
        "the BDM disk sits at SCSI 0:1; the firmware boots only SCSI 0:0"
    ]
    assert not plan.refused


@pytest.mark.parametrize(
    ("file", "is_anothers"),
    [
        ("[shared-01] vmboot/vmboot-boot-0123456789ab.vmdk", True),
        ("[shared-01] b/vmboot-boot-0123456789ab.vmdk", True),
        ("[shared-01] vmboot-boot-0123456789ab.vmdk", True),
        (BDM.replace(".vmdk", "-000001.vmdk"), False),
        ("[shared-02] a_1/vmboot-boot-0123456789ab.vmdk", False),
        ("[shared-01] 5f3c01aa-12cd-0001/vmboot-boot-0123456789ab.vmdk", False),
    ],
)
def test_a_master_that_somebody_attached_by_hand_is_spoken_of(file: str, is_anothers: bool):
    plan = planned(replace(right(), hardware=machine(disk(SCSI, file=file), nic()).hardware))

    assert [
        (p.warning, f"its BDM disk {file} is not in its own folder" in p.message)
        for p in (plan.problems)
    ] == [(True, True)] * is_anothers
    assert not plan.refused


def test_a_machine_without_a_network_card_is_spoken_of():
    plan = planned(machine(disk(SCSI)))

    assert plan.changes
    assert [(problem.warning, problem.message) for problem in plan.problems] == [
        (True, "it has no network card, so its loader reaches no boot server")
    ]


def test_an_older_one_elsewhere_goes_too():
    found = machine(disk(SCSI), disk(SCSI, 1, key=2001, file=OLD_BDM), nic())

    assert planned(found).changes[0] == DetachDisk(2001, "Hard disk 2001", OLD_BDM)


@pytest.mark.parametrize(
    ("found", "after"),
    [
        pytest.param(right(boot_order=()), (BootEntry("disk", 2000), NIC), id="no order yet"),
        pytest.param(
            right(boot_order=(BootEntry("cdrom"), NIC, BootEntry("disk", 2000))),
            (BootEntry("disk", 2000), NIC, BootEntry("cdrom")),
            id="ours and the NIC come forward",
        ),
        pytest.param(
            right(boot_order=(BootEntry("cdrom"),), quick_boot=False),
            (BootEntry("disk", 2000), BootEntry("cdrom")),
            id="quick boot is off",
        ),
        pytest.param(
            right(boot_order=(BootEntry("disk", 77), BootEntry("floppy"))),
            (BootEntry("disk", 2000), NIC, BootEntry("floppy")),
            id="a disk that is gone",
        ),
    ],
)
def test_the_boot_order_alone_is_put_right(found: Machine, after: tuple[BootEntry, ...]):
    plan = planned(found)

    assert plan.changes == (SetBootOrder(found.boot_order, after),)
    assert not plan.powered_off_only


def test_the_nic_is_the_one_of_the_order_so_far():
    order = (BootEntry("ethernet", 4001),)
    found = machine(disk(SCSI, file=BDM), nic(), nic(4001), media=BDM_MEDIA, boot_order=order)

    assert planned(found).changes == (
        SetBootOrder(order, (BootEntry("disk", 2000), BootEntry("ethernet", 4001))),
    )


def test_a_machine_without_a_nic_gets_an_order_without_one():
    found = machine(disk(SCSI, file=BDM), media=BDM_MEDIA)

    assert planned(found).changes == (SetBootOrder((), (BootEntry("disk", 2000),)),)


def order_with_disk_next(found: Machine) -> list[str]:
    """The new order: disks by file name, everything else by kind."""
    changes = planned(found, disk_next=True).changes
    after = machine_after(found, changes)
    files = {d.key: d.file.rpartition("/")[2] for d in after.hardware.devices if d.file}
    return [files[e.key] if e.kind == "disk" and e.key else e.kind for e in after.boot_order]


@pytest.mark.parametrize(
    ("found", "after"),
    [
        pytest.param(
            machine(disk(SCSI, file="[s] a/own.vmdk"), nic()),
            ["own.vmdk", "ethernet"],
            id="the one at the slot",
        ),
        pytest.param(
            machine(
                disk(SCSI, file="[s] a/data.vmdk"),
                disk(SCSI, 1, key=2001, file="[s] a/own.vmdk"),
                nic(),
                boot_order=(NIC, BootEntry("disk", 2001), BootEntry("disk", 2000)),
            ),
            ["own.vmdk", "ethernet", "data.vmdk"],
            id="the first in the order so far",
        ),
        pytest.param(
            machine(
                disk(SCSI, 3, key=2003, file="[s] a/c.vmdk"),
                disk(SCSI, 2, key=2002, file="[s] a/b.vmdk"),
                disk(LSI1, 0, key=2016, file="[s] a/d.vmdk"),
                nic(),
                **on(SCSI, LSI1),
            ),
            ["b.vmdk", "ethernet"],
            id="the lowest of the bus",
        ),
        pytest.param(
            machine(disk(SCSI, file="[s] a/own.vmdk"), quick_boot=False),
            ["own.vmdk"],
            id="without a NIC where none is needed",
        ),
        pytest.param(
            machine(
                disk(SCSI, file=OLD_BDM),
                disk(SCSI, 1, key=2001, file="[s] a/own.vmdk"),
                nic(),
                media=OLD_MEDIA,
                boot_order=(BootEntry("disk", 2000), NIC),
            ),
            ["own.vmdk", "ethernet"],
            id="never an older BDM disk",
        ),
        pytest.param(machine(nic()), ["ethernet"], id="there is none"),
    ],
)
def test_with_pxe_on_disk_a_machine_without_work_goes_on_to_its_own_disk(
    found: Machine, after: list[str]
):
    assert order_with_disk_next(found) == [BDM.rpartition("/")[2], *after]


def test_the_disk_that_comes_next_moves_in_the_order_alone_when_it_was_behind_the_nic():
    order = (BootEntry("disk", 2000), NIC, BootEntry("disk", 2001))
    found = machine(
        disk(SCSI, file=BDM), disk(SCSI, 1, key=2001), nic(), media=BDM_MEDIA, boot_order=order
    )

    plan = planned(found, disk_next=True)

    assert planned(found).changes == ()
    assert plan.changes == (SetBootOrder(order, (order[0], order[2], order[1])),)
    assert not plan.powered_off_only


def test_a_running_machine_changes_disks_only_when_it_is_off():
    assert planned(running()).powered_off_only
    assert not planned(right(power=Power.ON, media="")).powered_off_only
    assert planned(right(power=Power.SUSPENDED, media="")).powered_off_only


@pytest.mark.parametrize(
    ("file", "media"),
    [
        (BDM, OLD_MEDIA),
        ("[shared-01] a/my-boot-disk.vmdk", BDM_MEDIA),
        ("[shared-01] a/my-boot-disk.vmdk", ""),
    ],
)
def test_a_file_that_could_not_be_told_afterwards_is_no_input(file: str, media: str):
    with pytest.raises(InputError) as error:
        plan_bdm(machine(), file=file, datastore="datastore-1", media=media)

    assert error.value.hint is not None
