"""A rollout of boot disks through ansible-runner: check, canary, waves, again, and back."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.bdmlab import boots_first, copies, digests, disks, need_grub, our_slots
from tests.lab.fleetlab import changed, make_loaders, site_on
from tests.lab.rollout_steps import planned, runner, started_waves
from tests.soap import dump
from vmboot.fleet.rollout import RolloutState

pytestmark = pytest.mark.lab

FLEET = """
version: 1
boot_servers: [{name: pvs1, address: 10.0.0.11}, {name: pvs2, address: 10.0.0.12}]
bootstrap: {bios: {file: ARDBP32.BIN}, uefi: {file: pvsnbpx64.efi}}
targets: [{vms: "/DC1/vm/PVS/**", method: bdm}]
templates: [{vms: "/DC1/vm/Templates/*", method: bdm}]
rollout: {canary: 2, wave: "40%", max_failures: 1}
"""
VMS, TEMPLATES = 12, 2


@pytest.fixture
def lab(small_lab):
    need_grub()
    return small_lab(vms=VMS, templates=TEMPLATES, disks=True)


@pytest.fixture
def fleet_file(tmp_path):
    make_loaders(tmp_path / "loaders")
    file = tmp_path / "fleet.yml"
    file.write_text(FLEET)
    return file


def wave_of(events):
    """The wave in which each machine was changed, by path."""
    waves, now = {}, ""
    for event in events:
        if event.kind == "wave.started":
            now = event.subject
        elif event.kind == "vm.done":
            waves[event.subject] = now
    return waves


def test_disks_go_in_wave_by_wave_with_one_master_a_datastore_and_out_again(lab, fleet_file):
    rollout, loaders = runner(lab, fleet_file), [fleet_file.parent / "loaders"]
    for path, machine in dump(lab).items():
        if machine["runtime.powerState"] == "poweredOn":
            lab.edit(path, power="off")
    before, content = dump(lab), digests(lab)

    lab.reset_counters()
    result, _ = rollout(check=True, loader_dirs=loaders)
    assert (result.state, result.changed, result.run_ids) == (RolloutState.DONE, True, ())
    assert lab.counters().total_writes == 0, "check mode wrote something"

    result, events = rollout(loader_dirs=loaders)
    assert result.state is RolloutState.DONE, result.message
    assert (
        started_waves(events) == list(planned(events)) == ["canary", "wave 1", "wave 2", "wave 3"]
    )
    assert len(result.run_ids) == 4
    assert result.count("done") == VMS + TEMPLATES
    templates = [wave for path, wave in wave_of(events).items() if "/Templates/" in path]
    assert templates == ["wave 3"] * TEMPLATES
    after, writes = dump(lab), lab.counters().writes
    assert len(changed(before, after)) == VMS + TEMPLATES
    for path in changed(before, after):
        ((_, number, unit),) = our_slots(after[path])
        assert (number, unit) == (0, 0), path
        assert boots_first(after[path]) in disks(after[path]).values(), path
    stores = {path.partition("]")[0] for path in copies(lab)}
    assert writes["ImportVApp"] == len(stores), "a master was sent twice"
    assert writes["CopyVirtualDisk_Task"] == VMS + TEMPLATES

    lab.reset_counters()
    again, _ = rollout(loader_dirs=loaders)
    assert (again.state, again.changed) == (RolloutState.DONE, False)
    assert lab.counters().total_writes == 0, "a second rollout wrote something"

    back, _ = rollout(playbook="undo", rollout=result.rollout)
    assert (back.state, back.changed) == (RolloutState.DONE, True)
    assert changed(before, dump(lab)) == []
    assert (copies(lab), digests(lab)) == ([], content)


def playbook(lab, folder, repository, name, *options):
    """Runs a playbook with Ansible alone, on the lab's inventory."""
    run = subprocess.run(
        [
            Path(sys.executable).parent / "ansible-playbook",
            f"--inventory={repository / 'inventories' / 'lab'}",
            *options,
            repository / "playbooks" / name,
        ],
        cwd=folder,
        env=os.environ | lab.environment() | {"PWD": str(folder)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout
    return run


def test_check_and_diff_show_disk_and_order(lab, fleet_file, repository):
    folder = fleet_file.parent
    variables = json.dumps(
        {"vmboot_fleet": "fleet.yml", "vmboot_loader_dirs": [str(folder / "loaders")]}
    )
    options = (f"--extra-vars={variables}", "--check", "--diff")
    said = playbook(lab, folder, repository, "rollout.yml", *options).stdout
    assert "+boot disk at SCSI 0:0: [shared-01] pvs-001/vmboot-boot-" in said
    assert "-boot disk at SCSI 0:0: none" in said
    assert "+boot order: disk SCSI 0:0, Network adapter 1" in said
    assert copies(lab) == []


def test_an_undo_warns_of_a_copy_that_could_not_be_deleted(lab, fleet_file, repository):
    one = "targets: [{vms: /DC1/vm/PVS/BIOS/pvs-001, method: bdm}]\n"
    with site_on(lab, fleet_file.parent) as site:
        site.apply(site.fleet(one, name="one.yml"), rollout="rollout-1")
    lab.fault("fault", method="DeleteVirtualDisk_Task", fault="FileLocked", count=-1)
    variable = "--extra-vars=vmboot_rollout=rollout-1"
    said = playbook(lab, fleet_file.parent, repository, "undo.yml", variable)
    (left,) = copies(lab)
    assert '"done": 1' in said.stdout
    assert "[WARNING]" in said.stdout + said.stderr
    assert left in " ".join((said.stdout + said.stderr).split())
