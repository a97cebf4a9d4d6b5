"""Another boot server list in a fleet document; every other byte of it stays as it is.

The value of ``boot_servers`` is replaced in the text, in the style it is written in. The result is
read again, and refused unless nothing but that list differs. Only :meth:`DocumentEdit.write`
touches a file.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from typing import Any

from vmboot.errors import InputError, RefusedError
from vmboot.fleet.journal import Edited
from vmboot.fleet.listedit import replaced, server_entries, server_entry
from vmboot.fleet.specyaml import list_text, read_yaml
from vmboot.model import BootServer

KEY = "boot_servers"
_BY_HAND = "change boot_servers in the document by hand, then run 'vmboot apply'"


@dataclass(frozen=True)
class DocumentEdit:
    """A document before and after.

    :param file: what errors call it
    """

    file: str
    before: bytes
    after: bytes

    @property
    def diff(self) -> tuple[str, ...]:
        """Unified diff, line by line."""
        old, new = self.before.decode(), self.after.decode()
        lines = unified_diff(
            old.splitlines(), new.splitlines(), self.file, self.file, lineterm="", n=1
        )
        return tuple(lines)

    @property
    def record(self) -> Edited:
        """For the journal, before the file is changed."""
        return Edited(
            file=str(Path(self.file).absolute()),
            before=self.before.decode("utf-8"),
            after_sha256=hashlib.sha256(self.after).hexdigest(),
        )

    def write(self) -> None:
        """Change the file, whole or not at all; nothing to do where it is changed already.

        :raises RefusedError: somebody else changed it meanwhile
        :raises InputError: it cannot be written
        """
        file = Path(self.file).resolve()
        try:
            found = file.read_bytes()
            if found == self.after:
                return
            if found != self.before:
                raise RefusedError(
                    f"{self.file} was changed by somebody since it was read",
                    hint="look at it, then run the command again",
                )
            _replace(file, self.after)
        except OSError as error:
            raise InputError(f"cannot write {self.file}: {error.strerror}") from None


def _replace(file: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        shutil.copymode(file, temporary)
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def with_servers(text: bytes, servers: Sequence[BootServer], *, file: str) -> DocumentEdit:
    """The document with ``servers`` as its boot server list.

    A server that is listed already keeps its entry as it is written, with its name and comments,
    unless it is given another name. The list that the document has already changes nothing.

    :param servers: in failover order
    :raises InputError: it is no YAML, has no such list, or the list cannot be replaced in place
    """
    located = read_yaml(text, file=file)
    source = text.decode("utf-8")
    found = list_text(source, KEY)
    if found is None or not found.entries:
        raise InputError(
            f"there is no list of {KEY} to change",
            place=located.place((KEY,)),
            hint=f"add '{KEY}: [{', '.join(server.address for server in servers)}]'",
        )
    if found.alias:
        raise InputError(f"{KEY} is an alias", place=located.key_place((KEY,)), hint=_BY_HAND)
    listed = [_server(entry) for entry in located.data[KEY]]
    wanted = [_named(server, listed) for server in servers]
    if wanted == listed:
        return DocumentEdit(file, text, text)
    old = dict(zip(listed, server_entries(source, found), strict=False))
    mapped = any(isinstance(entry, Mapping) for entry in located.data[KEY])
    new = [old.get(each) or server_entry(each, found, mapped=mapped) for each in wanted]
    after = replaced(source, found, new).encode("utf-8")
    _check(text, after, wanted, file)
    return DocumentEdit(file, text, after)


def _server(entry: Any) -> BootServer:
    if not isinstance(entry, Mapping):
        return BootServer(str(entry))
    return BootServer(str(entry.get("address", "")), str(entry.get("name") or ""))


def _named(server: BootServer, listed: Sequence[BootServer]) -> BootServer:
    """Without a name of its own it keeps the one that the document has for its address."""
    known = next((each for each in listed if each.address == server.address), server)
    return server if server.name else known


def _check(before: bytes, after: bytes, servers: Sequence[BootServer], file: str) -> None:
    """
    :raises InputError: something else changed, or the list is not what it should be
    """
    impossible = InputError(
        f"the list of {KEY} in {file} cannot be changed in place", hint=_BY_HAND
    )
    old = dict(read_yaml(before, file=file).data)
    try:
        new = dict(read_yaml(after, file=file).data)
    except InputError:  # something else was an alias of the list
        raise impossible from None
    found = [_server(entry) for entry in new.pop(KEY, None) or ()]
    old.pop(KEY)
    if found != list(servers) or old != new:
        raise impossible
