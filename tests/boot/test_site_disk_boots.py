"""A site's own boot disk starts once its loader has the right name; texts change in place."""

from __future__ import annotations

import pytest

from tests.boot.bootlab import PVS2
from tests.unit.media.diskmakers import dynamic_vhd
from vmboot.lab.rehearsal_report import Reached
from vmboot.media.bdm import Layout
from vmboot.media.diskimage import raw_bytes
from vmboot.media.fatedit import read_file, rename_entry, replace_content
from vmboot.media.importing import import_media
from vmboot.media.sitevolumes import find_volumes
from vmboot.model import BootServer, Firmware

pytestmark = [pytest.mark.boot, pytest.mark.netns, pytest.mark.timeout(300)]

UEFI = Firmware.UEFI
BEFORE = BootServer("10.0.0.99", "pvs1")
MIB = 1024 * 1024


def as_a_site_has_it(disk: bytes) -> bytes:
    """A VHD whose loader is called as PVS calls it, of a program that we may run."""
    (place,) = find_volumes(disk, "disk")
    volume = rename_entry(place.cut(disk), "EFI/BOOT/BOOTX64.EFI", "PVSBOOTX64.EFI")
    return dynamic_vhd(place.put(disk, volume))


def test_the_loader_is_started_only_under_the_name_that_firmware_looks_for(boot_disk):
    def take_over(disk: bytes) -> bytes:
        found = import_media(as_a_site_has_it(disk), rename_bootx64=True)
        (file,) = found.files("vmdk-stream").values()
        return raw_bytes(file, limit=64 * MIB)

    report = boot_disk(UEFI, "sata", layout=Layout.GPT, only=(UEFI,), change=take_over)
    assert report.ok, report.verdict


def test_under_its_own_name_it_is_not_started(boot_disk):
    report = boot_disk(
        UEFI,
        "sata",
        layout=Layout.GPT,
        only=(UEFI,),
        change=lambda disk: import_media(as_a_site_has_it(disk)).data,
    )
    assert not report.ok
    assert report.reached is Reached.FIRMWARE


@pytest.mark.parametrize(("firmware", "controller"), [(Firmware.BIOS, "pvscsi"), (UEFI, "sata")])
def test_a_server_list_that_was_changed_in_place_is_the_one_that_is_asked(
    boot_disk, firmware, controller
):
    def edit(disk: bytes) -> bytes:
        (place,) = find_volumes(disk, "disk")
        volume = place.cut(disk)
        script = read_file(volume, "autoexec.ipxe").replace(b"10.0.0.99", b"10.0.0.12")
        longer = script + b"# edited in place\n" * 500
        return place.put(disk, replace_content(volume, "autoexec.ipxe", longer))

    report = boot_disk(
        firmware, controller, servers=(BEFORE,), change=edit, lab_servers=(PVS2,), dead=()
    )
    assert report.ok, report.verdict
