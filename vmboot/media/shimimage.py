"""A shim: which program it starts next, and whose signature on it it accepts besides the firmware.

A shim asks for one file name in its own folder and for no other. Upstream iPXE's shim takes
``ipxe.efi``, or, started as ``X-shimx64.efi`` over the network, ``X.efi``; on media it is named
BOOTX64.EFI, so the first holds.

Sources: shim's ``Make.defaults`` (DEFAULT_LOADER) and ``cert.S`` (the vendor's certificate
table); https://github.com/ipxe/shim, commits 'Set "ipxe.efi" as default loader binary name' and
"Allow next loader path to be derived from shim path"; UEFI 2.10 section 32.4.1 (signature lists).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from vmboot.errors import MediaError
from vmboot.media import der, pe

_LETTERS = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz._-")
_MOST_LETTERS = 32
_ENDING = re.compile(".efi\0".encode("utf-16-le"), re.IGNORECASE)
# what every shim names besides: fallback, key manager, revocations, certificates, default names
_OTHERS = ("fb", "mm", "revocations", "shim", "boot")
_TABLE_HEADER = 16
_LIST_HEADER, _OWNER = 28, 16
_X509 = bytes.fromhex("a159c0a5e494a74a87b5ab155c2bf072")  # EFI_CERT_X509_GUID
MAX_CERTIFICATES = 64


def next_program(shim: bytes) -> str:
    """Name of the file that the shim starts, lower case; ``""`` when none can be read."""
    for name in _names(shim):
        if not name.startswith((".", *_OTHERS)):
            return name
    return ""


def _names(shim: bytes) -> Iterator[str]:
    """File names that end in ``.efi``, lower case. Read backwards from there: a shim has 1 MB."""
    for found in _ENDING.finditer(shim):
        end = begin = found.end() - 2
        while begin >= 2 and shim[begin - 2] in _LETTERS and not shim[begin - 1]:
            begin -= 2
            if end - begin > 2 * _MOST_LETTERS:
                break
        if 2 * _MOST_LETTERS >= end - begin > len(".efi") * 2:
            yield shim[begin:end].decode("utf-16-le").lower()


def vendors(shim: bytes) -> frozenset[str]:
    """Common names of the certificates built into the shim, whose signatures it accepts.

    :raises MediaError: no PE program, or a certificate in it is damaged
    """
    for section in pe.read_pe(shim).sections.values():
        table = _table(section)
        if table:
            return frozenset(pe.read_certificate(each).subject for each in _certificates(table))
    return frozenset()


def accepts(shim: bytes, program: bytes) -> bool:
    """Whether a certificate of the shim's vendor is in the chain of a signature on ``program``."""
    names = vendors(shim)
    return any(names & {s.subject, *s.bundle} for s in pe.read_pe(program).signatures)


def _table(section: bytes) -> bytes:
    """The authorized part of a certificate table, which is known by its own sizes and offsets.

    The section's name does not help: it is too long for a PE header.
    """
    if len(section) < _TABLE_HEADER:
        return b""
    allowed, denied, first, second = struct.unpack_from("<IIII", section)
    if first != _TABLE_HEADER or second != first + allowed or second + denied > len(section):
        return b""
    return section[first:second]


def _certificates(table: bytes) -> Iterator[bytes]:
    """One certificate, or those of EFI signature lists."""
    if table[:1] == b"\x30":
        yield der.read(table).raw
        return
    at = 0
    for _ in range(MAX_CERTIFICATES):
        if at + _LIST_HEADER > len(table):
            return
        size, header, each = struct.unpack_from("<III", table, at + 16)
        if not _LIST_HEADER < size <= len(table) - at:
            raise MediaError("the certificate table of the shim is damaged")
        if table[at : at + 16] == _X509:
            yield table[at + _LIST_HEADER + header + _OWNER : at + _LIST_HEADER + header + each]
        at += size
