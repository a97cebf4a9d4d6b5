"""Text files of a Windows site: their bytes, and which of the usual encodings these are."""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field
from pathlib import Path

from vmboot.errors import InputError, NotFoundError, Place

MAX_BYTES = 64 * 1024 * 1024
_BOMS = (
    (codecs.BOM_UTF8, "utf-8", "UTF-8 with a byte order mark"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16 (little endian)"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "UTF-16 (big endian)"),
)
_PLAIN = (
    ("utf-8", "UTF-8 without a byte order mark"),
    ("cp1252", "an ANSI code page"),
    ("latin-1", "an ANSI code page"),
)
_SAMPLE = 4096


@dataclass(frozen=True)
class Text:
    """A decoded text that can be encoded again as it was.

    :param encoding: Python's name of it
    :param looks_like: the same in words
    :param bom: the byte order mark that stood before it, or ``b""``
    """

    text: str = field(repr=False)
    encoding: str
    looks_like: str
    bom: bytes = b""

    def encode(self, text: str) -> bytes:
        """``text`` in this encoding, with the mark if there was one.

        :raises UnicodeEncodeError: it has characters that this encoding lacks
        """
        return self.bom + text.encode(self.encoding)


def decode(raw: bytes, *, file: str) -> Text:
    """Decode by the byte order mark, else by what fits.

    :param file: what errors call it
    :raises InputError: this is no text
    """
    for bom, encoding, words in _BOMS:
        if raw.startswith(bom):
            return Text(_strict(raw[len(bom) :], encoding, words, file), encoding, words, bom)
    wide = _wide(raw)
    if wide:
        words = f"{wide.upper()} without a byte order mark"
        return Text(_strict(raw, wide, words, file), wide, words)
    if b"\0" in raw:
        raise InputError(
            "this is no text: it has zero bytes", place=Place(file), hint="name a text file"
        )
    encoding, words = next((e, w) for e, w in _PLAIN if _fits(raw, e))
    return Text(raw.decode(encoding), encoding, words)


def read_bytes(path: str | Path) -> bytes:
    """The content of a file of a sensible size.

    :raises NotFoundError: there is no such file
    :raises InputError: it cannot be read, or is larger than any list of a site
    """
    file = Path(path)
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise NotFoundError(f"there is no file {file}") from None
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}", hint="name a file") from None
    if len(raw) > MAX_BYTES:
        raise InputError(f"{file} has more than {MAX_BYTES >> 20} MiB", hint="name the right file")
    return raw


def _strict(raw: bytes, encoding: str, words: str, file: str) -> str:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(
            f"this begins as {words}, but byte {error.start} and what follows is not",
            place=Place(file),
            hint="the file is damaged, or two encodings were mixed: save it anew",
        ) from None


def _wide(raw: bytes) -> str:
    """UTF-16 without a mark: nearly every other byte of Western text is zero."""
    sample = raw[:_SAMPLE]
    if len(raw) % 2 or not sample:
        return ""
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    most = len(sample) // 2 * 0.9
    if odd >= most and not even:
        return "utf-16-le"
    return "utf-16-be" if even >= most and not odd else ""


def _fits(raw: bytes, encoding: str) -> bool:
    try:
        raw.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
