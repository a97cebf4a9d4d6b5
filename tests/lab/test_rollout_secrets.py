"""Where a password could be found during a rollout and after it: nowhere."""

import os
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from tests.lab.rollout_steps import credentials, fleet_file
from vmboot.fleet.rollout import RolloutState, run_rollout

__all__ = ["fleet_file"]

pytestmark = pytest.mark.lab


class Watcher:
    """Looks through files and processes for a secret, again and again, from a thread."""

    def __init__(self, secret, folders):
        self.found = set()
        self.looked_at = set()
        self._secret = secret.encode()
        self._folders = folders
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exception):
        self._ended.set()
        self._thread.join()
        self.look()

    def _watch(self):
        while not self._ended.wait(0.1):
            self.look()

    def look(self):
        for path in [*self._files(), *self._processes()]:
            self.looked_at.add(path.name)
            with suppress(OSError):  # it has just ended
                if self._secret in path.read_bytes():
                    self.found.add(str(path))

    def _files(self):
        return [p for folder in self._folders for p in folder.rglob("*") if p.is_file()]

    def _processes(self):
        """Command lines of all processes; environments of those started since, by Ansible."""
        for folder in Path("/proc").glob("[0-9]*"):
            yield folder / "cmdline"
            with suppress(OSError):
                if b"ansible" in (folder / "cmdline").read_bytes().lower():
                    yield folder / "environ"


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Temporary files, home and state of the rollout, all below one folder."""
    for name in ("TMPDIR", "HOME", "VMBOOT_STATE"):
        folder = tmp_path / name.lower()
        folder.mkdir()
        monkeypatch.setenv(name, str(folder))
    monkeypatch.setenv("ANSIBLE_LOG_PATH", str(tmp_path / "ansible.log"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def test_a_rollout_leaves_no_secret_anywhere(lab, fleet_file, places, monkeypatch):
    login = credentials(lab)
    for name in ("VMBOOT_PASSWORD", "GOVC_PASSWORD", "VMWARE_PASSWORD"):
        monkeypatch.setenv(name, login.password)
    limit = ["/DC1/vm/PVS/BIOS/*"]
    events = []
    with Watcher(login.password, [places]) as watcher:
        result = run_rollout(fleet_file, login, limit=limit, sink=events.append)
        back = run_rollout(fleet_file, login, playbook="undo", sink=events.append)
    assert (result.state, back.state) == (RolloutState.DONE, RolloutState.DONE), result.message
    assert watcher.found == set()
    assert {"command", "environ", "journal.jsonl", "ansible.log"} <= watcher.looked_at
    assert login.password not in f"{events} {result} {back}"
    assert list((places / "tmpdir").iterdir()) == []


def test_a_password_given_as_an_option_is_not_shown(lab, fleet_file, places):
    """The most talkative Ansible there is, with the password as a module option."""
    playbook = places / "plan.yml"
    playbook.write_text(PLAN)
    shown = subprocess.run(
        [Path(sys.executable).parent / "ansible-playbook", "-vvv", "--diff", str(playbook)],
        env=os.environ
        | lab.environment()
        | {
            "VMBOOT_PASSWORD": "",
            "LAB_PASSWORD": lab.password,
            "FLEET": str(fleet_file),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "playbooks" / "collections"),
        },
        capture_output=True,
        text=True,
    )
    assert shown.returncode == 0, shown.stdout
    assert "boot order" in shown.stdout
    assert lab.password not in shown.stdout + shown.stderr
    assert lab.password not in (places / "ansible.log").read_text()


ROOT = Path(__file__).parents[2]
PLAN = """
- name: Plan
  hosts: localhost
  gather_facts: false
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  tasks:
    - name: See what would change
      vmboot.vsphere.fleet:
        fleet: "{{ lookup('ansible.builtin.env', 'FLEET') }}"
        password: "{{ lookup('ansible.builtin.env', 'LAB_PASSWORD') }}"
      check_mode: true
      diff: true
"""
