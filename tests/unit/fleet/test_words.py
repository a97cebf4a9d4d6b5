"""Every kind of change in words that a person understands without knowing the API."""

import pytest

from tests.unit.vsphere.builders import (
    AT_POWER_ON,
    BDM,
    BDM_MEDIA,
    EMPTY,
    IDE0,
    OLD_BDM,
    OLD_MEDIA,
    OTHER,
    OURS,
    SCSI,
    cd,
    disk,
    nic,
)
from vmboot.fleet.words import changes_in_words, drive
from vmboot.vsphere.devices import (
    AddCdrom,
    AddController,
    AddDisk,
    Change,
    DetachDisk,
    MoveDevice,
    RemoveDevice,
    SetBootOrder,
    SetCdrom,
    SetExtra,
)
from vmboot.vsphere.machine import BootEntry, Bus, Connection, Hardware

HARDWARE = Hardware((IDE0, SCSI), (cd(IDE0), disk(SCSI), nic()))
MASTER = "[shared-01] vmboot/vmboot-boot-0123456789ab.vmdk"
ADD_AHCI = AddController(-1, Bus.SATA, 0, "VirtualAHCIController")


@pytest.mark.parametrize(
    ("changes", "what", "before", "after"),
    [
        ([ADD_AHCI], "SATA controller 0", "none", "VirtualAHCIController"),
        (
            [ADD_AHCI, AddCdrom(-2, -1, 0, OURS, AT_POWER_ON)],
            "CD/DVD drive at SATA 0:0",
            "none",
            "[shared-01] vmboot/boot.iso, connects at power on",
        ),
        (
            [SetCdrom(3000, "CD/DVD drive 1", 200, 0, OTHER, Connection(), OURS, AT_POWER_ON)],
            "CD/DVD drive 1 (IDE 0:0)",
            "[shared-01] iso/other.iso, not connected at power on",
            "[shared-01] vmboot/boot.iso, connects at power on",
        ),
        ([MoveDevice(2000, "Hard disk 1", 200, 0, 200, 1)], "Hard disk 1", "IDE 0:0", "IDE 0:1"),
        (
            [SetExtra("uefi.secureBoot.dbDefault.file1", "", "a.der")],
            "certificate for Secure Boot (uefi.secureBoot.dbDefault.file1)",
            "none",
            "a.der",
        ),
        (
            [SetExtra("uefi.secureBoot.dbDefault.file0", "a.der", "a.der")],
            "certificate for Secure Boot (uefi.secureBoot.dbDefault.file0)",
            "its file is missing",
            "a.der",
        ),
        ([RemoveDevice(3000, "CD/DVD drive 1")], "CD/DVD drive 1", "there", "removed"),
        ([AddDisk(-2, 1000, 1, BDM)], "boot disk at SCSI 0:1", "none", BDM),
        (
            [DetachDisk(2000, "Hard disk 1", BDM)],
            "boot disk at SCSI 0:0",
            BDM,
            "detached, its file deleted",
        ),
        (
            [DetachDisk(2000, "Hard disk 1", MASTER)],
            "boot disk at SCSI 0:0",
            MASTER,
            "detached, file kept",
        ),
        (
            [DetachDisk(2000, "Hard disk 1", BDM.replace(".vmdk", "-000001.vmdk"))],
            "boot disk at SCSI 0:0",
            BDM.replace(".vmdk", "-000001.vmdk"),
            "detached, file kept",
        ),
        ([SetExtra("vmboot.media", "", BDM_MEDIA)], "vmboot.media", "none", BDM_MEDIA),
        ([SetExtra("vmboot.media", OLD_MEDIA, "")], "vmboot.media", OLD_MEDIA, "none"),
        (
            [SetBootOrder((), (BootEntry("cdrom"), BootEntry("disk", 2000)))],
            "boot order",
            "the firmware's own",
            "CD, disk SCSI 0:0",
        ),
        (
            [SetBootOrder((BootEntry("ethernet", 4000),), (BootEntry("disk", 77),))],
            "boot order",
            "Network adapter 1",
            "disk (key 77)",
        ),
    ],
)
def test_a_change_in_words(changes: list[Change], what: str, before: str, after: str) -> None:
    line = changes_in_words(changes, HARDWARE)[-1]
    assert (line.what, line.before, line.after) == (what, before, after)


def test_an_empty_drive_in_words() -> None:
    assert drive(EMPTY, None) == "no media, not connected at power on"
    assert drive(OURS, Connection(True, False, False)).endswith("power on, not by the guest")


def test_a_disk_that_makes_room_for_ours_in_words() -> None:
    changes = (
        MoveDevice(2000, "Hard disk 1", 1000, 0, 1000, 1),
        AddDisk(-2, 1000, 0, BDM),
        SetBootOrder((BootEntry("disk", 2000),), (BootEntry("disk", -2), BootEntry("disk", 2000))),
    )

    assert [line.to_json() for line in changes_in_words(changes, HARDWARE, later=True)] == [
        {"what": "Hard disk 1", "before": "SCSI 0:0", "after": "SCSI 0:1", "later": True},
        {"what": "boot disk at SCSI 0:0", "before": "none", "after": BDM, "later": True},
        {
            "what": "boot order",
            "before": "disk SCSI 0:0",
            "after": "disk SCSI 0:0, disk SCSI 0:1",
            "later": True,
        },
    ]


def test_a_boot_disk_for_an_older_one_is_one_line() -> None:
    changes = (DetachDisk(2000, "Hard disk 1", OLD_BDM), AddDisk(-2, 1000, 0, BDM))
    (line,) = changes_in_words(changes, HARDWARE)

    assert (line.what, line.before, line.after) == ("boot disk at SCSI 0:0", OLD_BDM, BDM)


def test_what_reads_the_same_before_and_after_is_not_said() -> None:
    swap = [
        DetachDisk(2000, "Hard disk 1", OLD_BDM),
        AddDisk(-2, SCSI.key, 0, BDM),
        SetBootOrder((BootEntry("disk", 2000),), (BootEntry("disk", -2),)),
    ]
    said = changes_in_words(swap, HARDWARE)
    assert [line.what for line in said] == ["boot disk at SCSI 0:0"]


def test_unless_there_is_nothing_else_to_say() -> None:
    order = SetBootOrder((BootEntry("cdrom"),), (BootEntry("cdrom"),))
    assert [line.what for line in changes_in_words([order], HARDWARE)] == ["boot order"]
