"""Every kind of change in words that a person understands without knowing the API."""

import pytest

from tests.unit.vsphere.builders import AT_POWER_ON, EMPTY, IDE0, OTHER, OURS, SCSI, cd, disk, nic
from vmboot.fleet.words import changes_in_words, drive
from vmboot.vsphere.devices import (
    AddCdrom,
    AddController,
    Change,
    MoveDevice,
    RemoveDevice,
    SetBootOrder,
    SetCdrom,
)
from vmboot.vsphere.machine import BootEntry, Bus, Connection, Hardware

HARDWARE = Hardware((IDE0, SCSI), (cd(IDE0), disk(SCSI), nic()))
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
        ([RemoveDevice(3000, "CD/DVD drive 1")], "CD/DVD drive 1", "there", "removed"),
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
