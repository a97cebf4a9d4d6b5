"""The module by itself, with an inline fleet: changed once, undone once, and errors that help."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.soap import dump

pytestmark = pytest.mark.lab

HEAD = """
- name: Try the module
  hosts: localhost
  gather_facts: false
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
    fleet:
      version: 1
      boot_servers: [{address: 10.0.0.11}]
      bootstrap: {bios: {file: ARDBP32.BIN}}
      targets: [{vms: "/DC1/vm/PVS/BIOS/pvs-00[15]", method: iso}]
      templates: [{vms: tpl-win10-bios, method: iso}]
  tasks:
"""


@pytest.fixture
def play(lab, tmp_path, repository):
    """Runs tasks on localhost; the results of the registered ones, or the failed one's."""

    def run(tasks, **environment):
        book = tmp_path / "play.yml"
        book.write_text(HEAD + tasks)
        collections = str(repository / "playbooks" / "collections")
        done = subprocess.run(
            [Path(sys.executable).parent / "ansible-playbook", str(book)],
            env=os.environ
            | lab.environment()
            | {
                "ANSIBLE_COLLECTIONS_PATH": collections,
                "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
                "OUT": str(tmp_path / "out.json"),
                **environment,
            },
            capture_output=True,
            text=True,
        )
        out = tmp_path / "out.json"
        return done, json.loads(out.read_text()) if out.exists() else {}

    return run


TWICE = """
    - vmboot.vsphere.fleet: {fleet: "{{ fleet }}"}
      register: first
    - vmboot.vsphere.fleet: {fleet: "{{ fleet }}"}
      register: second
    - vmboot.vsphere.fleet: {state: undone, run_id: "{{ first.run_id }}"}
      check_mode: true
      register: preview
    - vmboot.vsphere.fleet: {state: undone, run_id: "{{ first.run_id }}"}
      register: back
    - vmboot.vsphere.fleet: {state: undone, run_id: "{{ first.run_id }}"}
      register: again
    - ansible.builtin.copy:
        content: "{{ [first, second, preview, back, again] | to_json }}"
        dest: "{{ lookup('ansible.builtin.env', 'OUT') }}"
        mode: "0600"
"""


def test_each_state_is_reached_once_and_then_kept(play, lab):
    before = dump(lab)
    done, results = play(TWICE)
    assert done.returncode == 0, done.stdout
    assert [result["changed"] for result in results] == [True, False, True, True, False]
    first, second, preview, back, _ = results
    assert first["undo"] == f"vmboot undo {first['run_id']}"
    number = len(first["machines"])
    assert first["counts"]["done"] == number > 1
    assert all(row["changes"] for row in first["machines"])
    assert second["run_id"] is None
    assert (preview["action"], preview["counts"]["change"]) == ("plan", number)
    assert (back["action"], back["counts"]["done"]) == ("undo", number)
    assert dump(lab) == before


@pytest.mark.parametrize(
    ("tasks", "said"),
    [
        (
            "    - vmboot.vsphere.fleet: {fleet: {version: 1, tragets: []}}\n",
            ("tragets", "targets"),
        ),
        (
            "    - vmboot.vsphere.fleet: {fleet: '{{ fleet }}', limit: [pvs-999]}\n",
            ("pvs-999",),
        ),
        ("    - vmboot.vsphere.fleet: {state: undone, run_id: nosuch}\n", ("nosuch", "hint")),
        ("    - vmboot.vsphere.fleet: {state: undone}\n", ("run_id",)),
    ],
)
def test_wrong_input_fails_once_and_says_what_is_wrong(tasks, said, play):
    done, _ = play(tasks)
    assert done.returncode == 2
    assert "Traceback" not in done.stdout
    for words in said:
        assert words in done.stdout
