"""One machine, one wish: what follows. Literals for the cases, hypothesis for the laws."""

from dataclasses import replace

import pytest
from hypothesis import given

from tests.unit.vsphere.builders import (
    AT_POWER_ON,
    EMPTY,
    IDE0,
    OTHER,
    OURS,
    SCSI,
    cd,
    disk,
    machine,
    nic,
    running,
    uefi,
)
from tests.unit.vsphere.strategies import machines
from vmboot.fleet.decide import BdmWish, IsoWish, Wanted, plan_machine
from vmboot.fleet.plan import Problem, Verdict
from vmboot.fleet.steps import Step
from vmboot.fleet.wayback import way_back
from vmboot.model import BootMethod, Firmware
from vmboot.vsphere.changes import AddDisk, MoveDevice, SetBootOrder, SetExtra
from vmboot.vsphere.devices import machine_after, same_boot
from vmboot.vsphere.machine import BootEntry, Connection, Machine, Power

BOTH = frozenset(Firmware)
ISO = Wanted(BootMethod.ISO, IsoWish(OURS, BOTH))
PXE = Wanted(BootMethod.PXE)
CD = BootEntry("cdrom")
READY = cd(IDE0, backing=OURS, connection=AT_POWER_ON)


def test_a_machine_that_is_as_wished_costs_nothing() -> None:
    plan = plan_machine(machine(READY, disk(SCSI), nic(), boot_order=(CD,)), ISO)
    assert (plan.verdict, plan.now, plan.later) == (Verdict.OK, (), ())


def test_a_machine_that_is_off_is_changed_now() -> None:
    plan = plan_machine(machine(cd(IDE0, backing=OTHER), disk(SCSI), nic()), ISO)
    assert plan.verdict is Verdict.CHANGE
    assert len(plan.now) == 2
    assert plan.iso == OURS.path


def test_a_running_machine_with_a_drive_is_changed_live() -> None:
    plan = plan_machine(running(cd(IDE0, backing=EMPTY), disk(SCSI), nic()), ISO)
    assert (plan.verdict, plan.later) == (Verdict.CHANGE, ())


@pytest.mark.parametrize(
    ("power", "verdict"), [("leave", Verdict.PENDING), ("off", Verdict.CHANGE)]
)
def test_a_running_machine_without_a_drive_must_be_off(power: str, verdict: Verdict) -> None:
    plan = plan_machine(running(disk(SCSI), nic()), ISO, power=power)  # type: ignore[arg-type]
    assert plan.verdict is verdict
    assert plan.now == ()
    assert len(plan.later) == 2


@pytest.mark.parametrize("power", ["leave", "off"])
@pytest.mark.parametrize("wanted", [ISO, PXE])
def test_a_suspended_machine_is_refused_for_its_memory(wanted: Wanted, power: str) -> None:
    found = machine(cd(IDE0), disk(SCSI), nic(), power=Power.SUSPENDED)
    plan = plan_machine(found, wanted, power=power)  # type: ignore[arg-type]
    assert (plan.verdict, plan.now, plan.later) == (Verdict.REFUSED, (), ())
    assert "it is suspended" in plan.problems[0].message
    assert "resume it or discard its state" in (plan.problems[0].hint or "")


def test_a_suspended_machine_that_is_as_wished_is_ok() -> None:
    found = machine(READY, disk(SCSI), nic(), boot_order=(CD,), power=Power.SUSPENDED)
    assert plan_machine(found, ISO).verdict is Verdict.OK


@pytest.mark.parametrize(
    ("power", "verdict"), [("leave", Verdict.PENDING), ("off", Verdict.CHANGE)]
)
def test_media_that_a_guest_may_be_using_wait_until_it_is_off(power: str, verdict: Verdict) -> None:
    drive = cd(IDE0, backing=OTHER, connection=Connection(connected=True))
    plan = plan_machine(running(drive, disk(SCSI), nic()), ISO, power=power)  # type: ignore[arg-type]
    assert (plan.verdict, plan.now, len(plan.later)) == (verdict, (), 2)


def test_pxe_needs_only_the_boot_order() -> None:
    plan = plan_machine(machine(disk(SCSI), nic()), PXE)
    assert plan.verdict is Verdict.CHANGE
    assert plan.iso == ""
    assert machine_after(plan.machine, plan.now).boot_order == (BootEntry("ethernet", 4000),)


@pytest.mark.parametrize(
    ("found", "wanted", "words"),
    [
        (
            uefi(),
            Wanted(BootMethod.ISO, IsoWish(OURS, frozenset({Firmware.BIOS}))),
            "bootstrap.uefi",
        ),
        (uefi(secure_boot=True), ISO, "Secure Boot is on"),
        (machine(), replace(PXE, nic=2), "has no NIC 2"),
        (machine(disk(IDE0), nic(), has_snapshot=True), ISO, "snapshots"),
        (machine(), replace(ISO, problem=Problem("not this one")), "not this one"),
        (running(), replace(ISO, make_template=True), "powered on since"),
    ],
)
def test_a_machine_that_must_not_be_touched_says_why(
    found: Machine, wanted: Wanted, words: str
) -> None:
    plan = plan_machine(found, wanted)
    assert (plan.verdict, plan.now, plan.later) == (Verdict.REFUSED, (), ())
    assert words in plan.problems[0].message


