"""Differences in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.vsphere.builders import (
    AHCI,
    AT_POWER_ON,
    BDM,
    BDM_MEDIA,
    EMPTY,
    IDE0,
    OTHER,
    OURS,
    SCSI,
    cd,
    disk,
    machine,
    nic,
)
from vmboot.model import Firmware
from vmboot.vsphere.machine import BootEntry, CdBacking, Connection, Hardware, Machine, Power
from vmboot.vsphere.sameness import same_backing, same_boot

BASE = machine(cd(IDE0, backing=OTHER), disk(SCSI), nic(), boot_order=(BootEntry("disk", 2000),))


def with_devices(*devices, controllers=BASE.hardware.controllers) -> Machine:
    return replace(BASE, hardware=Hardware(controllers, devices))


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (
            with_devices(cd(IDE0, backing=OURS), disk(SCSI), nic()),
            "CD-ROM IDE 0:0 holds [shared-01] vmboot/boot.iso instead of [shared-01] iso/other.iso",
        ),
        (
            with_devices(cd(IDE0, backing=EMPTY), disk(SCSI), nic()),
            "CD-ROM IDE 0:0 holds no media instead of [shared-01] iso/other.iso",
        ),
        (
            with_devices(cd(IDE0, backing=OTHER, connection=AT_POWER_ON), disk(SCSI), nic()),
            "CD-ROM IDE 0:0 connects at power on",
        ),
        (
            with_devices(
                cd(IDE0, backing=OTHER, connection=Connection(allow_guest_control=False)),
                disk(SCSI),
                nic(),
            ),
            "CD-ROM IDE 0:0 has another guest control setting",
        ),
        (with_devices(disk(SCSI), nic()), "the CD-ROM drive at IDE 0:0 is missing"),
        (
            with_devices(cd(IDE0, backing=OTHER), cd(IDE0, 1, key=3001), disk(SCSI), nic()),
            "there is a CD-ROM drive at IDE 0:1 that was not there",
        ),
        (
            with_devices(cd(IDE0, backing=OTHER), disk(SCSI, 1), nic()),
            "the disk [shared-01] vm/2000.vmdk is at SCSI 0:1 instead of SCSI 0:0",
        ),
        (
            with_devices(
                cd(IDE0, backing=OTHER),
                disk(SCSI),
                nic(),
                controllers=(*BASE.hardware.controllers, AHCI),
            ),
            "there is a SATA controller 0 that was not there",
        ),
        (
            with_devices(cd(IDE0, backing=OTHER), disk(SCSI), nic(), nic(4001)),
            "there is a NIC with key 4001 that was not there",
        ),
        (replace(BASE, boot_order=()), "the boot order is the default instead of Hard disk 2000"),
        (
            replace(BASE, boot_order=(BootEntry("cdrom"), BootEntry("disk", 2000))),
            "the boot order is cdrom, Hard disk 2000 instead of Hard disk 2000",
        ),
        (replace(BASE, firmware=Firmware.UEFI), "the firmware is uefi instead of bios"),
        (replace(BASE, secure_boot=True), "Secure Boot is on"),
        (replace(BASE, is_template=True), "it is a template"),
        (replace(BASE, displaced="6000c29a"), "vmboot.displaced is 6000c29a instead of not set"),
        (replace(BASE, media=BDM_MEDIA), f"vmboot.media is {BDM_MEDIA} instead of not set"),
        (
            with_devices(
                cd(IDE0, backing=OTHER), disk(SCSI), disk(SCSI, 1, key=2001, file=BDM), nic()
            ),
            f"there is a disk {BDM} that was not there",
        ),
    ],
)
def test_each_difference_has_its_words(found: Machine, words: str):
    assert same_boot(BASE, found) == (words,)


@pytest.mark.parametrize(
    "found",
    [
        BASE,
        replace(BASE, power=Power.ON, host="host-2", change_version="later", name="renamed"),
        with_devices(
            cd(IDE0, backing=OTHER, connection=Connection(connected=True)), disk(SCSI), nic()
        ),
        replace(
            with_devices(
                cd(IDE0, key=3007, backing=OTHER),
                disk(SCSI, key=2009, file="[shared-01] vm/2000.vmdk"),
                nic(),
            ),
            boot_order=(BootEntry("disk", 2009),),
        ),
    ],
    ids=["itself", "elsewhere", "connected just now", "with new keys"],
)
def test_what_does_not_matter_is_no_difference(found: Machine):
    assert same_boot(BASE, found) == ()


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        (OURS, replace(OURS, datastore=""), True),
        (OURS, replace(OURS, datastore="datastore-2"), False),
        (OURS, OTHER, False),
        (None, EMPTY, True),
        (EMPTY, CdBacking("remote-passthrough"), True),
        (EMPTY, CdBacking("remote-passthrough", device="D:"), False),
        (
            CdBacking("atapi", device="cd0"),
            CdBacking("atapi", device="cd0", auto_detect=False),
            True,
        ),
        (CdBacking("atapi", device="cd0"), CdBacking("passthrough", device="cd0"), False),
    ],
)
def test_backings_are_compared_by_what_they_hold(one, two, same: bool):
    assert same_backing(one, two) is same


def test_a_boot_order_is_told_without_internal_keys():
    added = replace(disk(SCSI, key=-302, file=BDM), label="")
    ordered = replace(with_devices(added, nic()), boot_order=(BootEntry("disk", -302),))
    other = replace(ordered, boot_order=(BootEntry("disk", 9),))
    assert same_boot(ordered, other) == (
        "the boot order is a disk that is gone instead of BDM disk SCSI 0:0",
    )
