"""Boot programs made up for tests: right in what vmboot reads, empty otherwise."""

from __future__ import annotations

import lzma
import struct
from pathlib import Path

from vmboot.media.find import Loader
from vmboot.media.identify import identify
from vmboot.media.loaders import LoaderSet
from vmboot.model import BootConfig, BootServer, Bootstrap, Firmware

ZBIN = [
    {"id": lzma.FILTER_X86},
    {"id": lzma.FILTER_LZMA1, "lc": 2, "lp": 0, "pb": 0, "dict_size": 1 << 20},
]


def isolinux(version: str = "6.04 20200816") -> bytes:
    return (b"\0" * 64 + f"\r\nISOLINUX {version} \0".encode()).ljust(4096, b"\x90")


def ldlinux() -> bytes:
    return (b"\x7fELF" + b"\0" * 60 + b"start_ldlinux\0").ljust(2000, b"\0")


def lkrn(version: str = "1.21.1+git20250501", *, abilities: tuple[str, ...] = ("vlan",)) -> bytes:
    """A bzImage with a packed program inside, as iPXE for BIOS is."""
    words = {"vlan": b"vcreate", "https": b"https", "linkwait": b"iflinkwait"}
    noise = b"".join(struct.pack("<I", number * 2654435761 & 0xFFFFFFFF) for number in range(20000))
    strings = b"\0".join([b"iPXE", *(words[each] for each in abilities), b""])
    packed = lzma.compress(b"\xfa\0" + strings + noise, format=lzma.FORMAT_RAW, filters=ZBIN)
    header = bytearray(0x400)
    header[0x1F1] = 1
    header[0x202:0x206] = b"HdrS"
    header[0x20E:0x210] = (0x48).to_bytes(2, "little")
    header[0x248 : 0x248 + len(version)] = version.encode()
    return bytes(header) + b"\x90" * 64 + packed + bytes(8192)


def pe(
    content: bytes = b"",
    *,
    machine: int = 0x8664,
    sbat: bytes = b"",
    certificates: bytes = b"",
    extra: tuple[bytes, bytes] = (b"", b""),
) -> bytes:
    """A PE program with a data section, an ``.sbat`` section and a certificate table.

    :param extra: name and content of one more section
    """
    body_at, sbat_at = 0x400, 0x400 + len(content)
    extra_at = sbat_at + len(sbat)
    end = extra_at + len(extra[1])
    padding = -end % 8
    count = 3 if extra[1] else 2
    dos = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40)
    coff = struct.pack("<4sHHIIIHH", b"PE\0\0", machine, count, 0, 0, 0, 112 + 16 * 8, 0x2022)
    optional = bytearray(112 + 16 * 8)
    struct.pack_into("<H", optional, 0, 0x20B)
    struct.pack_into("<H", optional, 68, 10)
    struct.pack_into("<I", optional, 108, 16)
    if certificates:
        struct.pack_into("<II", optional, 112 + 8 * 4, end + padding, len(certificates))
    sections = _section(b".data", len(content), body_at) + _section(b".sbat", len(sbat), sbat_at)
    if extra[1]:
        sections += _section(extra[0], len(extra[1]), extra_at)
    head = (dos + coff + bytes(optional) + sections).ljust(body_at, b"\0")
    return head + content + sbat + extra[1] + b"\0" * padding + certificates


def _section(name: bytes, size: int, at: int) -> bytes:
    return struct.pack("<8sIIII16x", name, size, at, size, at)


def ipxe_efi(
    version: str = "1.21.1+git20250501",
    *,
    autoexec: bool = True,
    abilities: tuple[bytes, ...] = (b"vcreate", b"https"),
    machine: int = 0x8664,
    certificates: bytes = b"",
) -> bytes:
    strings = [b"", b"iPXE/%s", version.encode(), *abilities, b""]
    script = b"file:autoexec.ipxe\0" if autoexec else b""
    content = b"\0".join(strings) + script + bytes(4096)
    return pe(content, machine=machine, certificates=certificates)


def shim(
    *,
    starts: str = "\\\\grubx64.efi",
    vendor: str = "Distro CA",
    table: bytes = b"",
    certificates: bytes = b"",
) -> bytes:
    """A shim: it names its helpers, what it starts and its vendor's certificate.

    :param starts: as compiled in, with backslashes
    :param table: the vendor's certificates instead of one of ``vendor``
    """
    names = ("\\fbx64.efi", "\\EFI\\BOOT\\fbx64.efi", "\\mmx64.efi", starts, "revocations_sbat.efi")
    texts = b"".join(name.encode("utf-16-le") + b"\0\0" for name in names)
    allowed = table or certificate(vendor, vendor)
    section = struct.pack("<IIII", len(allowed), 0, 16, 16 + len(allowed)) + allowed
    content = b"UEFI SHIM\n$Version: 16.1 $\n\0" + texts
    sbat = b"sbat,1,SBAT,sbat,1,url\nshim,4,UEFI shim,shim,1,url\n"
    return pe(content, sbat=sbat, extra=(b"/37", section), certificates=certificates)


