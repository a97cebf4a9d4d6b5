"""Good files to damage: small, so that a case costs little, yet with every structure in them."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache

import pycdlib

from tests.fuzz.mutate import Range, Seed
from tests.unit.media.bootdisks import PROGRAM, grub_sector
from tests.unit.media.diskmakers import dynamic_vhd, fixed_vhd, make_vhdx, sparse_vmdk
from tests.unit.media.synthetic import grub_efi, ipxe_efi, isolinux, pe, shim, signature
from vmboot.media import vhd, vhdx
from vmboot.media.crc32c import crc32c
from vmboot.media.fat import build_fat
from vmboot.media.partition import Partition, build_gpt, build_mbr
from vmboot.media.vmdk import flat_descriptor, stream_optimized

KIB = 1024
SECTOR = 512
START = 40  # first block of the partition
SECTORS = 256  # of a whole disk: 128 KiB
ESP = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
_SIGNED = signature("Some Publisher", "Microsoft UEFI CA 2023")
FILES = {
    PROGRAM: pe(b"\0iPXE/%s\0" + b"autoexec.ipxe\0", certificates=_SIGNED),
    "PVSBOOT.INI": b"[servers]\r\nServer1=10.0.0.11\r\n",
    "a long name with spaces.txt": b"tftp://10.0.0.12/boot",
    "EFI/BOOT/BOOTAA64.EFI": pe(machine=0xAA64),
}


SHIM_FILES = {
    PROGRAM: shim(certificates=_SIGNED),
    "EFI/BOOT/grubx64.efi": grub_efi(certificates=_SIGNED),
}


@cache
def volume(*, with_shim: bool = False) -> bytes:
    files = SHIM_FILES if with_shim else FILES
    size = (SECTORS - START - 40) * SECTOR
    return build_fat(files, size=size, label="FUZZ", hidden_sectors=START)


@cache
def mbr_disk(*, with_shim: bool = False) -> bytes:
    fat = volume(with_shim=with_shim)
    partition = Partition(1, "0e", START, len(fat) // SECTOR, active=True)
    head = build_mbr([partition], signature=b"fuzz", code=grub_sector())
    return (head + b"\x90" * SECTOR).ljust(START * SECTOR, b"\0") + fat.ljust(
        (SECTORS - START) * SECTOR, b"\0"
    )


@cache
def gpt_disk() -> bytes:
    fat = volume()
    partition = Partition(1, ESP, START, len(fat) // SECTOR, name="EFI System")
    gpt = build_gpt([partition], sectors=SECTORS, seed="fuzz")
    disk = bytearray(SECTORS * SECTOR)
    disk[START * SECTOR : START * SECTOR + len(fat)] = fat
    disk[: len(gpt.head)], disk[-len(gpt.tail) :] = gpt.head, gpt.tail
    return bytes(disk)


def fat_hot(at: int = 0) -> tuple[Range, ...]:
    """Boot sector, both tables and directories of :func:`volume`, which begins at ``at``."""
    (fat_sectors,) = struct.unpack_from("<H", volume(), 22)
    root = (1 + 2 * fat_sectors) * SECTOR
    return (at, at + 90), (at + SECTOR, at + SECTOR + 300), (at + root, at + root + 8 * 32)


def mbr() -> tuple[Seed, ...]:
    hot = (440, 512), (0, 512), *fat_hot(START * SECTOR)
    shimmed = mbr_disk(with_shim=True)
    programs = shimmed.index(b"MZ"), shimmed.rindex(b"mimg") + 512
    return Seed(mbr_disk(), hot), Seed(shimmed, (*hot, programs, programs))


def gpt() -> tuple[Seed, ...]:
    end = SECTORS * SECTOR
    hot = (512, 512 + 92), (512, 512 + 92), (1024, 1024 + 128), (end - 512, end), (440, 512)
    return (Seed(gpt_disk(), hot),)


def fat() -> tuple[Seed, ...]:
    return (Seed(volume(), (*fat_hot(), (0, 64), (38, 90))), fat32())


@cache
def fat32() -> Seed:
    """The like with its root directory in a cluster chain; made by us, to FAT 1.03."""
    sectors, fat_sectors, reserved = 160, 2, 4
    boot = bytearray(SECTOR)
    boot[:3] = b"\xeb\x58\x90"
    struct.pack_into("<HBHBHHBH", boot, 11, SECTOR, 1, reserved, 2, 0, sectors, 0xF8, 0)
    struct.pack_into("<IIIHHI", boot, 28, 0, 0, fat_sectors, 0, 0, 2)
    boot[66] = 0x29
    boot[71:82] = b"FUZZ32     "
    boot[510:] = b"\x55\xaa"
    end = 0x0FFFFFFF
    table = struct.pack("<8I", 0x0FFFFFF8, end, end, end, 5, 6, end, end).ljust(
        fat_sectors * SECTOR, b"\0"
    )
    root = _entry(b"FUZZ32     ", 8, 0, 0) + _entry(b"EFI        ", 0x10, 3, 0)
    root += _entry(b"A       TXT", 0x20, 4, 1400)
    folder = _entry(b".          ", 0x10, 3, 0) + _entry(b"..         ", 0x10, 0, 0)
    folder += _entry(b"B       INI", 0x20, 7, 20)
    data = (
        root.ljust(SECTOR, b"\0")
        + folder.ljust(SECTOR, b"\0")
        + b"text 10.0.0.1\n".ljust(4 * SECTOR)
    )
    image = bytes(boot).ljust(reserved * SECTOR, b"\0") + table * 2 + data
    at = (reserved + 2 * fat_sectors) * SECTOR
    hot = (0, 90), (reserved * SECTOR, reserved * SECTOR + 32), (at, at + 96), (at + 512, at + 608)
    return Seed(image.ljust(sectors * SECTOR, b"\0"), hot)


def _entry(name: bytes, kind: int, start: int, size: int) -> bytes:
    return struct.pack("<11sB8xHHHHI", name, kind, start >> 16, 0, 0, start & 0xFFFF, size)


def vmdk_stream() -> tuple[Seed, ...]:
    data = stream_optimized(mbr_disk())
    grains = data.index(b"\x03", 128 * SECTOR)
    end = len(data)
    hot = (0, 80), (0, 80), (512, 900), (grains - 8, grains + 64), (end - 4 * SECTOR, end)
    return (Seed(data, (*hot, (128 * SECTOR, end))),)


def vmdk_sparse() -> tuple[Seed, ...]:
    hot = (0, 80), (0, 80), (512, 800), (1024, 1100), (1536, 1800)
    return (Seed(sparse_vmdk(mbr_disk()), hot),)


def vmdk_flat() -> tuple[Seed, ...]:
    plain = flat_descriptor(SECTORS, "disk-flat.vmdk").encode()
    parts = plain.replace(
        b'RW %d VMFS "disk-flat.vmdk"' % SECTORS,
        b'RW 100 FLAT "disk-flat.vmdk" 0\nRW 156 FLAT "disk-flat.vmdk" 100\nRW 99 ZERO',
    )
    sparse = plain.replace(b"VMFS", b"SPARSE").replace(b"disk-flat", b"disk-sparse")
    return tuple(Seed(text, ((0, len(text)),)) for text in (plain, parts, sparse))


def vhd_fixed() -> tuple[Seed, ...]:
    data = fixed_vhd(mbr_disk())
    return (Seed(data, ((len(data) - 512, len(data) - 400), (440, 512))),)


def vhd_dynamic() -> tuple[Seed, ...]:
    data = dynamic_vhd(mbr_disk())
    hot = (0, 100), (512, 600), (1536, 1600), (len(data) - 512, len(data) - 400), (2048, 2600)
    return (Seed(data, hot),)


def mend_vhd(data: bytearray) -> None:
    """The checksums of footers and the dynamic header."""
    for at in {0, len(data) - 512} if len(data) >= 512 else ():
        if data[at : at + 8] == vhd.COOKIE:
            struct.pack_into(">I", data, at + 64, vhd.checksum(bytes(data[at : at + 512]), 64))
    if data[512:520] == vhd.DYNAMIC_COOKIE and len(data) >= 1536:
        struct.pack_into(">I", data, 512 + 36, vhd.checksum(bytes(data[512:1536]), 36))


def vhdx_both() -> tuple[Seed, ...]:
    metadata, bat = 1 << 20, (1 << 20) + 128 * KIB
    hot = (
        (64 * KIB, 64 * KIB + 80),
        (128 * KIB, 128 * KIB + 80),
        (192 * KIB, 192 * KIB + 80),
        (192 * KIB, 192 * KIB + 80),
        (metadata, metadata + 128),
        (metadata + 64 * KIB, metadata + 64 * KIB + 48),
        (bat, bat + 16),
        (bat, bat + 16),
    )
    return tuple(Seed(make_vhdx(mbr_disk(), fixed=fixed), hot) for fixed in (False, True))


def mend_vhdx(data: bytearray) -> None:
    """The checksums of headers and region tables."""
    places = [(at, vhdx.HEADER_SIZE) for at in vhdx.HEADERS_AT]
    places += [(at, vhdx.REGIONS_SIZE) for at in vhdx.REGIONS_AT]
    for at, size in places:
        if len(data) >= at + size:
            block = data[at : at + 4] + bytes(4) + data[at + 8 : at + size]
            struct.pack_into("<I", data, at + 4, crc32c(bytes(block)))


def mend_gpt(data: bytearray) -> None:
    """The checksums of both headers and their tables, as far as they lie in the file."""
    for at in (512, len(data) - 512):
        if at < 0 or data[at : at + 8] != b"EFI PART" or len(data) < at + 512:
            continue
        table_at, count, size = struct.unpack_from("<QII", data, at + 72)
        if count * size <= 64 * KIB and table_at < 1 << 40:
            table = bytes(data[table_at * SECTOR : table_at * SECTOR + count * size])
            struct.pack_into("<I", data, at + 88, zlib.crc32(table))
        length = min(512, struct.unpack_from("<I", data, at + 12)[0])
        struct.pack_into("<I", data, at + 16, 0)
        struct.pack_into("<I", data, at + 16, zlib.crc32(data[at : at + length]))


@cache
def iso() -> tuple[Seed, ...]:
    image = pycdlib.PyCdlib()
    image.new(vol_ident="FUZZ", rock_ridge="1.09")
    files = {
        "ISOLINUX.BIN": isolinux(),
        "EFI.IMG": build_fat({PROGRAM: ipxe_efi()}, size=64 * SECTOR, label="E"),
        "A.CFG": b"server 10.0.0.1\n",
    }
    for name, data in files.items():
        image.add_fp(io.BytesIO(data), len(data), f"/{name};1", rr_name=name.lower())
    image.add_directory("/D", rr_name="d")
    image.add_eltorito("/ISOLINUX.BIN;1", boot_info_table=True)
    image.add_eltorito("/EFI.IMG;1", efi=True, platform_id=0xEF)
    out = io.BytesIO()
    image.write_fp(out)
    data = out.getvalue()
    catalog = data.index(b"\x55\xaa\x88", 17 * 2048) - 30
    root = struct.unpack_from("<I", data, 16 * 2048 + 158)[0] * 2048
    esp = data.index(b"MSDOS5.0") - 3
    hot = (
        (16 * 2048, 16 * 2048 + 200),
        (17 * 2048, 17 * 2048 + 80),
        (catalog, catalog + 160),
        (root, root + 700),
        (esp, esp + 64),
    )
    return (Seed(data, hot),)


def mend_iso(data: bytearray) -> None:
    """The checksum of the El Torito catalog, where the boot record says it is."""
    at = int.from_bytes(data[17 * 2048 + 71 : 17 * 2048 + 75], "little") * 2048
    if len(data) < at + 32:
        return
    data[at + 28 : at + 30] = b"\0\0"
    total = sum(struct.unpack("<16H", data[at : at + 32])) & 0xFFFF
    struct.pack_into("<H", data, at + 28, -total & 0xFFFF)


def program() -> tuple[Seed, ...]:
    good = pe(b"x" * 64, sbat=b"sbat,1\nshim,3,UEFI shim,shim,1,https://x\n", certificates=_SIGNED)
    found = []
    for data in (good, shim(certificates=_SIGNED), grub_efi(certificates=_SIGNED)):
        end = len(data)
        hot = (0, 64), (0x40, 0x40 + 280), (0x400, end), (end - len(_SIGNED), end)
        found.append(Seed(data, hot))
    return tuple(found)
