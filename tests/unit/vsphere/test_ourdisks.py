"""Which disk is the BDM disk."""

from __future__ import annotations

import pytest

from tests.unit.vsphere.builders import (
    BDM,
    BDM_MEDIA,
    IDE0,
    NVME,
    OLD_BDM,
    SCSI,
    SCSI1,
    cd,
    disk,
    machine,
)
from vmboot.media.bdm import MAX_SIZE
from vmboot.vsphere.machine import Controller, Device
from vmboot.vsphere.ourdisks import (
    RENAMED_LIMIT,
    is_ours,
    lookalikes,
    media_of,
    media_on,
    named,
    our_name,
)

SMALL = 8 * 1024**2
DELTA = BDM.replace(".vmdk", "-000001.vmdk")


@pytest.mark.parametrize(
    ("file", "name"),
    [
        (BDM, "vmboot-boot-0123456789ab.vmdk"),
        (DELTA, "vmboot-boot-0123456789ab.vmdk"),
        ("[vsan] 5f3c-aa/vmboot-my-site-2-0123456789ab.vmdk", "vmboot-my-site-2-0123456789ab.vmdk"),
        ("[ds] vmboot-boot-0123456789ab.vmdk", "vmboot-boot-0123456789ab.vmdk"),
        ("[ds] a/vmboot-boot-0123456789ab-flat.vmdk", ""),
        ("[ds] a/vmboot-boot-0123456789AB.vmdk", ""),
        ("[ds] a/vmboot-boot-0123456789a.vmdk", ""),
        ("[ds] a/my-vmboot-boot-0123456789ab.vmdk", ""),
        ("[ds] vmboot-boot-0123456789ab.vmdk/x.vmdk", ""),
        ("", ""),
    ],
)
def test_the_name_tells(file: str, name: str):
    assert our_name(file) == name


def test_what_extra_config_says_of_it():
    assert media_of(BDM) == media_of(DELTA) == BDM_MEDIA
    assert media_of("[ds] a/my-site.vmdk") == ""


@pytest.mark.parametrize(
    ("found", "controllers", "media"),
    [
        pytest.param(disk(SCSI, 5, file=OLD_BDM), (SCSI,), "boot aaaaaaaaaaaa", id="by its name"),
        pytest.param(disk(SCSI, capacity=SMALL), (SCSI,), BDM_MEDIA, id="a clone's"),
        pytest.param(disk(NVME, capacity=RENAMED_LIMIT), (NVME,), BDM_MEDIA, id="on NVMe"),
        pytest.param(disk(SCSI, capacity=RENAMED_LIMIT + 1), (SCSI,), "", id="too big"),
        pytest.param(disk(SCSI, capacity=0), (SCSI,), "", id="of unknown size"),
        pytest.param(disk(SCSI, 1, capacity=SMALL), (SCSI,), "", id="not at 0:0"),
        pytest.param(disk(SCSI1, capacity=SMALL), (SCSI1,), "", id="not on the first controller"),
        pytest.param(disk(IDE0, capacity=SMALL), (IDE0,), "", id="on IDE"),
        pytest.param(cd(IDE0), (IDE0,), "", id="a drive"),
    ],
)
def test_a_machine_that_says_so_may_have_it_under_another_name(
    found: Device, controllers: tuple[Controller, ...], media: str
):
    assert media_on(found, machine(found, controllers=controllers, media=BDM_MEDIA)) == media


def test_a_disk_as_large_as_a_boot_disk_may_be_made_is_known():
    assert RENAMED_LIMIT == MAX_SIZE


@pytest.mark.parametrize(
    ("facts", "is_one"),
    [
        pytest.param({"home": "[shared-01] vm"}, True, id="in its folder"),
        pytest.param({"home": "[shared-01] other"}, False, id="in another machine's folder"),
        pytest.param({"home": "[shared-02] other"}, True, id="moved to another datastore"),
        pytest.param({"home": "[shared-01] 5f3c0000-aaaa-bb"}, True, id="a folder named by its id"),
        pytest.param({"displaced": "6000c29a"}, False, id="the very disk that made room"),
        pytest.param({"displaced": "6000c29b"}, True, id="another disk made room"),
        pytest.param({"displaced": "none"}, True, id="none had to"),
    ],
)
def test_what_else_speaks_for_or_against_it(facts: dict[str, str], is_one: bool):
    small = disk(SCSI, file="[shared-01] vm/vm.vmdk", uuid="6000c29a", capacity=SMALL)
    found = machine(small, media=BDM_MEDIA, **facts)

    assert is_ours(small, found) is is_one
    assert lookalikes(found) == ((small,) if is_one else ())
    assert (named(found) == found) is not is_one


def test_without_that_word_a_small_disk_is_just_a_small_disk():
    small = disk(SCSI, capacity=SMALL)

    assert not is_ours(small, machine(small))


def test_two_that_look_alike_are_not_guessed_about():
    pair = (disk(SCSI, capacity=SMALL), disk(NVME, key=32000, capacity=SMALL))
    found = machine(*pair, controllers=(SCSI, NVME), media=BDM_MEDIA)

    assert [is_ours(one, found) for one in pair] == [False, False]


def test_nor_is_one_where_another_bears_the_name():
    small, named = disk(SCSI, capacity=SMALL), disk(SCSI, 1, key=2001, file=BDM)
    found = machine(small, named, media=BDM_MEDIA)

    assert [is_ours(one, found) for one in (small, named)] == [False, True]


@pytest.mark.parametrize(
    ("file", "known"),
    [
        ("[b] a/a_1.vmdk", "[b] a/vmboot-boot-0123456789ab.vmdk"),
        ("[b] a/a_1-000002.vmdk", "[b] a/vmboot-boot-0123456789ab.vmdk"),
        ("[b] a_1.vmdk", "[b] vmboot-boot-0123456789ab.vmdk"),
        (DELTA, DELTA),
    ],
)
def test_a_renamed_one_has_its_name_again_for_a_comparison(file: str, known: str):
    held = machine(disk(SCSI, file=file, capacity=SMALL), disk(SCSI, 1), media=BDM_MEDIA)

    assert [d.file for d in named(held).hardware.devices] == [known, held.hardware.devices[1].file]
    assert named(named(held)) == named(held)


@pytest.mark.parametrize(
    "media", ["", "boot", "boot-0123456789ab", "a b 0123456789ab", "boot 0123456789AB", "../b 01"]
)
def test_a_machine_that_names_no_boot_disk_of_ours_has_none_that_is_renamed(media: str):
    held = machine(disk(SCSI, capacity=SMALL), media=media)

    assert named(held) is held
    assert not is_ours(held.hardware.devices[0], held)
