"""os-release is read, and a missing or odd one does no harm."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmboot.media.distro import Distro, read_distro

FILES = {
    "debian": ('ID=debian\nVERSION_CODENAME=bookworm\nPRETTY_NAME="Debian 12"\n', True, "apt-get"),
    "ubuntu": ("ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n", True, "apt-get"),
    "mint": ('ID=linuxmint\nID_LIKE="ubuntu debian"\n', True, "apt-get"),
    "fedora": ("ID=fedora\nVERSION_ID=42\n", False, "dnf"),
    "rocky": ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', False, "dnf"),
    "alpine": ("ID=alpine\n", False, "your distribution"),
    "odd": ('ID="unclosed\n# comment\nnonsense\n', False, "your distribution"),
}


@pytest.mark.parametrize(("text", "apt", "words"), FILES.values(), ids=FILES)
def test_the_right_package_tool_is_named(tmp_path: Path, text: str, apt: bool, words: str) -> None:
    (tmp_path / "os-release").write_text(text)
    found = read_distro(tmp_path / "os-release")
    assert found.has_apt is apt
    assert words in found.install_hint


def test_a_child_of_ubuntu_uses_ubuntus_code_name(tmp_path: Path) -> None:
    text = 'ID=linuxmint\nID_LIKE="ubuntu debian"\nVERSION_CODENAME=wilma\nUBUNTU_CODENAME=noble\n'
    (tmp_path / "os-release").write_text(text)
    assert read_distro(tmp_path / "os-release").codename == "noble"


def test_no_os_release_is_an_unknown_system(tmp_path: Path) -> None:
    assert read_distro(tmp_path / "none") == Distro("", frozenset(), "")
