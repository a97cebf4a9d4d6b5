"""Nothing is lost on the way to JSON and back."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given

from tests.unit.vsphere.builders import (
    BDM,
    EMPTY,
    IDE0,
    NEVER,
    OTHER,
    OURS,
    SCSI,
    cd,
    disk,
    machine,
)
from tests.unit.vsphere.strategies import disk_machines, machines
from vmboot.errors import InputError
from vmboot.vsphere.changes import (
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
from vmboot.vsphere.machine import BootEntry, Bus, Connection, Machine, SecureDb
from vmboot.vsphere.machine_json import (
    change_from_json,
    change_to_json,
    machine_from_json,
    machine_to_json,
)


@given(machines())
def test_a_machine_comes_back_as_it_was(found: Machine):
    assert machine_from_json(json.loads(json.dumps(machine_to_json(found)))) == found


@pytest.mark.parametrize(
    "change",
    [
        AddController(-1, Bus.SATA, 0, "VirtualAHCIController"),
        AddCdrom(-2, -1, 0, OURS, Connection(start_connected=True)),
        SetCdrom(3000, "CD", 200, 0, OTHER, NEVER, EMPTY, Connection(connected=True)),
        MoveDevice(2000, "Hard disk 1", 200, 0, 201, 1),
        AddDisk(-2, -1, 0, BDM, "datastore-1"),
        AddDisk(-2, -1, 0, BDM, "datastore-1", "independent_persistent"),
        DetachDisk(2000, "Hard disk 1", BDM),
        SetExtra("vmboot.media", "", "boot 0123456789ab"),
        RemoveDevice(3000, "CD"),
        SetBootOrder((), (BootEntry("cdrom"), BootEntry("disk", 2000))),
    ],
    ids=lambda change: type(change).__name__,
)
def test_a_change_comes_back_as_it_was(change: Change):
    assert change_from_json(json.loads(json.dumps(change_to_json(change)))) == change


def test_a_disk_that_was_attached_before_its_mode_was_recorded_is_read():
    data = change_to_json(AddDisk(-2, -1, 0, BDM, "datastore-1", "independent_persistent"))
    del data["mode"]

    assert change_from_json(data) == AddDisk(-2, -1, 0, BDM, "datastore-1", "persistent")


def test_settings_for_secure_boot_are_kept_where_they_were_read() -> None:
    one = replace(machine(), secure_db=SecureDb(("", "a.der"), replaces=True, nvram="x.nvram"))
    assert machine_from_json(json.loads(json.dumps(machine_to_json(one)))) == one


@given(disk_machines())
def test_so_does_one_with_disks_of_every_kind(found: Machine):
    assert machine_from_json(json.loads(json.dumps(machine_to_json(found)))) == found


def test_a_machine_recorded_before_there_were_boot_disks_is_read():
    data = json.loads(json.dumps(machine_to_json(machine(disk(SCSI)))))
    for name in ("home", "media", "quick_boot", "fault_tolerant", "encrypted"):
        del data[name]
    del data["hardware"]["devices"][0]["disk"]
    for controller in data["hardware"]["controllers"]:
        del controller["shared"]

    found = machine_from_json(data)
    assert found.hardware.devices[0].disk is None
    assert (found.media, found.quick_boot, found.encrypted) == ("", None, False)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data.pop("hardware"),
        lambda data: data.update(power="half"),
        lambda data: data.update(colour="red"),
        lambda data: data["hardware"]["devices"][0].update(kind="toaster"),
        lambda data: data.update(boot_order=3),
    ],
    ids=["no hardware", "bad power", "unknown field", "bad device", "bad order"],
)
def test_what_is_no_machine_is_refused(damage):
    data = json.loads(json.dumps(machine_to_json(machine(cd(IDE0)))))
    damage(data)

    with pytest.raises(InputError, match="not a machine"):
        machine_from_json(data)


@pytest.mark.parametrize("data", [{}, {"kind": "explode"}, {"kind": "remove-device"}])
def test_what_is_no_change_is_refused(data):
    with pytest.raises(InputError, match="not a change"):
        change_from_json(data)
