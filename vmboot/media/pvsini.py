"""PVSBOOT.INI: change texts in it exactly as given, and show what changed.

The meaning of its keys is not public, so nothing is parsed. Encoding and line ends stay.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from vmboot.errors import InputError, Place, RefusedError
from vmboot.media.pvstext import decode

NAME = "PVSBOOT.INI"
MAX_SHOWN = 20  # lines in a refusal
_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class Substitution:
    """A text file after its change.

    :param diff: unified diff of the lines, ``""`` when nothing changed
    """

    data: bytes = field(repr=False)
    diff: str


def substitute(
    raw: bytes, pairs: Sequence[tuple[str, str]], *, every: bool = False, file: str = NAME
) -> Substitution:
    """Replace each OLD by its NEW, all at once: a NEW is never searched for another OLD.

    An IPv4 address is found as a whole only: ``10.0.0.1`` is not in ``10.0.0.11``.

    :param every: also where OLD stands more than once
    :raises RefusedError: an OLD is not there, there more than once, or overlaps another
    :raises InputError: an OLD is empty, or a NEW cannot be written in the file's encoding
    """
    text = decode(raw, file=file)
    spans = sorted(
        (match.start(), match.end(), new)
        for old, new in pairs
        for match in _found(text.text, old, file, every=every)
    )
    if any(after[0] < before[1] for before, after in pairwise(spans)):
        raise RefusedError(f"two of the texts to replace overlap in {file}", hint="replace one")
    changed = _apply(text.text, spans)
    try:
        data = text.encode(changed)
    except UnicodeEncodeError as error:
        raise InputError(
            f"{file} is in {text.looks_like}, which has no {error.object[error.start]!r}",
            hint="write it with other characters",
        ) from None
    return Substitution(data, _diff(text.text, changed, file))


def _found(text: str, old: str, file: str, *, every: bool) -> list[re.Match[str]]:
    if not old:
        raise InputError("the text to replace is empty", place=Place(file), hint="write OLD=NEW")
    found = list(re.finditer(_expression(old), text))
    if not found:
        raise RefusedError(
            f"{old!r} is not in {file}, which says: {_shown(text, re.compile('.'))}",
            hint="copy the text exactly as it stands there, blanks and case included",
        )
    if len(found) > 1 and not every:
        where = _shown(text, re.compile(_expression(old)))
        raise RefusedError(
            f"{old!r} is in {file} {len(found)} times: {where}",
            hint="give a longer text that is there once, or replace all of them (--all)",
        )
    return found


def _expression(old: str) -> str:
    plain = re.escape(old)
    return rf"(?<![0-9.]){plain}(?!\.?[0-9])" if _is_address(old) else plain


def _is_address(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def _apply(text: str, spans: Sequence[tuple[int, int, str]]) -> str:
    parts, at = [], 0
    for start, end, new in spans:
        parts += [text[at:start], new]
        at = end
    return "".join([*parts, text[at:]])


def _shown(text: str, wanted: re.Pattern[str]) -> str:
    """Lines that match, by number."""
    lines = enumerate(_LINE_END.split(text), start=1)
    shown = [
        f"line {number}: {line.strip()[:200]}" for number, line in lines if wanted.search(line)
    ]
    more = len(shown) - MAX_SHOWN
    return "; ".join(shown[:MAX_SHOWN]) + (f"; and {more} more" if more > 0 else "")


def _diff(before: str, after: str, file: str) -> str:
    lines = difflib.unified_diff(
        _LINE_END.split(before),
        _LINE_END.split(after),
        f"{file} (before)",
        f"{file} (after)",
        lineterm="",
    )
    return "\n".join(lines)
