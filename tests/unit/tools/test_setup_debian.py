"""tools/setup-debian with false apt-get, dpkg-query, sudo and id on PATH."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
LIST = ROOT / "tools" / "debian-packages.txt"


@dataclass(frozen=True)
class Machine:
    """A machine whose package tools only pretend.

    :param log: what apt-get was called with, a line a call
    """

    bin: Path
    log: Path

    def has(self, command: str, script: str) -> None:
        path = self.bin / command
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(0o755)

    def setup(self, *groups: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [ROOT / "tools" / "setup-debian", *groups],
            env={"PATH": f"{self.bin}:{os.environ['PATH']}", **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    def apt_calls(self) -> list[str]:
        return self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Root, nothing installed, an apt-get that succeeds."""
    made = Machine(bin=tmp_path / "bin", log=tmp_path / "apt.log")
    made.bin.mkdir()
    made.has("id", "echo 0")
    made.has("sudo", "exit 1")
    made.has("dpkg-query", "exit 1")
    made.has("apt-get", f'echo "$@" >> {made.log}')
    return made


def names(group: str) -> list[str]:
    rows = [line.split() for line in LIST.read_text(encoding="utf-8").splitlines()]
    return [row[0] for row in rows if row[0] != "#" and row[1] == group]


def test_every_line_of_the_list_names_a_package_a_known_group_and_a_purpose() -> None:
    rows = [line.split() for line in LIST.read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if row[0] != "#"]
    assert all(len(row) > 3 and row[1] in {"base", "boot", "check", "go"} for row in rows)
    assert len({row[0] for row in rows}) == len(rows)


def test_nothing_is_done_where_everything_is_installed(machine: Machine) -> None:
    machine.has("dpkg-query", "printf installed")
    result = machine.setup()
    assert (result.returncode, result.stderr, machine.apt_calls()) == (0, "", [])


def test_root_refreshes_the_lists_and_installs_all_that_is_missing_at_once(
    machine: Machine,
) -> None:
    assert machine.setup("check").returncode == 0
    update, install = machine.apt_calls()
    assert update.endswith(" update")
    assert install.endswith(" ".join(["--no-install-recommends", *names("check")]))


def test_without_root_it_names_each_package_its_purpose_and_the_cure(machine: Machine) -> None:
    machine.has("id", "echo 1000")
    result = machine.setup("check")
    assert (result.returncode, machine.apt_calls()) == (1, [])
    assert "no dosfstools (fsck.fat for FAT images in tests)" in result.stderr
    assert f"as root: apt-get install {' '.join(names('check'))}" in result.stderr


def test_sudo_without_a_password_is_used(machine: Machine) -> None:
    machine.has("id", "echo 1000")
    machine.has("sudo", '[ "$1" != -n ] || shift; exec "$@"')
    assert machine.setup("check").returncode == 0
    assert len(machine.apt_calls()) == 2


def test_a_person_can_forbid_it_to_touch_the_system(machine: Machine) -> None:
    result = machine.setup("check", VMBOOT_SETUP_APT="no")
    assert (result.returncode, machine.apt_calls()) == (1, [])
    assert "VMBOOT_SETUP_APT=no" in result.stderr


def test_a_package_source_that_fails_does_not_stop_the_installation(machine: Machine) -> None:
    machine.has(
        "apt-get",
        f'echo "$@" >> {machine.log}; case "$*" in *update) echo E: dead; exit 100;; esac',
    )
    result = machine.setup("check")
    assert result.returncode == 0
    assert "E: dead" in result.stderr
    assert any("install" in call for call in machine.apt_calls())


def test_one_package_that_cannot_be_had_does_not_cost_the_others(machine: Machine) -> None:
    machine.has(
        "apt-get", f'echo "$@" >> {machine.log}; case "$*" in *install*mtools*) exit 100;; esac'
    )
    result = machine.setup("check")
    assert result.returncode == 1
    assert "as root: apt-get install mtools\n" in result.stderr
    assert machine.apt_calls()[-1].endswith(names("check")[-1])
