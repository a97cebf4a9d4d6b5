"""Boot media such as a PVS console makes, made by us to what is documented of them."""

from __future__ import annotations

import io

import pycdlib

from tests.unit.media.pvs_samples import INI, bios_program
from tests.unit.media.synthetic import pe
from vmboot.media.fat import build_fat
from vmboot.media.partition import ESP, FAT16_LBA, Partition, build_gpt, build_mbr
from vmboot.media.partitiontable import ALIGNMENT, GPT_OVERHEAD, SECTOR

MIB = 1024 * 1024
LOADER = pe(b"the vendor's UEFI program" * 400)


def files(loader: str = "PVSBOOTX64.EFI") -> dict[str, bytes]:
    return {f"EFI/BOOT/{loader}": LOADER, "PVSBOOT.INI": INI.encode()}


def gpt_disk(content: dict[str, bytes] | None = None, *, size: int = 8 * MIB) -> bytes:
    """A UEFI boot disk: GPT, EFI system partition."""
    sectors = (size // SECTOR - GPT_OVERHEAD & ~7) - ALIGNMENT
    volume = build_fat(
        files() if content is None else content,
        size=sectors * SECTOR,
        label="CTXPVS",
        hidden_sectors=ALIGNMENT,
    )
    table = build_gpt(
        [Partition(1, ESP, ALIGNMENT, sectors, name="EFI")], sectors=size // SECTOR, seed="site"
    )
    disk = bytearray(size)
    disk[: len(table.head)], disk[size - len(table.tail) :] = table.head, table.tail
    disk[ALIGNMENT * SECTOR : (ALIGNMENT + sectors) * SECTOR] = volume
    return bytes(disk)


def mbr_disk(content: dict[str, bytes] | None = None, *, size: int = 8 * MIB) -> bytes:
    """A BIOS boot disk: MBR, one active partition."""
    sectors = size // SECTOR - ALIGNMENT
    volume = build_fat(
        {"TSBBDM.BIN": bios_program()} if content is None else content,
        size=sectors * SECTOR,
        label="CTXPVS",
        hidden_sectors=ALIGNMENT,
    )
    partition = Partition(1, FAT16_LBA, ALIGNMENT, sectors, active=True)
    return build_mbr([partition], signature=b"SITE").ljust(ALIGNMENT * SECTOR, b"\0") + volume


def iso(content: dict[str, bytes] | None = None, *, bios: bytes = b"") -> bytes:
    """A boot ISO with a UEFI boot image that holds ``content``, and perhaps a BIOS program."""
    image = pycdlib.PyCdlib()
    image.new(vol_ident="CTXPVS")
    for name, data in (("TSBBDM.BIN", bios), ("EFI.IMG", build_fat(content or files(), label="E"))):
        if data:
            image.add_fp(io.BytesIO(data), len(data), f"/{name};1")
    if bios:
        image.add_eltorito("/TSBBDM.BIN;1", media_name="noemul", platform_id=0)
    image.add_eltorito("/EFI.IMG;1", efi=True, platform_id=0xEF, media_name="noemul")
    out = io.BytesIO()
    image.write_fp(out)
    image.close()
    return out.getvalue()
