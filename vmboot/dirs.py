"""Where vmboot keeps its own files, after the XDG base directory specification.

What lies there is believed: journals say what to restore, hashes say which file is ours, loaders
boot machines. So nobody else may be able to put anything there.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from vmboot.errors import RefusedError

_PRIVATE = 0o700
_WRITABLE_BY_OTHERS = 0o022
_PLACES = (
    ("VMBOOT_STATE", "XDG_STATE_HOME", ".local/state"),
    ("VMBOOT_CACHE", "XDG_CACHE_HOME", ".cache"),
    ("", "XDG_DATA_HOME", ".local/share"),
)
"""vmboot's own variable, that of XDG, and the place below the home directory; in this order."""


def _place(own: str, xdg: str, default: str) -> Path:
    override = os.environ.get(own, "") if own else ""
    if override:
        return Path(override)
    value = os.environ.get(xdg, "")
    base = Path(value) if value.startswith("/") else Path.home() / default
    return base / "vmboot"


def state_dir() -> Path:
    """Journals and lab state: ``$VMBOOT_STATE``, else ``$XDG_STATE_HOME/vmboot``."""
    return _place(*_PLACES[0])


def cache_dir() -> Path:
    """What can be fetched or built again: ``$VMBOOT_CACHE`` or ``$XDG_CACHE_HOME/vmboot``."""
    return _place(*_PLACES[1])


def data_dir() -> Path:
    """Things a person imported, e.g. loaders: ``$XDG_DATA_HOME/vmboot``."""
    return _place(*_PLACES[2])


def private_dir(path: Path) -> Path:
    """Make ``path``, and every level above it that is missing, for its owner only; return it.

    :raises RefusedError: it cannot be made; or see :func:`trusted`
    """
    missing = [level for level in (path, *path.parents) if not level.exists()]
    for level in reversed(missing):
        try:
            with suppress(FileExistsError):  # another thread or process was faster
                level.mkdir(mode=_PRIVATE)
                level.chmod(_PRIVATE)  # a umask may even take from the owner
        except OSError as error:
            raise RefusedError(
                f"folder {level} cannot be made: {error.strerror}",
                hint="set VMBOOT_STATE and VMBOOT_CACHE to places that you can write to",
            ) from error
    return trusted(path)


def trusted(path: Path) -> Path:
    """``path``, if only its owner, this user, can put anything into it; one not there yet is fine.

    The levels above are looked at, too, as far as they are vmboot's own.

    :raises RefusedError: a level is another user's, writable by others, or no directory
    """
    for level in _own_levels(path):
        _check(level)
    return path


def _own_levels(path: Path) -> Iterator[Path]:
    yield path
    for place in _PLACES:
        base = _place(*place)
        if base in path.parents:
            yield from (level for level in path.parents if level.is_relative_to(base))


def _check(level: Path) -> None:
    try:
        status = level.stat()
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(status.st_mode):
        raise RefusedError(f"{level} is no directory", hint="move it away, or name another place")
    if status.st_uid != os.geteuid():
        raise RefusedError(
            f"{level} belongs to another user (id {status.st_uid}), who could change what is in it",
            hint="run vmboot as that user, or set VMBOOT_STATE and VMBOOT_CACHE to places of yours",
        )
    if status.st_mode & _WRITABLE_BY_OTHERS:
        raise RefusedError(
            f"{level} can be written by others (mode {stat.S_IMODE(status.st_mode):04o}), so what "
            "is in it cannot be trusted",
            hint=f"look whether everything in it is yours, then: chmod go-w {level}",
        )
