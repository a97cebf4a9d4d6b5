"""The text of a boot server list in YAML, cut into its entries and put together again. Pure.

In a block list an entry goes with the comments before it and at the end of its lines. Those before
the first entry are about the list, and stay where they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from vmboot.errors import InputError
from vmboot.fleet.specyaml import ListText
from vmboot.model import BootServer

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(:[0-9]+)?")
_NULL = "null"  # the only plain word that the reader takes for something else


def server_entries(source: str, found: ListText) -> list[str]:
    """The text of each entry as it is to be kept: in a block list whole lines."""
    if found.flow:
        return [source[start:end] for start, end in found.entries]
    texts, begin = [], _line_start(source, found.start)
    for _, end in found.entries:
        stop = _line_end(source, end)
        texts.append(source[begin:stop].rstrip("\r\n"))
        begin = stop
    return texts


def server_entry(server: BootServer, found: ListText, *, mapped: bool) -> str:
    """A new entry in the style of the list.

    :param mapped: other entries are mappings
    """
    text = _scalar(server.address)
    if server.name:
        text = f"{{name: {_scalar(server.name)}, address: {text}}}"
    elif mapped:
        text = f"{{address: {text}}}"
    return text if found.flow else f"{' ' * found.column}- {text}"


def replaced(source: str, found: ListText, entries: Sequence[str]) -> str:
    """The document with ``entries`` in place of its list.

    :raises InputError: comments would be lost
    """
    if found.flow:
        _check_no_comments(source, found)
        return f"{source[: found.start]}[{', '.join(entries)}]{source[found.end :]}"
    newline = "\r\n" if "\r\n" in source else "\n"
    last = _line_end(source, found.entries[-1][1])
    stop = len(source[:last].rstrip("\r\n"))
    return source[: _line_start(source, found.start)] + newline.join(entries) + source[stop:]


def _check_no_comments(source: str, found: ListText) -> None:
    """A list in brackets is written anew as one line."""
    at = found.start
    for start, end in (*found.entries, (found.end, found.end)):
        if "#" in source[at:start]:
            raise InputError(
                "the list in brackets has comments, which an edit would lose",
                hint="write it with one '- ' per line, or change it by hand and run 'vmboot apply'",
            )
        at = end


def _line_start(source: str, at: int) -> int:
    return source.rfind("\n", 0, at) + 1


def _line_end(source: str, at: int) -> int:
    """After the line break of the line that ``at`` is in; ``at`` itself at the start of a line."""
    if at and source[at - 1] == "\n":
        return at
    found = source.find("\n", at)
    return len(source) if found < 0 else found + 1


def _scalar(text: str) -> str:
    """Quoted where YAML would take it for something else than the text."""
    return text if _PLAIN.fullmatch(text) and text.lower() != _NULL else json.dumps(text)
