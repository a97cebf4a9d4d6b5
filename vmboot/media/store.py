"""A directory of loader files that appears whole or not at all."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from vmboot.dirs import private_dir
from vmboot.errors import MediaError

_UNSAFE = re.compile(r"[^A-Za-z0-9._+~-]")


def store(parent: Path, name: str, files: Mapping[str, bytes]) -> tuple[Path, ...]:
    """Put ``files`` into ``parent/name``, replacing what an earlier call left there.

    :returns: the paths written, in the order of ``files``
    :raises MediaError: there is nothing to store, or the disk refuses
    """
    if not files:
        raise MediaError(f"{name} holds no boot program that vmboot knows")
    target = private_dir(parent) / _UNSAFE.sub("_", name)
    try:
        with _fresh(parent) as fresh:
            for file_name, data in files.items():
                (fresh / file_name).write_bytes(data)
            if target.exists():
                shutil.rmtree(target)
            fresh.replace(target)
    except OSError as error:
        raise MediaError(
            f"{target} cannot be written: {error.strerror}",
            hint=f"make room in {parent}, and see that it is yours",
        ) from error
    return tuple(target / file_name for file_name in files)


@contextmanager
def _fresh(parent: Path) -> Iterator[Path]:
    """A directory that goes with what is in it unless it got another name."""
    fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=parent))
    try:
        yield fresh
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
