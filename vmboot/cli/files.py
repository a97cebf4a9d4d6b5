"""Writing a result to a file: whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from vmboot.errors import InputError, RefusedError

_HINT = "name a file in a folder that exists, that you may write to and that has room"


def check_new(path: Path) -> None:
    """Refuse a place where nothing can be written, before work is done whose result goes there.

    :raises InputError: its folder does not exist or may not be written to, or it is a folder
    """
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a folder", hint=_HINT)
    if not path.parent.is_dir():
        raise InputError(f"cannot write {path}: there is no folder {path.parent}", hint=_HINT)
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise InputError(f"cannot write {path}: folder {path.parent} is read-only", hint=_HINT)


def write_new(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write ``data`` to ``path`` by way of a temporary file beside it, replacing what was there.

    :raises InputError: nothing can be written there; the message names ``path`` as it was given
    """
    check_new(path)
    try:
        _write(path, data, mode)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}", hint=_HINT) from error


def write_once(files: Mapping[Path, bytes]) -> None:
    """Write ``files`` in their order, all or none; one that holds the same already is left alone.

    :raises RefusedError: one is there with other content; then none is written
    :raises InputError: nothing can be written there
    """
    missing = [path for path, data in files.items() if _is_missing(path, data)]
    written: list[Path] = []
    try:
        for path in missing:
            write_new(path, files[path])
            written.append(path)
    except BaseException:  # Ctrl-C too must not leave one half of a disk
        for path in written:
            path.unlink(missing_ok=True)
        raise


def _is_missing(path: Path, data: bytes) -> bool:
    """False if it is there already; see :func:`write_once` for what is raised."""
    check_new(path)
    if not os.path.lexists(path):
        return True
    if not _holds(path, data):
        raise RefusedError(
            f"{path} is there already, with other content",
            hint="name another file, or remove it first",
        )
    return False


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False


def _write(path: Path, data: bytes, mode: int) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        temporary.chmod(mode)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
