"""What stops a rollout: too many failures, an interrupt, a login that fails."""

import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.lab.rollout_steps import credentials, fleet_file, runner, started_waves, take_back
from tests.soap import dump
from vmboot.clock import Deadline, poll
from vmboot.fleet.rollout import RolloutState, run_rollout
from vmboot.fleet.runs import list_runs

__all__ = ["fleet_file"]

pytestmark = pytest.mark.lab


@pytest.fixture
def before(lab):
    """The inventory as it was; what a test leaves behind is cleared."""
    yield dump(lab)
    lab.clear_faults()
    lab.delays(task_ms=0)


def test_more_failures_than_allowed_leave_later_waves_untouched(lab, fleet_file, before):
    rollout = runner(lab, fleet_file)
    lab.fault("task-fails", method="ReconfigVM_Task", count=-1)
    result, events = rollout()
    assert result.state is RolloutState.STOPPED
    assert started_waves(events) == ["canary"]
    assert result.untouched == ("wave 1", "wave 2")
    assert len(result.failures) == 2
    for failure in result.failures:
        assert failure["path"] in result.message
    assert f"vmboot undo {result.rollout}" in result.message
    assert dump(lab) == before


def test_failures_add_up_over_the_waves(lab, fleet_file, before):
    rollout = runner(lab, fleet_file)
    lab.fault("task-fails", method="ReconfigVM_Task", after=1, count=2)
    result, events = rollout()
    assert result.state is RolloutState.STOPPED
    assert started_waves(events) == ["canary", "wave 1"]
    assert result.untouched == ("wave 2",)
    lab.clear_faults()
    assert take_back(lab, result.rollout).failed == 0
    assert dump(lab) == before


def test_failures_within_the_budget_let_the_rollout_go_on(lab, fleet_file, before):
    rollout = runner(lab, fleet_file)
    lab.fault("task-fails", method="ReconfigVM_Task", count=1)
    result, _ = rollout(limit=["/DC1/vm/PVS/UEFI/*"])
    assert result.state is RolloutState.PARTLY
    assert result.untouched == ()
    assert take_back(lab, result.rollout).failed == 0
    assert dump(lab) == before


def test_an_interrupt_lets_what_is_in_flight_end_and_can_be_undone(lab, fleet_file, before):
    rollout = runner(lab, fleet_file)
    lab.delays(task_ms=400)
    events = []

    def impatient(event):
        events.append(event)
        if event.kind == "vm.done" and kinds_since_wave(events, "wave 1").count("vm.done") == 1:
            raise KeyboardInterrupt

    result, _ = rollout(sink=impatient)
    assert result.state is RolloutState.INTERRUPTED
    assert result.untouched == ("wave 2",)
    assert len(result.run_ids) == 2
    lab.delays(task_ms=0)
    assert take_back(lab, result.rollout).failed == 0
    assert dump(lab) == before


def kinds_since_wave(events, name):
    """Kinds of the events since a wave was started; none before that."""
    starts = [i for i, e in enumerate(events) if (e.kind, e.subject) == ("wave.started", name)]
    return [event.kind for event in events[starts[0] :]] if starts else []


def test_a_canary_of_which_nothing_is_left_stops_at_the_gate(lab, fleet_file, before):
    fleet_file.write_text(fleet_file.read_text().replace("max_failures: 1", "max_failures: 3"))
    lab.fault("task-fails", method="ReconfigVM_Task", count=2)
    result, events = runner(lab, fleet_file)()
    assert result.state is RolloutState.STOPPED
    assert started_waves(events) == ["canary"]
    assert "canary" in result.message
    assert dump(lab) == before


def test_a_wrong_password_stops_before_anything_with_its_hint(lab, fleet_file, before):
    login = replace(credentials(lab), password="wrong")
    result = run_rollout(fleet_file, login)
    assert result.state is RolloutState.STOPPED
    assert "password" in result.message
    assert result.hint
    assert result.waves == ()
    assert dump(lab) == before


def environments():
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # it has just ended
            yield path.read_bytes()


ROLL = """
import sys
from vmboot.fleet.rollout import run_rollout
from vmboot.vsphere.credentials import resolve

login = resolve(use_keyring=False)
run_rollout(sys.argv[1], login, sink=lambda e: print(e.kind, e.subject, flush=True))
"""


def test_a_rollout_that_is_killed_begins_no_further_wave(lab, fleet_file, before, tmp_path):
    lab.delays(task_ms=300)
    killed = subprocess.Popen(
        [sys.executable, "-c", ROLL, str(fleet_file)],
        env=os.environ | lab.environment() | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    with killed:
        assert any(line.startswith("wave.started wave 1") for line in killed.stdout)
        killed.kill()

    def silence():
        return None if any(str(tmp_path).encode() in e for e in environments()) else True

    poll(silence, deadline=Deadline.after(60), every=0.2, what="the end of Ansible")
    lab.delays(task_ms=0)
    waves = [run.wave for run in list_runs()]
    assert "wave 2" not in waves
    assert take_back(lab, list_runs()[0].rollout).failed == 0
    assert dump(lab) == before
