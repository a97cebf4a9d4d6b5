"""Exports of Get-PvsDevice become devices; dates are read only where that is sure."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.media.pvs_samples import as_json, csv_text
from vmboot.errors import InputError
from vmboot.media.pvsdevicelist import PvsDevice, date_reader, parse_devices, read_devices
from vmboot.model import Firmware

ROW = {
    "DeviceName": "pvs-001",
    "DeviceMac": "00-50-56-01-02-AF",
    "BdmBoot": "True",
    "BdmType": "2",
    "BdmFormat": "1",
    "BdmUpdated": "2026-11-20T08:00:00",
    "HypVmId": "vm-42",
}
DEVICE = PvsDevice(
    name="pvs-001",
    mac="00:50:56:01:02:af",
    bdm=True,
    firmware=Firmware.UEFI,
    format="VHD",
    updated=datetime(2026, 11, 20, 8),
    updated_text="2026-11-20T08:00:00",
    vm_id="vm-42",
)


def of(**changes):
    (found,) = parse_devices(csv_text([{**ROW, **changes}]).encode(), file="x.csv")
    return found


def test_a_device_is_read_from_csv():
    assert of() == DEVICE


def test_a_device_is_read_from_json(tmp_path):
    record = {**ROW, "BdmBoot": True, "BdmType": 2, "BdmFormat": 1}
    file = tmp_path / "devices.json"
    file.write_text(as_json(record), "utf-16")
    assert read_devices(file) == (DEVICE,)


def test_a_date_of_windows_powershell_is_read():
    moment = datetime(2026, 11, 20, 8).astimezone()
    record = {**ROW, "BdmUpdated": {"value": f"/Date({int(moment.timestamp() * 1000)})/"}}
    (found,) = parse_devices(as_json(record).encode())
    assert found.updated == DEVICE.updated


def test_what_an_export_leaves_out_is_not_known():
    (found,) = parse_devices(b"Name,DeviceMac\nx,005056010203\n")
    assert found == PvsDevice("x", "00:50:56:01:02:03")


def test_a_pxe_device_has_no_boot_disk():
    found = of(BdmBoot="False", BdmType="0", BdmFormat="0", BdmUpdated="")
    assert (found.bdm, found.firmware, found.format, found.updated) == (False, None, "", None)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1", True),
        ("TRUE", True),
        ("BdmDisk", True),
        ("BdmIso", True),
        ("0", False),
        ("False", False),
        ("PxeBoot", False),
        ("", None),
    ],
)
def test_how_a_device_boots_is_read_in_every_form(text, wanted):
    found = of(BdmBoot=text)
    assert (found.bdm, found.doubts) == (wanted, ())


def test_a_way_to_boot_that_is_not_known_is_told_with_its_line():
    found = of(BdmBoot="Floppy")
    assert found.bdm is None
    (doubt,) = found.doubts
    assert doubt.startswith("line 2, BdmBoot: 'Floppy' is not understood; known are 1, True")


def test_a_date_that_cannot_be_read_is_told_with_its_object():
    (found,) = parse_devices(as_json({**ROW, "BdmUpdated": "05/04/2026"}).encode())
    (doubt,) = found.doubts
    assert doubt.startswith("object 1, BdmUpdated: '05/04/2026' is no sure date: export it with")


@pytest.mark.parametrize("text", ["1/1/0001 12:00:00 AM", "0001-01-01T00:00:00", ""])
def test_a_device_that_never_had_a_boot_disk_is_no_doubt(text):
    found = of(BdmUpdated=text)
    assert (found.updated, found.updated_text, found.doubts) == (None, "", ())


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        (["2026-05-04 10:20:30"], datetime(2026, 5, 4, 10, 20, 30)),
        (["04.05.2026 10:20:30"], datetime(2026, 5, 4, 10, 20, 30)),
        (["5/4/2026 10:20:30 PM"], datetime(2026, 5, 4, 22, 20, 30)),
        (["5/4/2026 12:20 AM"], datetime(2026, 5, 4, 0, 20)),
        (["04/05/2026 10:20", "13/05/2026"], datetime(2026, 5, 4, 10, 20)),
        (["05/04/2026 10:20", "05/13/2026"], datetime(2026, 5, 4, 10, 20)),
        (["05/05/2026"], datetime(2026, 5, 5)),
        (["05/04/2026 10:20"], None),
        (["05/04/2026 10:20", "13/05/2026", "05/13/2026"], None),
        (["32.05.2026"], None),
        (["1/1/0001 12:00:00 AM"], None),
        (["0001-01-01T00:00:00"], None),
        (["soon"], None),
        ([""], None),
        (["/Date(999999999999999)/"], None),
    ],
)
def test_dates_are_read_where_day_and_month_are_sure(texts, wanted):
    assert date_reader(texts)(texts[0]) == wanted


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"DeviceMac": "00-50-56"}, r"x\.csv:2: DeviceMac: '00-50-56' is no MAC address"),
        ({"BdmType": "3"}, "BdmType: '3' is not a number from 0 to 2"),
        ({"BdmFormat": "x"}, "BdmFormat"),
    ],
)
def test_what_cannot_be_meant_names_line_and_field(changes, words):
    with pytest.raises(InputError, match=words):
        of(**changes)


def test_another_export_is_refused():
    with pytest.raises(InputError, match="no column DeviceMac"):
        parse_devices(b"Name,Ip\na,10.0.0.1\n")


@given(st.lists(st.text(max_size=24), max_size=3), st.text("0123456789./-: APM,T", max_size=24))
def test_any_text_is_a_date_or_none(others, text):
    found = date_reader([*others, text])(text)
    assert found is None or found.tzinfo is None
