"""A small, bounded DER reader: enough to say who signed a boot program.

It never recurses, and every length is checked against the bytes that are there.

Source: ITU-T X.690, definite lengths only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vmboot.errors import MediaError

INTEGER, OID, SEQUENCE, SET = 0x02, 0x06, 0x30, 0x31
CONTEXT_0 = 0xA0
MAX_CHILDREN = 4096
_UTF16 = 0x1E  # BMPString


@dataclass(frozen=True)
class Element:
    """One tag and its content; ``raw`` includes the header."""

    tag: int
    content: bytes
    raw: bytes


def read(data: bytes, at: int = 0) -> Element:
    """The element at offset ``at`` of ``data``; what follows it is ignored.

    :raises MediaError: not DER, or longer than the data
    """
    if len(data) < at + 2 or data[at] & 0x1F == 0x1F:
        raise MediaError("not a DER element")
    length, start = data[at + 1], at + 2
    if length & 0x80:
        count = length & 0x7F
        if not 1 <= count <= 4 or len(data) < start + count:
            raise MediaError("a DER length cannot be read")
        start += count
        length = int.from_bytes(data[start - count : start], "big")
    if start + length > len(data):
        raise MediaError("a DER element is longer than its data")
    return Element(data[at], data[start : start + length], data[at : start + length])


def children(element: Element) -> Iterator[Element]:
    """The elements inside a SEQUENCE, SET or context tag."""
    at = 0
    for _ in range(MAX_CHILDREN):
        if at == len(element.content):
            return
        child = read(element.content, at)
        yield child
        at += len(child.raw)
    raise MediaError("a DER element has too many parts")


def text(element: Element) -> str:
    """A character string of any kind as printable text."""
    encoding = "utf-16-be" if element.tag == _UTF16 else "utf-8"
    decoded = element.content.decode(encoding, "replace")
    return "".join(char if char.isprintable() else "?" for char in decoded)
