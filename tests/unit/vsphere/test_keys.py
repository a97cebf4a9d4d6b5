"""Keys foretold from slots."""

from __future__ import annotations

import pytest

from tests.unit.vsphere.builders import AHCI, BDM, IDE0, IDE1, LSI, NVME, SCSI, SCSI1, disk, machine
from vmboot.vsphere.changes import AddController, AddDisk, MoveDevice
from vmboot.vsphere.keys import predicted_key, predicted_keys
from vmboot.vsphere.machine import Bus, Controller


@pytest.mark.parametrize(
    ("controller", "unit", "key"),
    [
        (IDE0, 0, 3000),
        (IDE1, 1, 3003),
        (SCSI, 0, 2000),
        (SCSI, 15, 2015),
        (SCSI1, 3, 2019),
        (LSI, 8, 2008),
        (SCSI, 16, 131088),
        (SCSI1, 63, 131199),
        (AHCI, 29, 16029),
        (Controller(15001, Bus.SATA, 1), 0, 16030),
        (NVME, 14, 32014),
        (Controller(31001, Bus.NVME, 1), 2, 32017),
        (IDE0, 2, None),
        (SCSI, 64, None),
        (AHCI, 30, None),
        (NVME, 15, None),
        (SCSI, -1, None),
    ],
)
def test_the_key_follows_from_the_slot(controller: Controller, unit: int, key: int | None):
    assert predicted_key(controller, unit) == key


def test_keys_of_a_whole_plan():
    changes = (
        MoveDevice(2000, "", 1000, 0, 1000, 1),
        AddController(-301, Bus.NVME, 1, "VirtualNVMEController"),
        AddDisk(-302, -301, 0, BDM),
        AddDisk(-303, 4711, 0, BDM),
    )

    assert predicted_keys(changes, machine(disk(SCSI))) == {2000: 2001, -302: 32015, -303: None}
