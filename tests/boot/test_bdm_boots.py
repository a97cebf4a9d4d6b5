"""The boot disk reaches its bootstrap, from every controller and firmware, or says why not."""

from __future__ import annotations

import re
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from tests.boot.bootlab import PVS2, bootstraps
from vmboot.lab.markers import bios_bootstrap, marker_line, uefi_bootstrap
from vmboot.lab.network_pcap import read_pcap
from vmboot.lab.rehearsal_machine import RehearsalDisk
from vmboot.lab.rehearsal_report import Reached, RehearsalReport
from vmboot.lab.rehearsal_serial import plain
from vmboot.media.bdm import Layout
from vmboot.media.fat import build_fat
from vmboot.media.partition import FAT16_LBA, Partition, build_mbr
from vmboot.model import BootServer, Firmware, Network, NetworkMode

pytestmark = [pytest.mark.boot, pytest.mark.netns, pytest.mark.timeout(300)]

BIOS, UEFI = Firmware.BIOS, Firmware.UEFI
ACTIVE_FLAG = 0x1BE  # of the first entry in the MBR
OLD = BootServer("10.0.0.19", "pvs2")


def console(report: RehearsalReport) -> str:
    assert report.serial_log is not None
    return plain(report.serial_log.read_text("utf-8", "replace"))


def asked(report: RehearsalReport) -> bytes:
    """Everything that went over the wire."""
    assert report.capture is not None
    with report.capture.open("rb") as stream:
        return b"".join(frame for _, frame in read_pcap(stream))


def files_asked_by_tftp(report: RehearsalReport) -> list[str]:
    return [name.decode() for name in re.findall(rb"\0\x01([!-~]+)\0octet\0", asked(report))]


@pytest.mark.parametrize(
    ("firmware", "controller", "layout"),
    [
        (BIOS, "pvscsi", Layout.MBR),
        (BIOS, "lsilogic", Layout.MBR),
        (UEFI, "virtio-scsi", Layout.MBR),
        (UEFI, "sata", Layout.MBR),
        (UEFI, "virtio-scsi", Layout.GPT),
        (UEFI, "sata", Layout.GPT),
    ],
)
def test_boots_with_the_first_of_two_servers_dead(boot_disk, firmware, controller, layout):
    only = (UEFI,) if layout is Layout.GPT else (BIOS, UEFI)
    report = boot_disk(firmware, controller, layout=layout, only=only)
    assert report.ok, report.verdict
    assert report.reached is Reached.STARTED
    assert "pvs1 was dead" in report.verdict
    assert set(files_asked_by_tftp(report)) == {bootstraps()[firmware].file}
    assert re.search(
        rf"asking pvs1 10\.0\.0\.11 \(1/2\).*asking pvs2 10\.0\.0\.12 \(2/2\).*"
        rf"{marker_line(firmware)}",
        console(report),
        re.DOTALL,
    )


def test_at_unit_1_behind_an_empty_disk_at_unit_0_it_does_not_boot(boot_disk):
    report = boot_disk(BIOS, "pvscsi", before=(RehearsalDisk("pvscsi"),))
    assert not report.ok
    assert report.reached is Reached.FIRMWARE
    assert "the BDM disk at SCSI 0:1 was not started; put it at unit 0" in report.verdict


def test_with_the_active_flag_cleared_it_does_not_boot(boot_disk):
    def clear(disk: bytes) -> bytes:
        assert disk[ACTIVE_FLAG] == 0x80
        return disk[:ACTIVE_FLAG] + b"\0" + disk[ACTIVE_FLAG + 1 :]

    report = boot_disk(BIOS, "pvscsi", change=clear)
    assert not report.ok
    assert "can start: no active partition" in report.verdict
    assert "GRUB" not in console(report)


def test_without_a_boot_program_on_the_active_partition_it_says_so(boot_disk):
    def clear(disk: bytes) -> bytes:
        signature = 2048 * 512 + 510
        return disk[:signature] + b"\0\0" + disk[signature + 2 :]

    report = boot_disk(BIOS, "pvscsi", change=clear)
    assert "can start: the active partition is not bootable" in report.verdict


def test_a_disk_for_uefi_only_tells_a_bios_machine_so(boot_disk):
    report = boot_disk(BIOS, "pvscsi", only=(UEFI,), layout=Layout.GPT)
    assert "can start: this disk starts UEFI machines only" in report.verdict


