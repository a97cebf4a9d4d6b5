"""Directories of their own for each test, so that nothing of the machine leaks in."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmboot.media import find, grub


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No loader is installed, imported, fetched or named; returns the machine's directory."""
    monkeypatch.setenv("VMBOOT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("VMBOOT_LOADERS", raising=False)
    monkeypatch.setattr(find, "SYSTEM_FILES", ())
    monkeypatch.setattr(grub, "MODULE_FOLDERS", ())
    return tmp_path
