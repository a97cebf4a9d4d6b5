"""Device records and machines joined by MAC, and what does not fit."""

from __future__ import annotations

from datetime import datetime

import pytest

from vmboot.errors import InputError
from vmboot.fleet.pvsdevices import DeviceReport, parse_since, reconcile
from vmboot.media.pvsdevicelist import PvsDevice
from vmboot.model import Firmware
from vmboot.vsphere.machine import Device, DeviceKind, Hardware, Machine

SINCE = datetime(2026, 11, 20)


def vm(name: str, *macs: str, firmware: Firmware = Firmware.BIOS) -> Machine:
    nics = tuple(Device(4000 + n, DeviceKind.NIC, mac=mac) for n, mac in enumerate(macs))
    return Machine(
        moid=name, name=name, path=f"/DC1/vm/{name}", firmware=firmware, hardware=Hardware((), nics)
    )


def device(name: str, mac: str, **more) -> PvsDevice:
    return PvsDevice(name, mac, **{"bdm": True, **more})


def of(record: PvsDevice, *machines: Machine, since: datetime | None = None):
    (match,), _ = reconcile([record], machines, changed_since=since)
    return match


def test_a_device_finds_its_machine_by_any_of_its_nics():
    match = of(device("a", "m2"), vm("x", "m1"), vm("y", "m3", "m2"))
    assert (match.paths, match.problems) == (("/DC1/vm/y",), ())


def test_a_device_without_machine_is_told():
    assert of(device("a", "m9"), vm("x", "m1")).problems == ("no VM has this MAC",)


def test_two_machines_with_one_mac_are_told():
    (problem,) = of(device("a", "m1"), vm("x", "m1"), vm("y", "m1")).problems
    assert problem == "2 VMs have this MAC: /DC1/vm/x, /DC1/vm/y"


def test_one_machine_with_the_same_mac_twice_is_one():
    assert of(device("a", "m1"), vm("x", "m1", "m1")).problems == ()


def test_two_records_with_one_mac_are_told():
    matches, _ = reconcile([device("a", "m1"), device("b", "m1")], [vm("x", "m1")])
    assert {match.problems for match in matches} == {("2 device records have this MAC",)}


def test_a_boot_disk_for_the_other_firmware_is_told():
    record = device("a", "m1", firmware=Firmware.BIOS)
    assert of(record, vm("x", "m1")).problems == ()
    (problem,) = of(record, vm("x", "m1", firmware=Firmware.UEFI)).problems
    assert problem == "PVS made its BDM for BIOS, and /DC1/vm/x has UEFI"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"updated": datetime(2026, 11, 19, 23, 59)}, "before the servers changed"),
        ({"updated_text": "05/04/2026"}, "the age of its BDM is not known"),
        ({}, "PVS has no date of its BDM"),
    ],
)
def test_a_boot_disk_from_before_the_change_is_stale(changes, words):
    match = of(device("a", "m1", **changes), vm("x", "m1"), since=SINCE)
    assert match.stale
    assert words in match.problems[0]
    assert not of(device("a", "m1", **changes), vm("x", "m1")).problems


@pytest.mark.parametrize("changes", [{"updated": SINCE}, {"bdm": False}, {"bdm": None}])
def test_a_newer_boot_disk_or_none_is_not_stale(changes):
    match = of(device("a", "m1", **changes), vm("x", "m1"), since=SINCE)
    assert (match.stale, match.problems) == (False, ())


def test_what_was_not_understood_is_told_and_its_date_still_counts():
    record = device("a", "m1", bdm=None, updated=datetime(2026, 1, 1), doubts=("line 2: what?",))
    match = of(record, vm("x", "m1"), since=SINCE)
    assert match.stale
    assert match.problems[0] == "line 2: what?"


def test_machines_of_the_fleet_without_a_record_are_listed():
    machines = [vm("x", "m1"), vm("y", "m2"), vm("z", "m3"), vm("none")]
    _, without = reconcile([device("a", "m1")], machines, ours={"x", "y", "none"})
    assert without == ("/DC1/vm/none", "/DC1/vm/y")


def test_the_report_counts():
    records = [device("a", "m1", updated=datetime(2026, 1, 1)), device("b", "m9")]
    matches, without = reconcile(
        records, [vm("x", "m1"), vm("y", "m2")], ours={"y"}, changed_since=SINCE
    )
    report = DeviceReport("vc", matches, without, SINCE)
    assert report.to_json()["counts"] == {"devices": 2, "stale": 2, "problems": 2, "without": 1}
    assert not report.fits
    assert DeviceReport("vc", ()).fits


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("2026-11-20", SINCE), ("2026-11-20T14:30", datetime(2026, 11, 20, 14, 30))],
)
def test_the_date_of_the_change_is_read(text, wanted):
    assert parse_since(text) == wanted


def test_another_date_is_refused():
    with pytest.raises(InputError, match="is no date"):
        parse_since("20.11.2026")
