"""Another boot server list on the command line: shown, asked for, told, taken back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.bdmlab import need_grub
from tests.lab.cliprocess import Shell
from vmboot.lab import Vcenter

pytestmark = pytest.mark.lab
SOME = """\
# the fleet of hall 3
targets: [{vms: "/DC1/vm/PVS/BIOS/pvs-00*", method: bdm}]
"""


@pytest.fixture
def shell(lab: Vcenter, tmp_path: Path) -> Shell:
    need_grub()
    shell = Shell.at(lab, tmp_path)
    shell.fleet(SOME)
    return shell


def test_stale_edit_and_undo_tell_the_same_story(shell: Shell, lab: Vcenter) -> None:
    assert shell.run("media", "stale").code == 6
    applied = shell.run("apply", "--yes", "--power", "off", "--json")
    assert applied.code == 0, applied.out
    count = applied.document["result"]["counts"]["done"]
    assert shell.run("media", "stale").code == 0

    shown = shell.run("media", "edit", "--servers", "10.0.0.99", "--power", "off", "--dry-run")
    assert shown.code == 6
    assert "10.0.0.99" in shown.out
    assert "one boot server only: no failover" in " ".join(shown.out.split())
    assert "Waves: canary: 1 machine, then wave 1: " in shown.out
    assert shell.run("media", "stale").code == 0

    edited = shell.run(
        "media", "edit", "--servers", "10.0.0.99", "--power", "off", "--yes", "--json"
    )
    assert (edited.code, edited.document["result"]["counts"]["done"]) == (0, count)
    fresh = shell.run("media", "stale", "--json")
    assert (fresh.code, fresh.document["servers"]) == (0, ["10.0.0.99"])
    assert [each["servers"] for each in fresh.document["machines"]] == [["10.0.0.99"]] * count

    rollout = edited.document["result"]["rollout"]
    dry = shell.run("undo", rollout, "--dry-run")
    assert "gets its text from before back" in " ".join(dry.out.split())
    undone = shell.run("undo", rollout, "--yes")
    assert undone.code == 0, undone.out
    assert "has its text from before back" in " ".join(undone.out.split())
    assert shell.run("media", "stale").code == 0


def test_a_list_that_cannot_be_used_is_said_of_the_flag_before_anybody_logs_in(
    shell: Shell, lab: Vcenter
) -> None:
    lab.reset_counters()
    ended = shell.run("media", "edit", "--servers", "10.0.0.1,10.0.0.999", "--json")
    assert (ended.code, lab.counters().total_calls) == (2, 0)
    assert ended.error["message"].startswith("--servers: '10.0.0.999' is not")
    assert ended.error["place"] is None


def test_the_list_that_the_document_has_is_no_edit(shell: Shell) -> None:
    same = shell.run("media", "edit", "--servers", "10.0.0.11,10.0.0.12", "--dry-run", "--json")
    assert same.document["document"] == []