def grub_area(prefix: str, modules: tuple[str, ...]) -> bytes:
    """The module area of a GRUB image."""
    objects = b"".join(_object(0, _module(each)) for each in modules)
    objects += _object(3, prefix.encode() + b"\0")
    return struct.pack("<4sIQQ", b"mimg", 0, 24, 24 + len(objects)) + objects


def _object(kind: int, content: bytes) -> bytes:
    padded = content + b"\0" * (-len(content) % 8)
    return struct.pack("<II", kind, 8 + len(padded)) + padded


def _module(name: str) -> bytes:
    """An ELF file with a name table and a section ``.modname``, and nothing else."""
    names, text = b"\0.shstrtab\0.modname\0", name.encode() + b"\0"
    content = names + text
    header = bytearray(64)
    struct.pack_into("<Q", header, 0x28, 64 + len(content))
    struct.pack_into("<HHH", header, 0x3A, 64, 2, 0)
    table = struct.pack("<I20xQQ24x", 1, 64, len(names))
    table += struct.pack("<I20xQQ24x", 11, 64 + len(names), len(text))
    return bytes(header) + content + table


def grub_efi(
    *,
    prefix: str = "/grub",
    modules: tuple[str, ...] = ("net", "efinet", "tftp", "chain", "normal"),
    certificates: bytes = b"",
) -> bytes:
    return pe(
        b"Welcome to GRUB!\0",
        sbat=b"sbat,1,SBAT,sbat,1,url\ngrub,5,FSF,grub,2.06,url\n",
        extra=(b"mods", grub_area(prefix, modules)),
        certificates=certificates,
    )


def der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    if len(content) < 0x80:
        return bytes((tag, len(content))) + content
    length = len(content).to_bytes(3, "big")
    return bytes((tag, 0x83)) + length + content


def name(text: str, *, kind: bytes = b"\x55\x04\x03") -> bytes:
    attribute = der(0x30, der(0x06, kind), der(0x0C, text.encode()))
    return der(0x30, der(0x31, attribute))


def certificate(
    subject: str, issuer: str, *, serial: bytes = b"\x07", kind: bytes = b"\x55\x04\x03"
) -> bytes:
    """An X.509 certificate in DER with no real key and signature."""
    number, empty = der(0x02, serial), der(0x30)
    tbs = der(
        0x30, der(0xA0, der(2, b"\2")), number, empty, name(issuer), empty, name(subject, kind=kind)
    )
    return der(0x30, tbs, empty, der(0x03, b"\0"))


def signature(
    subject: str, issuer: str, *, serial: bytes = b"\x07", kind: bytes = b"\x55\x04\x03"
) -> bytes:
    """A WIN_CERTIFICATE with a PKCS#7 SignedData that has all the fields and no real crypto."""
    number, empty = der(0x02, serial), der(0x30)
    signing = certificate(subject, issuer, serial=serial, kind=kind)
    signer = der(0x30, der(2, b"\1"), der(0x30, name(issuer), number), empty, der(4, b"x" * 64))
    signed = der(0x30, der(2, b"\1"), der(0x31), empty, der(0xA0, signing), der(0x31, signer))
    pkcs7 = der(0x30, der(0x06, b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"), der(0xA0, signed))
    table = struct.pack("<IHH", 8 + len(pkcs7), 0x0200, 2) + pkcs7
    return table + b"\0" * (-len(table) % 8)


PROGRAMS = {
    "isolinux_bin": isolinux(),
    "ldlinux_c32": ldlinux(),
    "ipxe_lkrn": lkrn(),
    "ipxe_efi": ipxe_efi(),
}


def loader(part: str, data: bytes) -> Loader:
    known = identify(data)
    assert known is not None
    return Loader(
        name=part,
        path=Path("/made/up", part),
        kind=known.kind,
        firmware=known.firmware,
        arch=known.arch,
        version=known.version,
        capabilities=known.capabilities,
        signers=known.signers,
        authorities=known.authorities,
        sha256=known.sha256,
        size=known.size,
        source="given",
    )


def loader_set(**instead: bytes) -> LoaderSet:
    programs = {**PROGRAMS, **instead}
    found = {part: loader(part, data) for part, data in programs.items() if data}
    return LoaderSet(**programs, loaders=found)


def config(**instead: object) -> BootConfig:
    """Two servers, both firmwares, DHCP; any field can be given instead."""
    values: dict[str, object] = {
        "servers": (BootServer("10.0.0.11", "pvs1"), BootServer("10.0.0.12")),
        "bootstrap": {
            Firmware.BIOS: Bootstrap("ARDBP32.BIN"),
            Firmware.UEFI: Bootstrap("pvsnbpx64.efi"),
        },
        **instead,
    }
    return BootConfig(**values)  # type: ignore[arg-type]
