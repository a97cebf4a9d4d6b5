"""Media of others: find the addresses in their text configs."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping

MAX_TEXT = 256 * 1024
MAX_FOUND = 64  # per file
TEXT_SUFFIXES = (".cfg", ".conf", ".ini", ".ipxe", ".ipx", ".lst", ".txt", ".xml", ".seed")
_URL = re.compile(r"(?:https?|tftp|nfs|ftp)://[!-~]{1,300}")
_IPV4 = re.compile(r"(?<![0-9.])(?:\d{1,3}\.){3}\d{1,3}(?![0-9.])")


def looks_like_config(path: str, size: int) -> bool:
    """Whether a file is worth reading for addresses."""
    return 0 < size <= MAX_TEXT and path.lower().endswith(TEXT_SUFFIXES)


def find_addresses(texts: Mapping[str, bytes]) -> dict[str, tuple[str, ...]]:
    """URLs and IPv4 addresses by file, in the order of the text, each once."""
    found = {path: _in_text(_decode(raw)) for path, raw in sorted(texts.items())}
    return {path: hits for path, hits in found.items() if hits}


def _in_text(text: str) -> tuple[str, ...]:
    urls = [match.group() for match in _URL.finditer(text)]
    plain = _URL.sub(" ", text)
    addresses = [match.group() for match in _IPV4.finditer(plain) if _is_host(match.group())]
    return tuple(dict.fromkeys(urls + addresses))[:MAX_FOUND]


def _is_host(text: str) -> bool:
    """Not a netmask, not 0.0.0.0, and no version number such as 1.2.3.400."""
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return not address.is_unspecified and int(address) >> 28 != 0xF


def _decode(raw: bytes) -> str:
    if raw[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return raw.decode("utf-16", "replace")
    return raw.decode("utf-8", "replace")