def test_secure_boot_is_fine_with_a_signed_loader() -> None:
    signed = Wanted(BootMethod.ISO, IsoWish(OURS, BOTH, secure=True))
    assert plan_machine(uefi(secure_boot=True), signed).verdict is Verdict.CHANGE


def test_a_template_left_as_a_vm_is_a_change_even_if_all_else_is_right() -> None:
    found = machine(READY, disk(SCSI), nic(), boot_order=(CD,))
    plan = plan_machine(found, replace(ISO, make_template=True))
    assert (plan.verdict, plan.now) == (Verdict.CHANGE, ())


@given(found=machines())
def test_planning_again_after_the_plan_finds_nothing_to_do(found: Machine) -> None:
    plan = plan_machine(found, ISO, power="off")
    if plan.verdict is Verdict.REFUSED:
        return
    after = machine_after(found, (*plan.now, *plan.later))
    assert plan_machine(after, ISO, power="off").verdict is Verdict.OK


@given(found=machines())
def test_a_step_is_satisfied_by_what_its_changes_lead_to(found: Machine) -> None:
    plan = plan_machine(replace(found, power=Power.OFF), ISO)
    step = Step(plan.machine, plan.now)
    after = machine_after(plan.machine, plan.now)
    assert step.missing(after) == ()
    assert step.untouched(plan.machine)
    assert step.untouched(after) == (plan.verdict is not Verdict.CHANGE)


@given(found=machines())
def test_the_way_back_leads_back(found: Machine) -> None:
    before = replace(found, power=Power.OFF)
    plan = plan_machine(before, ISO)
    step = Step(before, plan.now)
    after = machine_after(before, plan.now)
    undo = way_back(before, [step.intent], after)
    assert undo.verdict is (Verdict.CHANGE if plan.now else Verdict.OK)
    assert same_boot(before, machine_after(after, undo.now)) == ()


@given(found=machines())
def test_a_forced_way_back_of_what_nobody_changed_is_the_plain_one(found: Machine) -> None:
    before = replace(found, power=Power.OFF)
    changes = plan_machine(before, ISO).now
    after = machine_after(before, changes)
    other = replace(after, boot_order=(*after.boot_order, BootEntry("floppy")))
    undo = way_back(before, [Step(before, changes).intent], other, force=True)
    assert same_boot(before, machine_after(other, undo.now)) == ()


BDM_FILE = "[shared-01] vm/vmboot-boot-0123456789ab.vmdk"
BDM = Wanted(BootMethod.BDM, bdm=BdmWish(BDM_FILE, "datastore-1", "boot 0123456789ab", BOTH))


def test_method_bdm_moves_the_occupant_and_attaches_the_copy() -> None:
    plan = plan_machine(machine(disk(SCSI), nic()), BDM)
    assert (plan.verdict, plan.bdm, plan.iso) == (Verdict.CHANGE, BDM_FILE, "")
    kinds = [type(change) for change in plan.now]
    assert kinds == [MoveDevice, AddDisk, SetExtra, SetBootOrder]


@pytest.mark.parametrize(
    ("power", "verdict"), [("leave", Verdict.PENDING), ("off", Verdict.CHANGE)]
)
def test_a_running_machine_gets_its_disk_when_it_is_off(power: str, verdict: Verdict) -> None:
    plan = plan_machine(running(disk(SCSI), nic()), BDM, power=power)  # type: ignore[arg-type]
    assert (plan.verdict, plan.now, len(plan.later)) == (verdict, (), 4)


def test_a_machine_whose_firmware_the_image_does_not_boot_is_refused() -> None:
    wish = BdmWish(BDM_FILE, "ds", "boot 0123456789ab", frozenset({Firmware.UEFI}), image=True)
    plan = plan_machine(machine(disk(SCSI), nic()), Wanted(BootMethod.BDM, bdm=wish))
    assert plan.verdict is Verdict.REFUSED
    assert plan.problems[0].message == "its firmware is BIOS, which the fleet's image does not boot"


def test_secure_boot_is_refused_in_the_words_that_are_given() -> None:
    said = Problem("Secure Boot is on", hint="set media.secure_boot.chain to shim-grub")
    wish = BdmWish(BDM_FILE, "ds", "boot 0123456789ab", BOTH, insecure=said)
    secure = replace(uefi(disk(SCSI), nic()), secure_boot=True)
    assert plan_machine(secure, Wanted(BootMethod.BDM, bdm=wish)).problems == (said,)
    signed = replace(wish, secure=True)
    assert plan_machine(secure, Wanted(BootMethod.BDM, bdm=signed)).verdict is Verdict.CHANGE
