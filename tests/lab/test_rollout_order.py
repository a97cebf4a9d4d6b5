"""A rollout of 40 VMs through ansible-runner: check, canary, waves, again, and back."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.rollout_steps import fleet_file, planned, runner, started_waves
from tests.soap import dump
from vmboot.fleet.rollout import RolloutState

__all__ = ["fleet_file"]

pytestmark = pytest.mark.lab


def told_within(events, name):
    """How many machines were told of between the start and the end of a wave."""
    marks = [i for i, e in enumerate(events) if e.subject == name and e.kind.startswith("wave.")]
    return [event.kind for event in events[marks[0] : marks[1]]].count("vm.done")


def test_a_rollout_goes_wave_by_wave_and_back(lab, fleet_file):
    rollout = runner(lab, fleet_file)
    before = dump(lab)

    lab.reset_counters()
    result, _ = rollout(check=True)
    assert (result.state, result.changed, result.run_ids) == (RolloutState.DONE, True, ())
    assert lab.counters().total_writes == 0, "check mode wrote something"
    assert dump(lab) == before

    result, events = rollout()
    assert result.state is RolloutState.DONE, result.message
    assert started_waves(events) == ["canary", "wave 1", "wave 2"]
    assert {wave.name: sum(wave.counts.values()) for wave in result.waves} == planned(events)
    assert planned(events)["canary"] == 2
    for name in planned(events):
        assert told_within(events, name), f"no machine of {name} was told while it was at work"
    assert len(result.run_ids) == 3
    assert result.count("done") + result.count("pending") == sum(planned(events).values())
    assert result.count("done") > 30
    assert dump(lab) != before

    lab.reset_counters()
    again, _ = rollout()
    assert (again.state, again.changed) == (RolloutState.DONE, False)
    assert lab.counters().total_writes == 0, "a second rollout wrote something"

    back, _ = rollout(playbook="undo", rollout=result.rollout)
    assert (back.state, back.changed) == (RolloutState.DONE, True)
    assert dump(lab) == before


def test_undo_without_an_id_takes_the_last_rollout(lab, fleet_file):
    rollout = runner(lab, fleet_file)
    before = dump(lab)
    limit = ["/DC1/vm/PVS/UEFI/pvs-02*"]
    first, _ = rollout(limit=limit)
    back, _ = rollout(playbook="undo")
    assert back.rollout == first.rollout
    assert dump(lab) == before


def test_the_lab_s_inventory_works_with_ansible_alone(lab, fleet_file, repository):
    """Without vmboot around it; the fleet's path is relative to where the person is."""
    run = subprocess.run(
        [
            Path(sys.executable).parent / "ansible-playbook",
            f"--inventory={repository / 'inventories' / 'lab'}",
            "--extra-vars=vmboot_fleet=fleet.yml",
            "--check",
            "--diff",
            repository / "playbooks" / "rollout.yml",
        ],
        cwd=fleet_file.parent,
        env=os.environ | lab.environment() | {"PWD": str(fleet_file.parent)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout
    assert "canary: 2 machines" in run.stdout
    assert "+boot order: " in run.stdout
    assert "0 failed" in run.stdout
