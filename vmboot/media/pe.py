"""UEFI programs: PE/COFF headers and who signed them.

Reads headers and the Authenticode certificate table only; nothing is verified against a trust
store, since which keys a machine trusts is the machine's business.

Sources: Microsoft "PE Format"; "Windows Authenticode Portable Executable Signature Format" 1.0;
RFC 5652 (CMS).
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

from vmboot.errors import MediaError
from vmboot.media import der

MACHINES = {
    0x014C: "i386",
    0x8664: "x86_64",
    0xAA64: "arm64",
    0x01C2: "arm",
    0x5064: "riscv64",
    0x6264: "loongarch64",
}
EFI_SUBSYSTEMS = frozenset({10, 11, 12, 13})
CERTIFICATE_TABLE = 4
PKCS_SIGNED_DATA = 0x0002
MAX_SIGNATURES = 16
MAX_SECTIONS = 96
_COMMON_NAME, _ORGANISATION = b"\x55\x04\x03", b"\x55\x04\x0a"


@dataclass(frozen=True)
class Signature:
    """Common names of the certificate that signed and of the authority that issued it.

    :param fingerprint: SHA-256 of that certificate, ``""`` where the signature does not carry it
    :param bundle: common names of all certificates and issuers that the signature carries
    """

    subject: str
    issuer: str
    fingerprint: str = ""
    bundle: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Program:
    """What the headers of a PE program say.

    :param arch: e.g. ``"x86_64"``; ``"unknown (0x1234)"`` for a machine type not in the table
    :param efi: whether it is meant for UEFI firmware
    :param sections: content by section name, e.g. ``".sbat"``
    :param damaged: why the signatures cannot be read, else ``""``
    """

    arch: str
    efi: bool
    sections: dict[str, bytes]
    signatures: tuple[Signature, ...]
    damaged: str = ""


def is_pe(data: bytes) -> bool:
    """Whether ``data`` has the two marks of a PE program."""
    if data[:2] != b"MZ" or len(data) < 0x40:
        return False
    at = int.from_bytes(data[0x3C:0x40], "little")
    return data[at : at + 4] == b"PE\0\0"


def read_pe(data: bytes) -> Program:
    """Read the headers of a PE program.

    :raises MediaError: not a PE program, or its headers are cut off
    """
    if not is_pe(data):
        raise MediaError("not a PE program")
    try:
        return _read(data, int.from_bytes(data[0x3C:0x40], "little"))
    except struct.error as error:
        raise MediaError("the headers of the PE program are cut off") from error


def _read(data: bytes, at: int) -> Program:
    machine, count, optional_size = struct.unpack_from("<HH12xH", data, at + 4)
    optional = at + 24
    (magic,) = struct.unpack_from("<H", data, optional)
    (subsystem,) = struct.unpack_from("<H", data, optional + 68)
    directories = optional + (112 if magic == 0x20B else 96)
    (entries,) = struct.unpack_from("<I", data, directories - 4)
    offset = size = 0
    if entries > CERTIFICATE_TABLE:
        offset, size = struct.unpack_from("<II", data, directories + 8 * CERTIFICATE_TABLE)
    signatures: tuple[Signature, ...] = ()
    damaged = ""
    try:
        signatures = tuple(_signatures(data, offset, size))
    except MediaError as error:
        damaged = error.message
    return Program(
        arch=MACHINES.get(machine, f"unknown (0x{machine:04x})"),
        efi=subsystem in EFI_SUBSYSTEMS,
        sections=_sections(data, optional + optional_size, count),
        signatures=signatures,
        damaged=damaged,
    )


def _sections(data: bytes, at: int, count: int) -> dict[str, bytes]:
    found = {}
    for number in range(min(count, MAX_SECTIONS)):
        name, virtual, size, start = struct.unpack_from("<8sI4xII", data, at + 40 * number)
        length = min(size, virtual) if virtual else size
        found[name.rstrip(b"\0").decode("latin-1")] = data[start : start + length]
    return found


def _signatures(data: bytes, offset: int, size: int) -> Iterator[Signature]:
    if not size:
        return
    if offset + size > len(data):
        raise MediaError("the certificate table is cut off")
    end = offset + size
    for _ in range(MAX_SIGNATURES):
        if offset + 8 > end:
            return
        length, _revision, kind = struct.unpack_from("<IHH", data, offset)
        if length < 8 or offset + length > end:
            raise MediaError("the certificate table is damaged")
        if kind == PKCS_SIGNED_DATA:
            yield from _signers(data[offset + 8 : offset + length])
        offset += length + 7 & ~7


def _signers(pkcs7: bytes) -> Iterator[Signature]:
    """The certificates that the SignerInfos of one PKCS#7 SignedData point to."""
    parts = list(der.children(der.read(pkcs7)))
    if len(parts) < 2:
        raise MediaError("a signature is not PKCS#7 SignedData")
    signed = list(der.children(der.read(parts[1].content)))
    certificates = {}
    for part in signed:
        if part.tag == der.CONTEXT_0:
            certificates = dict(_certificate(each) for each in der.children(part))
    if not signed or signed[-1].tag != der.SET:
        raise MediaError("a signature has no signers")
    bundle = frozenset(n for each in certificates.values() for n in (each.subject, each.issuer))
    for signer in der.children(signed[-1]):
        fields = list(der.children(signer))
        if len(fields) < 2:
            raise MediaError("a signer cannot be read")
        key = tuple(child.raw for child in der.children(fields[1]))
        issuer = _common_name(der.read(key[0])) if key else ""
        found = certificates.get(key, Signature(subject="", issuer=issuer))
        yield replace(found, bundle=bundle | {issuer})


def read_certificate(data: bytes) -> Signature:
    """Names and fingerprint of an X.509 certificate in DER.

    :raises MediaError: it is none
    """
    return _certificate(der.read(data))[1]


def _certificate(element: der.Element) -> tuple[tuple[bytes, ...], Signature]:
    """(issuer, serial number) and names of an X.509 certificate (RFC 5280 section 4.1)."""
    fields = [part for part in der.children(der.read(element.content)) if part.tag != der.CONTEXT_0]
    if len(fields) < 5:
        raise MediaError("a certificate cannot be read")
    serial, _algorithm, issuer, _validity, subject = fields[:5]
    names = Signature(_common_name(subject), _common_name(issuer))
    fingerprint = hashlib.sha256(element.raw).hexdigest()
    return (issuer.raw, serial.raw), replace(names, fingerprint=fingerprint)


def _common_name(name: der.Element) -> str:
    """The common name, else the organisation, since some certificates have no other."""
    found = {}
    for relative in der.children(name):
        for attribute in der.children(relative):
            parts = list(der.children(attribute))
            if len(parts) == 2:
                found[parts[0].content] = der.text(parts[1])
    return found.get(_COMMON_NAME) or found.get(_ORGANISATION) or "unnamed"
