"""What the verdict says of boots from disks, with literals."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.lab.test_rehearsal_judge import CASE, evidence, verdict
from vmboot.lab.rehearsal_case import Case
from vmboot.lab.rehearsal_judge import finished
from vmboot.lab.rehearsal_machine import RehearsalDisk, RehearsalMachine
from vmboot.lab.rehearsal_report import Reached
from vmboot.lab.rehearsal_serial import SerialFact, SerialWatch
from vmboot.model import Firmware

BDM = RehearsalDisk("pvscsi", Path("bdm.img"))
BLANK = RehearsalDisk("pvscsi")
DISK = [SerialFact(0.1, "console"), SerialFact(0.2, "boot.disk")]


def case(firmware: Firmware, *disks: RehearsalDisk) -> Case:
    machine = RehearsalMachine("vm1", firmware, "00:50:56:01:02:03", disks=disks)
    return replace(CASE, machine=machine)


FIRST = case(Firmware.BIOS, BDM)
SECOND = case(Firmware.BIOS, BLANK, replace(BDM, unit=1))


def test_a_disk_that_is_not_the_first_is_named_with_its_slot():
    failed = [*DISK, SerialFact(0.3, "boot.failed", "not a bootable disk")]
    found = verdict(failed, case=SECOND)
    assert found.reached is Reached.FIRMWARE
    assert found.sentence == (
        "the loader never ran: the firmware tried the disk at SCSI 0:0, which holds nothing to"
        " start, and the BDM disk at SCSI 0:1 was not started; put it at unit 0"
    )
    assert finished(SECOND, evidence(failed), 1)


def test_a_disk_that_says_why_it_does_not_start_is_quoted():
    failed = [*DISK, SerialFact(0.3, "boot.failed", "no active partition")]
    assert verdict(failed, case=FIRST).sentence.endswith(
        "the BDM disk at SCSI 0:0 holds nothing that a bios machine can start: no active partition"
    )


def test_a_disk_that_was_not_tried():
    assert verdict([SerialFact(0.1, "console")], case=FIRST).sentence.endswith(
        "the BDM disk at SCSI 0:0 was not started within 60 s"
    )


def test_uefi_tries_every_disk_before_it_gives_up():
    machine = case(Firmware.UEFI, BLANK, replace(BDM, unit=1))
    failed = SerialFact(0.3, "boot.failed", "UEFI QEMU QEMU HARDDISK: Not Found")
    assert not finished(machine, evidence([*DISK, failed]), 1)
    assert finished(machine, evidence([*DISK, failed, failed]), 1)


def test_a_failed_cd_is_no_failed_disk():
    failed = SerialFact(0.3, "boot.failed", "Could not read from CDROM (code 0003)")
    assert not finished(FIRST, evidence([*DISK, failed]), 1)


def test_a_machine_without_work_that_starts_its_next_device_is_right():
    serial = [
        *DISK,
        SerialFact(0.5, "loader", "Welcome to GRUB"),
        SerialFact(5.0, "script.leaving", "going on to the next boot device"),
        SerialFact(5.4, "marker", "bios"),
    ]
    found = verdict(serial, case=FIRST)
    assert (found.reached, found.ok) == (Reached.STARTED, True)
    assert found.sentence == (
        "there was no work, so the machine went on 5.0 s after power on, and its next boot device"
        " started 0.4 s later"
    )


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("vmboot: no active partition", "boot.failed"),
        ("vmboot: the active partition is not bootable", "boot.failed"),
        ("vmboot: this disk starts UEFI machines only", "boot.failed"),
        ("vmboot: starting the work", "script.work"),
        ("vmboot: no work for this machine", "script.no-work"),
        ("vmboot: going on to the next boot device", "script.leaving"),
        ("vmboot: asking pvs1 10.0.0.11 (1/2) for work", "script.asking"),
        ("vmboot: starting ARDBP32.BIN", "script.starting"),
    ],
)
def test_lines_of_boot_disks(line, kind):
    facts = SerialWatch().feed(1.0, f"{line}\r\n")
    assert [fact.kind for fact in facts if fact.kind != "console"] == [kind]
