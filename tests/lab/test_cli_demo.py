"""The demo, as a newcomer runs it: nothing configured, each step held, nothing left behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.lab.cliprocess import Shell
from vmboot.media.loaders import report

pytestmark = [pytest.mark.lab, pytest.mark.boot]

STEPS = ["lab up", "doctor", "plan", "apply", "rehearse BIOS", "rehearse UEFI", "apply again"]


@pytest.fixture(scope="module")
def shell(lab_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    lacking = [each.problem for each in report().firmwares if not each.ready]
    if lacking:
        pytest.skip(f"{lacking[0]}; run: vmboot loaders fetch")
    return Shell(tmp_path_factory.mktemp("demo"), {"VMBOOT_VCSIM": str(lab_binary)})


def test_each_step_holds_and_the_picture_shows_it(shell):
    ended = shell.run("demo", "--json", "--svg", "demo.svg", VMBOOT_PASSWORD="of-another-vcenter")
    steps = ended.document["steps"]
    if any(step["state"] == "not done" for step in steps):
        pytest.skip(f"this machine cannot do all of it: {steps}")
    assert [step["name"] for step in steps] == [*STEPS, "undo", "lab down"]
    assert {step["state"] for step in steps} == {"held"}
    assert (ended.code, ended.document["ok"]) == (0, True)
    assert "each&#160;one&#160;held" in (shell.folder / "demo.svg").read_text()
    assert [path.name for path in shell.folder.iterdir()] == ["demo.svg"]


def test_without_qemu_it_does_the_rest_and_says_what_is_missing(shell):
    ended = shell.run("demo", "--json", PATH="/nowhere")
    by_name = {step["name"]: step for step in json.loads(ended.out)["steps"]}
    assert (ended.code, by_name["rehearse BIOS"]["state"]) == (3, "not done")
    assert by_name["rehearse BIOS"]["hint"]
    assert by_name["undo"]["state"] == "held"
