"""What a boot program is: kind, version, architecture, abilities and signers, from its bytes.

Nothing is taken from the file's name. iPXE for BIOS is compressed, so its abilities are read from
the unpacked program; a feature counts as present when its command or URI scheme is in there.

Sources: Linux boot protocol (bzImage header), iPXE's ``util/zbin.c`` for how it is packed,
https://github.com/rhboot/shim/blob/main/SBAT.md for versions in UEFI programs.
"""

from __future__ import annotations

import hashlib
import lzma
import re
from dataclasses import dataclass

from vmboot.media import pe
from vmboot.media.grubimage import read_grub
from vmboot.media.shimimage import next_program
from vmboot.model import Firmware

MAX_UNPACKED = 8 * 1024 * 1024
PACKED_WITHIN = 8192  # of the protected-mode part
_LEAST_UNPACKED = 64 * 1024
_SAMPLE = 4096
_MAX_TRIES = 8
_ZBIN = [
    {"id": lzma.FILTER_X86},
    {"id": lzma.FILTER_LZMA1, "lc": 2, "lp": 0, "pb": 0, "dict_size": 1 << 22},
]
# ability: the NUL-terminated string whose presence proves it
_ABILITIES = {"vlan": b"vcreate", "https": b"https", "linkwait": b"iflinkwait", "tftp": b"tftp"}
_IPXE_VERSION = re.compile(rb"\d{1,2}\.\d{1,3}(?:\.\d{1,3})?(?:[+~.-][0-9A-Za-z.+~-]{1,80})?")
_ISOLINUX = re.compile(rb"ISOLINUX (\d+\.\d+(?: [0-9A-Za-z~.-]+)?)")
_SHIM_VERSION = re.compile(rb"\$Version: ([0-9A-Za-z.~+-]{1,40}) \$")
_GRUB_CD = b"cdrom read fails\0"  # message in GRUB's cdboot.img


@dataclass(frozen=True)
class Identity:
    """What a boot program is.

    :param kind: ``ipxe-lkrn``, ``ipxe-efi``, ``ipxe-snponly-efi``, ``isolinux``, ``ldlinux``,
        ``shim``, ``shim-mok``, ``grub-efi``, ``grub-bios`` or ``efi`` (some other UEFI program)
    :param capabilities: of ``autoexec`` (reads autoexec.ipxe from its own volume), ``vlan``,
        ``https``, ``tftp``, ``linkwait``; GRUB: ``tftp``, ``http``; a shim: ``starts-grub`` or
        ``starts-ipxe``
    :param signers: common names of the signing certificates, empty when unsigned
    :param authorities: common names of their issuers, in the same order
    :param damaged: why the signatures cannot be read, else ``""``
    :param fingerprints: SHA-256 of the signing certificates, in the order of ``signers``
    """

    kind: str
    firmware: Firmware
    arch: str
    version: str
    capabilities: frozenset[str]
    signers: tuple[str, ...]
    authorities: tuple[str, ...]
    sha256: str
    size: int
    damaged: str = ""
    fingerprints: tuple[str, ...] = ()


def identify(data: bytes) -> Identity | None:
    """What ``data`` is, or ``None`` when it is no boot program that vmboot knows."""
    if pe.is_pe(data):
        return _identify_pe(data)
    if data[0x202:0x206] == b"HdrS":
        return _identify_lkrn(data)
    isolinux = _ISOLINUX.search(data, 0, 1 << 16)
    if isolinux:
        return _bios("isolinux", data, isolinux.group(1).decode("ascii").strip())
    if _GRUB_CD in data[:2048]:
        return _bios("grub-bios", data, "")
    if data[:4] == b"\x7fELF" and b"start_ldlinux\0" in data[: 1 << 20]:
        return _bios("ldlinux", data, "")
    return None


def _bios(
    kind: str, data: bytes, version: str, capabilities: frozenset[str] = frozenset()
) -> Identity:
    return Identity(
        kind=kind,
        firmware=Firmware.BIOS,
        arch="i386",
        version=version,
        capabilities=capabilities,
        signers=(),
        authorities=(),
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
    )


