"""The settings that put certificates into the Secure Boot db of a machine: names, reading, changes.

Documented for ESXi 7.0, 8.0 and 9.0 by Broadcom KB 377306 ("Secure Boot Custom Certificates"):
virtual firmware without Secure Boot variables in its NVRAM (a machine never started, or one whose
.nvram file is gone) fills db from Microsoft's certificates and from the DER files that the settings
``uefi.secureBoot.dbDefault.file0``, ``file1`` ... name in the machine's own folder. The key
``append``, never set here, would replace Microsoft's instead. Not tried on an ESXi host.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import zip_longest

from vmboot.vsphere import soap
from vmboot.vsphere.changes import Change, SetExtra
from vmboot.vsphere.collector import Found
from vmboot.vsphere.machine import SecureDb

PLACES = 16
"""How many places are looked at. The article names no limit."""
_KEY = "uefi.secureBoot.dbDefault.file"
_NAME = re.compile(rf"{re.escape(_KEY)}(\d+)")
_OURS = re.compile(r"vmboot-[0-9a-f]{12}\.der")


def _path(name: str) -> str:
    return f'config.extraConfig["{name}"]'


_FILES = tuple(_path(f"{_KEY}{place}") for place in range(PLACES))
_APPEND = _path("uefi.secureBoot.dbDefault.append")
_NVRAM = _path("nvram")
PROPERTIES = (*_FILES, _APPEND, _NVRAM)
"""Property paths: these keys of extraConfig instead of all of it."""


def certificate_name(fingerprint: str) -> str:
    """The name of a certificate's file in a machine's folder: content decides.

    :param fingerprint: SHA-256, hexadecimal
    """
    return f"vmboot-{fingerprint[:12]}.der"


def secure_db_of(found: Found) -> SecureDb:
    """What the :data:`PROPERTIES` of one machine say."""
    files = tuple(_text(found, path) for path in _FILES)
    replaces = _text(found, _APPEND).upper() == "FALSE"
    return SecureDb(_trimmed(files), replaces, _text(found, _NVRAM))


def _text(found: Found, path: str) -> str:
    return soap.text(found.props.get(path), "value")


def _trimmed(files: tuple[str, ...]) -> tuple[str, ...]:
    """Without free places at the end."""
    while files and not files[-1]:
        files = files[:-1]
    return files


def setting(place: int) -> str:
    """The extraConfig key of a place."""
    return f"{_KEY}{place}"


def place_of(change: Change) -> int | None:
    """Which place ``change`` sets; ``None`` if it is about something else."""
    match = _NAME.fullmatch(change.name) if isinstance(change, SetExtra) else None
    return int(match[1]) if match else None


def certificate_in(changes: Iterable[Change]) -> str:
    """The name of the file of ours that ``changes`` put into a place; ``""`` if none."""
    set_here = (c for c in changes if isinstance(c, SetExtra) and place_of(c) is not None)
    return next((c.after for c in set_here if _OURS.fullmatch(c.after)), "")


def db_after(db: SecureDb, changes: Iterable[Change]) -> SecureDb:
    """The settings with ``changes`` made."""
    files = list(db.files)
    for change in changes:
        place = place_of(change)
        if place is not None and isinstance(change, SetExtra):
            files += [""] * (place + 1 - len(files))
            files[place] = change.after
    return replace(db, files=_trimmed(tuple(files)))


def changes_between(now: SecureDb, wanted: SecureDb) -> Iterator[SetExtra]:
    """What makes the places of ``now`` those of ``wanted``."""
    both = zip_longest(now.files, wanted.files, fillvalue="")
    for place, (found, meant) in enumerate(both):
        if found != meant:
            yield SetExtra(setting(place), found, meant)


def own_part(before: SecureDb, after: SecureDb, now: SecureDb) -> SecureDb:
    """``now`` with those places as in ``before`` that still hold what vmboot put there."""
    changed = {place_of(c): c.after for c in changes_between(before, after)}
    back = (
        change
        for change in changes_between(now, before)
        if changed.get(place_of(change)) == change.before and change.before
    )
    return db_after(now, back)
