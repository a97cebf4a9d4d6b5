"""``vmboot lab``: a vCenter that outlives its command, and its password that goes nowhere."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.cliprocess import Shell

pytestmark = pytest.mark.lab


@pytest.fixture
def shell(lab_binary: Path, tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(
        tmp_path, {"VMBOOT_STATE": str(tmp_path / "state"), "VMBOOT_VCSIM": str(lab_binary)}
    )
    yield shell
    shell.run("lab", "down")


def password_of(shell: Shell) -> str:
    return (shell.folder / "state/lab/password").read_text().strip()


def runs(pid: int) -> bool:
    """One that has ended and was not reaped yet has no command line any more."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except FileNotFoundError:
        return False


def test_it_comes_up_is_found_and_goes_down(shell):
    assert shell.run("lab", "status").code == 5
    up = shell.run("lab", "up", "--vms", "3", "--templates", "1", "--json")
    assert up.code == 0
    assert {"url", "user", "pid", "env_file"} <= set(up.document)
    assert runs(up.document["pid"])

    found = shell.run("lab", "status", "--json")
    assert (found.code, found.document["url"]) == (0, up.document["url"])

    assert shell.run("lab", "down", "--json").document == {"ended": True}
    assert not runs(up.document["pid"])
    assert shell.run("lab", "down", "--json").document == {"ended": False}
    assert shell.run("lab", "status").code == 5


def test_a_second_one_is_refused(shell):
    shell.run("lab", "up", "--vms", "1", "--templates", "0")
    again = shell.run("lab", "up")
    assert again.code == 1
    assert "vmboot lab down" in again.err


def test_a_shell_that_sources_the_environment_uses_the_lab(shell):
    shell.run("lab", "up", "--vms", "2", "--templates", "0")
    shell.fleet('targets: [{vms: "/DC1/vm/PVS/**", method: pxe}]\n')
    vmboot = " ".join(shell.command())
    script = f"source <({vmboot} lab env) && {vmboot} plan --json"
    ended = subprocess.run(
        ["bash", "-c", script],
        cwd=shell.folder,
        env=shell.environment(VMBOOT_PASSWORD="of-another-vcenter"),
        capture_output=True,
        text=True,
    )
    assert len(json.loads(ended.stdout)["machines"]) == 2


@pytest.mark.parametrize("words", [["up"], ["status"], ["env"], ["status", "--json"]])
def test_the_password_is_never_printed(shell, words):
    shell.run("lab", "up", "--vms", "1", "--templates", "0")
    password = password_of(shell)
    ended = shell.run("lab", *words)
    assert password not in ended.out + ended.err


def test_the_password_is_in_files_of_its_owner_only_and_on_no_command_line(shell):
    up = shell.run("lab", "up", "--vms", "1", "--templates", "0", "--json")
    folder = shell.folder / "state/lab"
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert modes["password"] == modes["env"] == modes["vcenter.json"] == 0o600
    assert password_of(shell) not in Path(f"/proc/{up.document['pid']}/cmdline").read_text()


def test_when_it_is_down_its_password_file_is_gone(shell):
    shell.run("lab", "up", "--vms", "1", "--templates", "0")
    shell.run("lab", "down")
    assert not (shell.folder / "state/lab/password").exists()
