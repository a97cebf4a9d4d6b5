"""The outcome of a machine is what it reads back as, whatever the write said."""

from dataclasses import replace

import pytest

from tests.unit.vsphere.builders import IDE0, OTHER, OURS, SCSI, cd, disk, machine, nic
from vmboot.errors import RemoteError, VmbootError
from vmboot.fleet.decide import IsoWish, Wanted, plan_machine
from vmboot.fleet.judge import judge, skipped, unread, waits
from vmboot.fleet.result import Done
from vmboot.fleet.steps import Step
from vmboot.model import BootMethod, Firmware
from vmboot.vsphere.devices import machine_after
from vmboot.vsphere.faults import CONNECTION_LOST
from vmboot.vsphere.machine import Machine, Power

BEFORE = machine(cd(IDE0, backing=OTHER), disk(SCSI), nic())
CHANGES = plan_machine(BEFORE, Wanted(BootMethod.ISO, IsoWish(OURS, frozenset(Firmware)))).now
AFTER = machine_after(BEFORE, CHANGES)
HALF = machine_after(BEFORE, CHANGES[:1])
STEP = Step(BEFORE, CHANGES)
RUNNING = Step(replace(BEFORE, power=Power.ON), CHANGES)
LOST = RemoteError("the connection broke", fault=CONNECTION_LOST)
FAULT = RemoteError("no such luck", fault="GenericVmConfigFault", hint="try luck")
POWER = RemoteError("not in this state", fault="InvalidPowerState")


@pytest.mark.parametrize(
    ("step", "found", "error", "verdict", "words"),
    [
        (STEP, AFTER, None, Done.DONE, ""),
        (STEP, AFTER, LOST, Done.DONE, ""),
        (STEP, BEFORE, LOST, Done.FAILED, "the connection broke"),
        (STEP, BEFORE, FAULT, Done.FAILED, "no such luck"),
        (STEP, HALF, FAULT, Done.FAILED, "no such luck; it is changed in part: the boot order"),
        (STEP, BEFORE, None, Done.FAILED, "read back otherwise than written"),
        (STEP, None, None, Done.FAILED, "it was removed meanwhile"),
        (STEP, BEFORE, POWER, Done.FAILED, "not in this state"),
        (RUNNING, BEFORE, POWER, Done.PENDING, "needs it powered off"),
        (replace(STEP, rest="the rest waits"), AFTER, None, Done.PENDING, "the rest waits"),
        (replace(STEP, to_template=True), AFTER, None, Done.FAILED, "not a template any more"),
    ],
)
def test_a_machine_is_judged_by_what_it_is(
    step: Step, found: Machine | None, error: VmbootError | None, verdict: Done, words: str
) -> None:
    outcome = judge(step, found, error)
    assert outcome.verdict is verdict
    assert words in outcome.error
    assert outcome.path == BEFORE.path


def test_only_a_running_machine_waits() -> None:
    assert waits(RUNNING, POWER)
    assert not waits(STEP, POWER)
    assert not waits(RUNNING, FAULT)


def test_what_was_not_read_or_not_begun_says_so() -> None:
    assert "could not be read: no such luck" in unread(STEP, FAULT).error
    assert skipped(STEP, interrupted=True).error == "the run was interrupted"
    assert "too many machines failed" in skipped(STEP, interrupted=False).error
