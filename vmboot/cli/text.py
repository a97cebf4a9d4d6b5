"""Text that came from elsewhere, made harmless for a terminal.

VM names, fault messages and file contents are data: they may hold escape sequences, line breaks or
bidirectional overrides. Nothing of that kind reaches the screen as itself.
"""

from __future__ import annotations

import unicodedata

_KEPT = {"\n", "\t"}
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}  # Unicode general categories


def _visible(character: str) -> str:
    if unicodedata.category(character) not in _HIDDEN:
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def printable(text: str, *, keep: frozenset[str] | set[str] = frozenset()) -> str:
    r"""``text`` on one line, every control or format character shown as an escape.

    >>> printable("pvs\x1b[2J")
    'pvs\\x1b[2J'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c in keep else _visible(c) for c in text)


def printable_lines(text: str) -> str:
    """As :func:`printable`, but line breaks and tabs stay: for messages of several lines."""
    return printable(text, keep=_KEPT)


def size(count: int) -> str:
    """Bytes for people: ``"512 B"``, ``"4.2 MiB"``."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError("unreachable: GiB always returns")


def plural(count: int, word: str, words: str = "") -> str:
    """``"1 machine"``, ``"3 machines"``."""
    return f"{count} {word if count == 1 else words or word + 's'}"