def _identify_lkrn(data: bytes) -> Identity | None:
    """iPXE as a bzImage; a Linux kernel has the same header but does not unpack like this."""
    at = 0x200 + int.from_bytes(data[0x20E:0x210], "little")
    version = data[at : at + 100].split(b"\0", 1)[0].decode("ascii", "replace")
    program = unpack_zbin(data)
    if b"iPXE" not in program:
        return None
    return _bios("ipxe-lkrn", data, version, _abilities(program))


def unpack_zbin(data: bytes) -> bytes:
    """The program packed inside a BIOS build of iPXE, or ``b""``; at most ``MAX_UNPACKED``."""
    tries = 0
    start = 512 * (1 + data[0x1F1])  # behind the boot sector and the real-mode code
    for at in range(start, min(start + PACKED_WITHIN, len(data) - _SAMPLE)):
        # An LZMA stream starts with one zero byte; a short sample tells nearly all others apart.
        if data[at] or not data[at + 1]:
            continue
        if len(_unpack(data[at : at + _SAMPLE], _SAMPLE)) < _SAMPLE // 2:
            continue
        program = _unpack(data[at:], MAX_UNPACKED)
        tries += 1
        if len(program) >= _LEAST_UNPACKED or tries == _MAX_TRIES:
            return program
    return b""


def _unpack(packed: bytes, limit: int) -> bytes:
    decoder = lzma.LZMADecompressor(format=lzma.FORMAT_RAW, filters=_ZBIN)
    try:
        return decoder.decompress(packed, max_length=limit)
    except lzma.LZMAError:
        return b""


def _abilities(program: bytes) -> frozenset[str]:
    return frozenset(name for name, mark in _ABILITIES.items() if b"\0%s\0" % mark in program)


def _identify_pe(data: bytes) -> Identity:
    program = pe.read_pe(data)
    kind, version = _kind_of_pe(data, program)
    capabilities = _abilities(data) if kind.startswith("ipxe") else frozenset()
    if kind.startswith("ipxe") and _has_text(data, "autoexec.ipxe"):
        capabilities |= {"autoexec"}
    if kind == "grub-efi":
        capabilities = read_grub(program.sections.get("mods", b"")).modules & {"tftp", "http"}
    if kind == "shim":
        capabilities = _starts(data)
    return Identity(
        kind=kind,
        firmware=Firmware.UEFI,
        arch=program.arch,
        version=version,
        capabilities=capabilities,
        signers=tuple(signature.subject for signature in program.signatures),
        authorities=tuple(signature.issuer for signature in program.signatures),
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        damaged=program.damaged,
        fingerprints=tuple(signature.fingerprint for signature in program.signatures),
    )


def _starts(shim: bytes) -> frozenset[str]:
    following = next_program(shim)
    if following.startswith("grub"):
        return frozenset({"starts-grub"})
    return frozenset({"starts-ipxe"} if following == "ipxe.efi" else ())


def _kind_of_pe(data: bytes, program: pe.Program) -> tuple[str, str]:
    sbat = _sbat(program.sections.get(".sbat", b""))
    if b"iPXE/%s" in data or b"iPXE %s" in data:
        kind = "ipxe-snponly-efi" if b"snponly.efi\0" in data else "ipxe-efi"
        return kind, sbat.get("ipxe") or _ipxe_version(data)
    if "grub" in sbat or b"Welcome to GRUB!" in data:
        return "grub-efi", sbat.get("grub", "")
    if "shim" in sbat:
        shim = _SHIM_VERSION.search(data)
        version = shim.group(1).decode("ascii") if shim else sbat["shim"]
        return ("shim" if b"UEFI SHIM" in data else "shim-mok"), version
    return "efi", ""


def _sbat(section: bytes) -> dict[str, str]:
    """Package version by component name from the ``.sbat`` table."""
    lines = section.rstrip(b"\0")[:65536].decode("utf-8", "replace").splitlines()
    rows = (line.split(",") for line in lines)
    return {row[0]: row[4] for row in rows if len(row) >= 5}


def _ipxe_version(data: bytes) -> str:
    """The longest version-like whole string; builds before 2021 have no ``.sbat``."""
    found = [
        text for text in re.findall(rb"\0([0-9][!-~]{2,90})\0", data) if b"git" in text
    ] or re.findall(rb"\0(\d\.\d{1,2}\.\d{1,2}\+?)\0", data)
    return max(found, key=len).decode("ascii") if found else ""


def _has_text(data: bytes, text: str) -> bool:
    return text.encode("ascii") in data or text.encode("utf-16-le") in data
