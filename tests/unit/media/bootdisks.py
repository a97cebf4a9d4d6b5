"""Boot disks put together from parts, right or wrong in one respect."""

from __future__ import annotations

import json

from tests.unit.media.synthetic import config, ipxe_efi, lkrn, loader_set
from vmboot.media.fat import build_fat
from vmboot.media.manifest import make_manifest
from vmboot.media.partition import Partition, build_gpt, build_mbr
from vmboot.media.script import render

MIB = 1 << 20
START = 2048
ESP = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
PROGRAM = "EFI/BOOT/BOOTX64.EFI"
CORE_AT = 1


def grub_sector(core: int = CORE_AT) -> bytes:
    """The marks of GRUB's boot.img: its texts, and where its core begins."""
    sector = bytearray(440)
    sector[:2] = b"\xeb\x63"
    sector[0x5C:0x64] = core.to_bytes(8, "little")
    sector[0x180:0x196] = b"GRUB \0Geom\0Hard Disk\0R"
    return bytes(sector)


def our_files(**instead: bytes) -> dict[str, bytes]:
    """What a boot disk of ours carries."""
    wish = config()
    loaders = loader_set(isolinux_bin=b"", ldlinux_c32=b"")
    script = render(wish).encode("ascii")
    manifest = json.dumps(make_manifest(wish, loaders, script)).encode()
    files = {
        "vmboot.json": manifest,
        "autoexec.ipxe": script,
        "ipxe.lkrn": lkrn(),
        PROGRAM: ipxe_efi(),
        **instead,
    }
    return {path: data for path, data in files.items() if data is not None}


def mbr_disk(
    files: dict[str, bytes],
    *,
    active: tuple[int, ...] = (1,),
    code: bytes = grub_sector(),
    core: bytes = b"\x90" * 512,
    kind: str = "0e",
    size: int = 8 * MIB,
    label: str = "VMBOOT",
    volume: bytes | None = None,
) -> bytes:
    """One FAT partition behind a GRUB; ``active`` may name two partitions, as a bad tool would."""
    sectors = size // 512 - START
    fat = volume
    if fat is None:
        fat = build_fat(files, size=sectors * 512, label=label, hidden_sectors=START)
    head = bytearray(build_mbr([Partition(1, kind, START, sectors)], signature=b"test", code=code))
    for number in active:
        head[446 + 16 * (number - 1)] = 0x80
        if number > 1:
            head[446 + 16 * (number - 1) + 4] = 0x83
            head[446 + 16 * (number - 1) + 8 : 446 + 16 * number] = b"\x01\0\0\0\x02\0\0\0"
    return bytes(head) + core.ljust((START - 1) * 512, b"\0") + fat.ljust(sectors * 512, b"\0")


def gpt_disk(files: dict[str, bytes], *, size: int = 8 * MIB, kind: str = ESP) -> bytes:
    sectors = size // 512
    length = sectors - START - 64
    fat = build_fat(files, size=length * 512, label="ctxpvs", hidden_sectors=START)
    partition = Partition(1, kind, START, length, name="EFI System")
    gpt = build_gpt([partition], sectors=sectors, seed="test")
    disk = bytearray(size)
    disk[START * 512 : START * 512 + len(fat)] = fat
    disk[: len(gpt.head)], disk[-len(gpt.tail) :] = gpt.head, gpt.tail
    return bytes(disk)