def test_a_missing_loader_leaves_the_machine_to_its_next_device(boot_disk):
    report = boot_disk(
        BIOS,
        "pvscsi",
        only=(BIOS,),
        change=lambda disk: disk.replace(b"IPXE~1  LKR", b"GONE~1  LKR"),
        deadline_s=15,
    )
    assert not report.ok
    assert re.search(
        r"vmboot: ipxe\.lkrn on this disk does not start.*Booting", console(report), re.S
    )


@pytest.mark.parametrize("firmware", list(Firmware))
def test_the_config_is_one_plain_file_that_may_be_edited(boot_disk, firmware):
    def edit(disk: bytes) -> bytes:
        return disk.replace(b"10.0.0.19", b"10.0.0.12")

    report = boot_disk(firmware, "sata", change=edit, servers=(OLD,), lab_servers=(PVS2,), dead=())
    assert report.ok, report.verdict
    assert "asking pvs2 10.0.0.12 (1/1)" in console(report)


def test_a_static_address_in_a_vlan(boot_disk):
    network = Network(
        NetworkMode.STATIC,
        IPv4Address("192.0.2.50"),
        IPv4Address("255.255.255.128"),
        IPv4Address("192.0.2.1"),
        vlan=42,
    )
    report = boot_disk(BIOS, "pvscsi", servers=(PVS2,), network=network, nic_type="e1000e")
    assert report.ok, report.verdict
    assert "dhcp" not in [stage.name for stage in report.stages]


def local_disk(folder: Path, firmware: Firmware) -> Path:
    """A disk of the machine's own that prints the marker line."""
    sectors = 16384
    partition = Partition(1, FAT16_LBA, 2048, sectors - 2048, active=True)
    mbr = build_mbr([partition], signature=b"DISK", code=bios_bootstrap())
    volume = build_fat(
        {"EFI/BOOT/BOOTX64.EFI": uefi_bootstrap()},
        size=partition.sectors * 512,
        label="LOCAL",
        hidden_sectors=2048,
    )
    path = folder / f"local-{firmware.value}.img"
    path.write_bytes(mbr + bytes(2047 * 512) + volume)
    return path


@pytest.mark.parametrize(("firmware", "controller"), [(BIOS, "pvscsi"), (UEFI, "sata")])
def test_without_work_the_local_disk_starts_at_once(boot_disk, tmp_path, firmware, controller):
    local = RehearsalDisk(controller, local_disk(tmp_path, firmware), unit=1)
    report = boot_disk(firmware, controller, bootstrap={}, work=True, after=(local,))
    assert report.ok, report.verdict
    assert "there was no work, so the machine went on" in report.verdict
    assert "vmboot: no work for this machine" in console(report)
    assert "asking pvs2 10.0.0.12 (2/2) for work" in console(report), "pvs1 is dead"
    assert files_asked_by_tftp(report) == []


@pytest.mark.parametrize(("firmware", "controller"), [(BIOS, "lsilogic"), (UEFI, "virtio-scsi")])
def test_work_runs_and_no_loader_is_asked_for(boot_disk, firmware, controller):
    work = b"#!ipxe\necho work says ${net0/mac}\nchain http://10.0.0.12/go\n"
    go = bios_bootstrap() if firmware is BIOS else uefi_bootstrap()
    report = boot_disk(
        firmware, controller, bootstrap={}, work=True, files={"work": work, "go": go}
    )
    assert report.ok, report.verdict
    assert "work says 00:50:56:01:02:03" in console(report)
    assert marker_line(firmware) in console(report)
    query = re.search(rb"GET (/work\?\S+) HTTP", asked(report))
    assert query, "the identity goes with the question"
    platform = b"pcbios" if firmware is BIOS else b"efi"
    assert b"mac=00:50:56:01:02:03" in query[1].replace(b"%3A", b":").replace(b"%3a", b":")
    assert b"platform=" + platform in query[1]
    assert re.search(rb"uuid=[0-9a-f-]{36}&", query[1])
    assert files_asked_by_tftp(report) == []


def test_an_empty_answer_is_no_work(boot_disk, tmp_path):
    local = RehearsalDisk("pvscsi", local_disk(tmp_path, BIOS), unit=1)
    report = boot_disk(BIOS, "pvscsi", work=True, files={"work": b""}, after=(local,))
    assert report.ok, report.verdict
    assert "vmboot: there is no work, or it came back" in console(report)
    assert files_asked_by_tftp(report) == []
