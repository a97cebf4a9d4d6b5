"""A playbook under ansible-runner: events, results, an environment without secrets, a stop."""

import json
import os
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from vmboot.clock import Deadline, poll
from vmboot.fleet.rollout_environment import ansible_environment
from vmboot.fleet.rollout_place import own_inventory
from vmboot.fleet.rollout_progress import EventFile
from vmboot.fleet.rollout_run import Watch, run_playbook

SHOW = """
- name: Show
  hosts: vcenters
  gather_facts: false
  tasks:
    - name: Keep the environment
      ansible.builtin.command: >-
        {{ ansible_playbook_python }} -c
        'import os, json; print(json.dumps(dict(os.environ)))'
      register: shown
    - name: Write it down
      ansible.builtin.copy:
        content: "{{ shown.stdout }}"
        dest: DEST
        mode: "0600"
"""
FAIL = """
- name: Break
  hosts: vcenters
  gather_facts: false
  tasks:
    - name: Stop here
      ansible.builtin.fail:
        msg: not today
"""
WAIT = """
- name: Wait
  hosts: vcenters
  gather_facts: false
  tasks:
    - name: Wait long
      ansible.builtin.wait_for:
        timeout: 300
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("GOVC_PASSWORD", "hunter2")
    home = tmp_path / "home"
    home.mkdir(mode=0o700)

    def run(text, sink=lambda event: None):
        playbook = tmp_path / "playbook.yml"
        playbook.write_text(text)
        watch = Watch(sink, EventFile(home / "events.jsonl"))
        status = run_playbook(
            playbook,
            home=home,
            inventory=own_inventory(home),
            environment=ansible_environment(os.environ, home, secret="hunter2"),
            options="",
            watch=watch,
        )
        return watch, status

    return run


def everything(folder):
    return "".join(p.read_text(errors="replace") for p in folder.rglob("*") if p.is_file())


def test_no_secret_of_ours_reaches_its_processes_or_its_files(run, tmp_path):
    shown = tmp_path / "shown.json"
    _, status = run(SHOW.replace("DEST", str(shown)))
    assert status == "successful"
    assert "hunter2" not in everything(tmp_path)
    seen = json.loads(shown.read_text())
    assert seen["PATH"].startswith(str(Path(sys.executable).parent))


def test_a_failing_task_is_told_with_its_message(run):
    events = []
    watch, status = run(FAIL, events.append)
    assert (status, [e.message for e in watch.errors]) == ("failed", ["not today"])
    assert [e.kind for e in events] == ["rollout.play", "rollout.task", "rollout.failed"]


def command_lines():
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has just ended
            yield path.read_bytes()


def wait_for_silence(folder):
    """Wait until no process works with ``folder`` any more."""

    def check():
        return None if any(str(folder).encode() in line for line in command_lines()) else True

    poll(check, deadline=Deadline.after(10), every=0.1, what="the end of Ansible")


def test_an_interrupt_between_module_calls_ends_ansible_and_its_workers(run, tmp_path):
    def interrupt(event):
        if event.kind == "rollout.task":
            raise KeyboardInterrupt

    watch, status = run(WAIT, interrupt)
    assert watch.interrupted
    assert status != "successful"
    wait_for_silence(tmp_path)


def test_a_sink_that_breaks_does_not_leave_ansible_running(run, tmp_path):
    def broken(event):
        if event.kind == "rollout.task":
            raise ValueError("broken sink")

    with pytest.raises(ValueError, match="broken sink"):
        run(WAIT, broken)
    wait_for_silence(tmp_path)
