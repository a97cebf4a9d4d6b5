"""Where vmboot keeps its own files, after the XDG base directory specification."""

from __future__ import annotations

import os
from pathlib import Path


def _xdg(variable: str, default: str) -> Path:
    value = os.environ.get(variable, "")
    base = Path(value) if value.startswith("/") else Path.home() / default
    return base / "vmboot"


def state_dir() -> Path:
    """Journals and lab state: ``$VMBOOT_STATE``, else ``$XDG_STATE_HOME/vmboot``."""
    override = os.environ.get("VMBOOT_STATE")
    return Path(override) if override else _xdg("XDG_STATE_HOME", ".local/state")


def data_dir() -> Path:
    """Things a person imported, e.g. loaders: ``$XDG_DATA_HOME/vmboot``."""
    return _xdg("XDG_DATA_HOME", ".local/share")


def cache_dir() -> Path:
    """What can be fetched or built again: ``$VMBOOT_CACHE`` or ``$XDG_CACHE_HOME/vmboot``."""
    override = os.environ.get("VMBOOT_CACHE")
    return Path(override) if override else _xdg("XDG_CACHE_HOME", ".cache")


def private_dir(path: Path) -> Path:
    """Make ``path`` (and parents) if missing, readable by its owner only, and return it."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path
