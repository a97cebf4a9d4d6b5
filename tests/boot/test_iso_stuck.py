"""Boots that must not succeed: the verdict says where they stuck and why."""

import pytest

from tests.boot.bootlab import PVS1, PVS2
from vmboot.lab.rehearsal_report import Reached
from vmboot.lab.rehearsal_serial import plain
from vmboot.model import Firmware

pytestmark = [pytest.mark.boot, pytest.mark.netns, pytest.mark.timeout(300)]

BIOS, UEFI = Firmware.BIOS, Firmware.UEFI


def test_network_card_first_and_no_pxe_server(boot):
    report = boot(BIOS, boot_order=("ethernet", "cdrom"), deadline_s=8)
    assert not report.ok
    assert report.reached is Reached.FIRMWARE
    assert "the CD is not first in the boot order" in report.verdict
    assert "busy with the network card" in report.verdict


def test_network_card_first_costs_time_even_if_the_cd_is_next(boot):
    report = boot(BIOS, servers=(PVS2,), boot_order=("ethernet", "cdrom"))
    assert report.ok, report.verdict
    assert report.seconds > 12
    assert any("put the CD first in the boot order" in note for note in report.notes)


@pytest.mark.parametrize("firmware", list(Firmware))
def test_cd_not_connected_at_power_on(boot, firmware):
    report = boot(firmware, start_connected=False)
    assert not report.ok
    assert report.reached is Reached.FIRMWARE
    assert "not connected at power on" in report.verdict


def test_empty_drive(boot):
    report = boot(BIOS, iso=None)
    assert "the CD drive is empty" in report.verdict


def test_unsigned_loader_under_secure_boot(boot):
    report = boot(UEFI, secure_boot=True, cd_controller="sata")
    assert not report.ok
    assert report.reached is Reached.FIRMWARE
    assert "Secure Boot is on and the loader is not signed" in report.verdict
    assert "refused" in [stage.name for stage in report.stages]


@pytest.mark.parametrize(("firmware", "media"), [(BIOS, UEFI), (UEFI, BIOS)])
def test_media_for_the_other_firmware(boot, firmware, media):
    report = boot(firmware, media_for=(media,))
    assert not report.ok
    assert f"nothing on it that a {firmware.value} machine can start" in report.verdict


def test_all_servers_dead_pauses_and_asks_again(boot):
    report = boot(BIOS, dead=(PVS1, PVS2))
    assert not report.ok
    assert report.reached is Reached.SERVER
    assert "no boot server answered (pvs1, pvs2, asked 2 times)" in report.verdict
    names = [stage.name for stage in report.stages]
    assert names[-4:] == ["server", "server", "pause", "server"]
    text = plain(report.serial_log.read_text("utf-8", "replace"))
    assert "vmboot: nothing answered, trying again in 2 s" in text


def test_bootstrap_of_the_wrong_kind(boot, tmp_path):
    text = tmp_path / "not-a-program"
    text.write_text("not a program\n")
    report = boot(UEFI, servers=(PVS2,), files={"boot/pvsnbpx64.efi": text})
    assert not report.ok
    assert report.reached is Reached.DOWNLOADED
    assert "the loader could not start it" in report.verdict
