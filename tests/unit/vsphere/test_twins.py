"""Which disk is which, in two views of one machine."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.vsphere.builders import SCSI, disk
from vmboot.vsphere.machine import Device, Hardware
from vmboot.vsphere.twins import twin_disks


def known(key: int, file: str, uuid: str) -> Device:
    return replace(disk(SCSI, key - 2000, key=key, file=file), uuid=uuid)


@pytest.mark.parametrize(
    ("before", "now", "same"),
    [
        (known(2000, "a", "u"), known(2005, "a", "u"), True),
        (known(2000, "a", "u"), known(2000, "b", "u"), True),
        (known(2000, "a", ""), known(2005, "a", "u"), True),
        (known(2000, "a", "u"), known(2005, "a", ""), True),
        (known(2000, "a", "u"), known(2000, "a", "v"), False),
        (known(2000, "a", ""), known(2000, "b", ""), False),
    ],
)
def test_uuid_before_file(before: Device, now: Device, same: bool):
    assert (2000 in twin_disks(Hardware((), (before,)), Hardware((), (now,)))) is same


def test_copies_with_one_uuid_are_told_apart_by_their_files():
    before = Hardware((), (known(2000, "a", "u"), known(2001, "b", "u")))
    now = Hardware((), (known(2000, "b", "u"), known(2001, "a", "u")))
    assert {k: d.file for k, d in twin_disks(before, now).items()} == {2000: "a", 2001: "b"}


BOOT = "[ds] a/vmboot-boot-0123456789ab.vmdk"


@pytest.mark.parametrize(
    ("before", "now", "same"),
    [
        pytest.param(
            known(2000, BOOT, "u"),
            known(2000, BOOT.replace("0123", "ffff"), "u"),
            False,
            id="a newer one in its place, a copy of the same master",
        ),
        pytest.param(known(2000, BOOT, "u"), known(2005, BOOT, "v"), True, id="a copy of its own"),
        pytest.param(
            known(2000, BOOT, "u"), known(2000, BOOT.replace("[ds]", "[x]"), ""), True, id="moved"
        ),
        pytest.param(
            known(2000, BOOT, ""),
            known(2000, BOOT.replace(".vmdk", "-000001.vmdk"), "u"),
            True,
            id="a snapshot on top",
        ),
        pytest.param(known(2000, BOOT, "u"), known(2000, "[ds] a/a.vmdk", "u"), True, id="renamed"),
    ],
)
def test_bdm_disks_are_told_by_their_name(before: Device, now: Device, same: bool):
    assert (2000 in twin_disks(Hardware((), (before,)), Hardware((), (now,)))) is same


disks = st.lists(
    st.builds(
        known, st.integers(2000, 2005), st.sampled_from("abc"), st.sampled_from(["", "u", "v"])
    ),
    unique_by=lambda d: d.key,
).map(lambda found: Hardware((), tuple(found)))


@given(disks, disks)
def test_no_disk_is_two_disks_twin(before: Hardware, now: Hardware):
    twins = [twin.key for twin in twin_disks(before, now).values()]
    assert len(set(twins)) == len(twins)


@given(disks)
def test_every_disk_is_its_own_twin(hardware: Hardware):
    assert {key: twin.key for key, twin in twin_disks(hardware, hardware).items()} == {
        d.key: d.key for d in hardware.devices
    }
