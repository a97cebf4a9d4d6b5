"""Hashes of files on datastores that were read through before, so that they need not be again.

A cache, not a record: losing it costs one read of the file. An entry holds only as long as size
and modification time are what they were.
"""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from vmboot.dirs import private_dir, state_dir, trusted
from vmboot.vsphere.files import FileInfo
from vmboot.vsphere.placement import DatastoreChoice

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session

_KEPT = 200


class HashCache:
    """A JSON file of at most 200 hashes, newest last.

    Both methods raise :class:`RefusedError` where others can write into its directory: a planted
    hash would pass a foreign ISO off as ours.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file or state_dir() / "datastore-hashes.json"

    def get(self, session: Session, datastore: DatastoreChoice, info: FileInfo) -> str | None:
        """The SHA-256 hex digest, if it is known of exactly this file."""
        return self._read().get(_key(session, datastore, info)) if info.modified else None

    def put(
        self, session: Session, datastore: DatastoreChoice, info: FileInfo, sha256: str
    ) -> None:
        """Remember one. A state directory that cannot be written is no reason to fail."""
        if not info.modified:
            return
        known = self._read()
        known.pop(_key(session, datastore, info), None)
        known[_key(session, datastore, info)] = sha256
        kept = dict(list(known.items())[-_KEPT:])
        with suppress(OSError):
            private_dir(self._file.parent)
            handle, part = tempfile.mkstemp(dir=self._file.parent, prefix=f".{self._file.name}.")
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(json.dumps(kept, indent=0))
            Path(part).replace(self._file)

    def _read(self) -> dict[str, str]:
        try:
            file = trusted(self._file.parent) / self._file.name
            data = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return data if isinstance(data, dict) else {}


def _key(session: Session, datastore: DatastoreChoice, info: FileInfo) -> str:
    vcenter = session.about.uuid or session.host
    return f"{vcenter}|{datastore.moid}|{info.path}|{info.size}|{info.modified}"
