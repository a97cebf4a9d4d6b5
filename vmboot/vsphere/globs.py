"""Globs of names as regular expressions: ``*``, ``?``, ``[...]``, and ``[!...]`` or ``[^...]``.

Written by hand, as ``fnmatch`` lets ``?`` and ``[!x]`` match a slash: "kiosk?01" would then also
mean a machine 01 in a folder kiosk, which nobody named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_NOTHING = "(?!)"


def name_expression(glob: str) -> str:
    """The expression that matches what ``glob`` does; nothing in it ever matches a slash."""
    return "".join(_parts(glob))


def _parts(glob: str) -> Iterator[str]:
    at = 0
    while at < len(glob):
        character = glob[at]
        end = _closing(glob, at) if character == "[" else -1
        if end > 0:
            yield _set(glob[at + 1 : end])
            at = end
        elif character == "*":
            yield "[^/]*"
        elif character == "?":
            yield "[^/]"
        else:
            yield re.escape(character)
        at += 1


def _closing(glob: str, opening: int) -> int:
    """Where the set that begins at ``opening`` ends; -1 if it does not, then "[" is just that."""
    first = opening + 1
    if glob[first : first + 1] in ("!", "^"):
        first += 1
    # A "]" in the first place is one of the set.
    return glob.find("]", first + 1)


def _set(body: str) -> str:
    negated = body[0] in "!^"
    items = "".join(_items(body[1:] if negated else body))
    if negated:
        return f"[^/{items}]"
    return f"(?!/)[{items}]" if items else _NOTHING


def _items(body: str) -> Iterator[str]:
    at = 0
    while at < len(body):
        if body[at + 1 : at + 2] == "-" and at + 2 < len(body):
            low, high = body[at], body[at + 2]
            if low <= high:  # one the wrong way round holds nothing
                yield f"{re.escape(low)}-{re.escape(high)}"
            at += 3
        else:
            # re.escape leaves alone what only later versions of re may give a meaning in sets.
            yield f"\\{body[at]}" if not body[at].isalnum() and body[at].isascii() else body[at]
            at += 1
