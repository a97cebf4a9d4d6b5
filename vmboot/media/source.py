"""Bytes or a file, read at offsets and never as a whole."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from typing import BinaryIO

from vmboot.errors import MediaError, NotFoundError

MAX_READ = 128 * 1024 * 1024  # bytes at once


class Source:
    """An image in memory or on disk; a context manager.

    :ivar folder: where the file lies, ``None`` for bytes
    """

    def __init__(self, target: bytes | str | Path) -> None:
        self._file = _open(target)
        self.folder = None if isinstance(target, bytes) else Path(target).parent
        self.size = self._file.seek(0, io.SEEK_END)

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def read(self, at: int, size: int) -> bytes:
        """Exactly ``size`` bytes at offset ``at``.

        :raises MediaError: they are not all there, or too many
        """
        if size > MAX_READ:
            raise MediaError(f"a part of {size} bytes is too large to look at")
        if at + size > self.size:
            raise MediaError(
                f"the image is cut off: it has only {self.size} bytes, "
                f"and {size} are wanted at offset {at}",
                hint="copy or download it again",
            )
        self._file.seek(at)
        data = self._file.read(size)
        if len(data) != size:
            raise MediaError("the image changed while it was read", hint="wait until it is whole")
        return data

    def sha256(self) -> str:
        """Digest of the whole, read in blocks."""
        digest = hashlib.sha256()
        self._file.seek(0)
        while block := self._file.read(1 << 20):
            digest.update(block)
        return digest.hexdigest()


def _open(target: bytes | str | Path) -> BinaryIO:
    if isinstance(target, bytes):
        return io.BytesIO(target)
    path = Path(target)
    if not path.exists():
        raise NotFoundError(f"there is no file {path}", hint="check its name and folder")
    if not path.is_file():
        raise MediaError(f"{path} is not a regular file", hint="copy it into a file first")
    try:
        return path.open("rb")
    except OSError as error:
        raise MediaError(
            f"{path} cannot be read: {os.strerror(error.errno or 0)}",
            hint="run this as a user who may read it",
        ) from error
