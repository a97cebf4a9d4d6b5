"""GRUB for boot disks: made by the distribution's tool, told where it lies, found again."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.unit.media.grubs import BOOT_IMG, core, grub
from vmboot.errors import MediaError, MissingToolError
from vmboot.media import grub as module
from vmboot.media.fat import build_fat
from vmboot.media.grub import (
    CONFIG,
    core_image,
    core_loader,
    find_grub,
    install,
    installed_core,
    splice,
)


@pytest.fixture
def real() -> module.Loader:
    found = find_grub()
    if found is None or not found.capabilities:
        pytest.skip("GRUB for BIOS is not installed: apt-get install grub-common grub-pc-bin")
    return found


def test_a_core_is_the_same_every_time_and_holds_its_config(real: module.Loader) -> None:
    made = core_image(real)
    assert made == core_image(real)
    assert len(made) % 512 == 0
    assert real.version
    said = core_loader(real, made)
    assert (said.kind, said.version, said.size) == ("grub-core", real.version, len(made))


def test_the_core_starts_files_by_name_only() -> None:
    assert CONFIG.splitlines()[:3] == ["linux16 /ipxe.lkrn", "initrd16 /autoexec.ipxe", "boot"]
    assert CONFIG.endswith("exit\n"), "where that fails, the machine goes on to its next device"


def test_each_piece_is_told_where_the_next_one_lies() -> None:
    placed = install(BOOT_IMG, core(9), start=2048)
    assert struct.unpack_from("<Q", placed.sector, 0x5C) == (2049,)
    assert struct.unpack_from("<QHH", placed.reserved, 500) == (2050, 8, 0x0820)
    assert placed.reserved[512:] == core(9)[512:]
    assert placed.reserved[:500] == core(9)[:500]


def test_the_boot_sector_keeps_the_volume_s_parameters() -> None:
    placed = install(BOOT_IMG, core(), start=2048)
    volume = build_fat({"a": b"x"}, label="X", hidden_sectors=2048, reserved=placed.reserved)
    sector = splice(placed.sector, volume[:512])
    assert sector[3:0x5A] == volume[3:0x5A]
    assert sector[:3] == placed.sector[:3]
    assert sector[0x5A:] == placed.sector[0x5A:]


def test_the_core_of_a_volume_is_found_as_it_was_made() -> None:
    placed = install(BOOT_IMG, core(9), start=2048)
    volume = build_fat({"a": b"x"}, label="X", hidden_sectors=2048, reserved=placed.reserved)
    assert installed_core(volume) == core(9)
    assert installed_core(build_fat({"a": b"x"}, label="X")) == b""


@pytest.mark.parametrize("volume", [b"", b"x" * 512, b"\xff" * 5000], ids=["empty", "short", "ff"])
def test_bytes_without_a_core_have_none(volume: bytes) -> None:
    assert installed_core(volume) == b""


def mkimage(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    """Put a grub-mkimage on the PATH; ``$out`` is where it should write."""
    tool = folder / "grub-mkimage"
    find = 'while [ "$1" != -o ]; do shift; done; out=$2'
    tool.write_text(f"#!/bin/sh\n{find}\n{body}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_a_failing_grub_mkimage_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mkimage(tmp_path, monkeypatch, "echo 'cannot open fat.mod' >&2; exit 1")
    with pytest.raises(MediaError, match=r"grub-mkimage failed: cannot open fat\.mod"):
        core_image(grub())


def test_a_core_of_an_unknown_shape_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkimage(tmp_path, monkeypatch, 'head -c 2000 /dev/zero > "$out"')
    with pytest.raises(MediaError, match="a core that vmboot does not know"):
        core_image(grub())


def test_a_missing_grub_mkimage_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(module, "SYSTEM_PATH", str(tmp_path))
    with pytest.raises(MissingToolError, match="grub-mkimage is not installed"):
        core_image(grub())


def modules(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of modules with a boot.img."""
    folder.mkdir()
    (folder / "boot.img").write_bytes(BOOT_IMG)
    (folder / "modinfo.sh").write_text('grub_package_version="2.12-5"\n')
    monkeypatch.setattr(module, "MODULE_FOLDERS", (str(folder).lstrip("/"),))
    return folder


def test_red_hat_s_name_of_the_tool_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = modules(tmp_path / "i386-pc", monkeypatch)
    (tmp_path / "grub2-mkimage").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(module, "SYSTEM_PATH", str(tmp_path))
    found = find_grub()
    assert found is not None
    assert (found.path, found.version, found.capabilities) == (
        folder / "boot.img",
        "2.12-5",
        frozenset({"core"}),
    )


def test_without_the_tool_grub_is_found_but_unable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modules(tmp_path / "i386-pc", monkeypatch)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(module, "SYSTEM_PATH", str(tmp_path))
    found = find_grub()
    assert found is not None
    assert not found.capabilities
