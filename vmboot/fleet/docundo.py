"""What becomes of the fleet document when a ``media edit`` is taken back.

It gets its text from the journal back when all machines are as before, and only while it is byte
for byte what the edit wrote: what a person has written since is theirs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmboot.errors import VmbootError
from vmboot.fleet.docedit import DocumentEdit
from vmboot.fleet.journal import Edited, Journal

_KEPT = "the text before is in the journal of the run that changed it"


@dataclass(frozen=True)
class DocumentUndo:
    """One document.

    :param edit: the way back; ``None`` if there is nothing to do, or ``why`` it stays as it is
    """

    file: str
    edit: DocumentEdit | None = None
    why: str = ""

    @property
    def words(self) -> str:
        """What will be done, or why nothing; ``""`` if it says already what it said before."""
        if self.edit is not None:
            return f"{self.file} gets its text from before back"
        return f"{self.file} stays as it is: {self.why}; {_KEPT}" if self.why else ""

    def to_json(self) -> dict[str, Any]:
        diff = list(self.edit.diff) if self.edit is not None else []
        return {"file": self.file, "restored": bool(diff), "diff": diff, "why": self.why}


def plan_documents(edits: Iterable[Edited], *, whole: bool) -> tuple[DocumentUndo, ...]:
    """What to do about each document that was edited.

    :param edits: the oldest first
    :param whole: all machines go back
    """
    by_file: dict[str, list[Edited]] = {}
    for edited in edits:
        by_file.setdefault(edited.file, []).append(edited)
    return tuple(_plan(file, found, whole) for file, found in by_file.items())


def _plan(file: str, edits: list[Edited], whole: bool) -> DocumentUndo:
    before = edits[0].before.encode("utf-8")
    try:
        now = Path(file).read_bytes()
    except OSError as error:
        return DocumentUndo(file, why=f"it cannot be read: {error.strerror}")
    if now == before:
        return DocumentUndo(file)
    if hashlib.sha256(now).hexdigest() != edits[-1].after_sha256:
        return DocumentUndo(file, why="it was changed since")
    if not whole:
        return DocumentUndo(file, why="not all machines of it go back")
    return DocumentUndo(file, DocumentEdit(file, now, before))


def restore_documents(
    planned: Iterable[DocumentUndo], journal: Journal, *, whole: bool
) -> tuple[str, ...]:
    """Write them; what to say of those that stay.

    :param whole: all machines are back
    :raises RefusedError: the journal cannot be written
    """
    notes = []
    for one in planned:
        if one.edit is not None and whole:
            journal.write(one.edit.record)
            notes.append(_write(one.edit))
        elif one.edit is not None:
            why = "not all machines of it are back"
            notes.append(DocumentUndo(one.file, why=why).words)
        else:
            notes.append(one.words)
    return tuple(note for note in notes if note)


def _write(edit: DocumentEdit) -> str:
    try:
        edit.write()
    except VmbootError as error:
        return f"{edit.file} stays as it is: {error.message}; {_KEPT}"
    return f"{edit.file} has its text from before back"
