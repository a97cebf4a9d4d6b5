"""``vmboot rollout`` as a service manager meets it."""

from __future__ import annotations

import json
import signal
import subprocess

import pytest

from tests.lab.cliprocess import SECONDS, Shell
from tests.soap import dump
from vmboot.lab import Vcenter

pytestmark = pytest.mark.lab

FLEET = """\
templates: [{vms: "/DC1/vm/Templates/*", method: iso}]
rollout: {canary: 1, wave: 100%}
"""


def templates(lab: Vcenter) -> set[str]:
    return {path for path, m in dump(lab).items() if m["config.template"] == "true"}


def test_sigterm_lets_the_wave_put_its_templates_back_and_ends_with_143(small_lab, tmp_path):
    pytest.importorskip("ansible_runner", reason="the ansible extra is not installed")
    lab = small_lab(vms=2, templates=8, task_ms=300)
    shell = Shell.at(lab, tmp_path)
    shell.fleet(FLEET)
    before = templates(lab)
    process = subprocess.Popen(
        shell.command("rollout", "fleet.yml", "--yes", "--json", "--events"),
        cwd=shell.folder,
        env=shell.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if json.loads(line)["kind"] == "vm.done":
            process.send_signal(signal.SIGTERM)
            break
    out, _err = process.communicate(timeout=SECONDS)
    assert process.returncode == 143, out
    assert json.loads(out)["state"] == "interrupted"
    assert templates(lab) == before
    assert shell.run("status", "--json").document["unfinished"] == []
