"""Disk images made by us, field by field, to the published formats: small, and wrong on request.

They were not written by the products themselves. What qemu-img writes is the independent check;
these are for the shapes that it does not write: damage, small blocks, logs, parents.

Sources: Microsoft VHD specification 1.0 (2006); [MS-VHDX]; VMware "Virtual Disk Format 5.0".
"""

from __future__ import annotations

import struct
import uuid

from vmboot.media import vhd, vhdx
from vmboot.media.crc32c import crc32c
from vmboot.media.vmdkformat import SparseHeader

KIB, MIB = 1024, 1024 * 1024


def vhd_footer(size: int, kind: int, data_at: int) -> bytes:
    head = struct.pack(">8sIIQI4sI4s", b"conectix", 2, 0x10000, data_at, 0, b"test", 1, b"Wi2k")
    block = bytearray((head + struct.pack(">QQII", size, size, 0, kind)).ljust(512, b"\0"))
    struct.pack_into(">I", block, 64, vhd.checksum(bytes(block), 64))
    return bytes(block)


def fixed_vhd(raw: bytes) -> bytes:
    return raw + vhd_footer(len(raw), vhd.FIXED, 0xFFFFFFFFFFFFFFFF)


def dynamic_vhd(raw: bytes, *, block: int = 8 * KIB, kind: int = vhd.DYNAMIC) -> bytes:
    count = -(-len(raw) // block)
    header = bytearray(1024)
    struct.pack_into(">8sQQIII", header, 0, b"cxsparse", (1 << 64) - 1, 1536, 0x10000, count, block)
    struct.pack_into(">I", header, 36, vhd.checksum(bytes(header), 36))
    table_size = -(-4 * count // 512) * 512
    table = bytearray(b"\xff" * table_size)
    bitmap = b"\xff" * 512
    body = b""
    for number in range(count):
        data = raw[number * block : (number + 1) * block]
        if any(data):
            struct.pack_into(">I", table, 4 * number, (1536 + table_size + len(body)) // 512)
            body += bitmap + data.ljust(block, b"\0")
    footer = vhd_footer(len(raw), kind, 512)
    return footer + bytes(header) + bytes(table) + body + footer


def make_vhdx(
    raw: bytes,
    *,
    fixed: bool = False,
    parent: bool = False,
    log: bool = False,
    sequences: tuple[int, int] = (7, 8),
) -> bytes:
    """A VHDX with blocks of 1 MiB; its regions are smaller than products make them."""
    metadata_at, bat_at, data_at = MIB, MIB + 128 * KIB, 2 * MIB
    blocks = -(-len(raw) // MIB)
    image = bytearray(data_at)
    image[:8] = b"vhdxfile"
    for at, sequence in zip(vhdx.HEADERS_AT, sequences, strict=True):
        guid = uuid.uuid5(uuid.NAMESPACE_OID, "log").bytes if log else bytes(16)
        fields = struct.pack("<4sIQ32s16sHHIQ", b"head", 0, sequence, b"", guid, 0, 1, MIB, MIB)
        image[at : at + 4096] = _with_crc(fields.ljust(4096, b"\0"))
    entries = (vhdx.METADATA, metadata_at, 128 * KIB), (vhdx.BAT, bat_at, 64 * KIB)
    regions = struct.pack("<4sIII", b"regi", 0, len(entries), 0) + b"".join(
        struct.pack("<16sQII", kind.bytes_le, at, size, 1) for kind, at, size in entries
    )
    for at in vhdx.REGIONS_AT:
        image[at : at + 64 * KIB] = _with_crc(regions.ljust(64 * KIB, b"\0"))
    flags = (1 if fixed else 0) | (2 if parent else 0)
    items = (
        (vhdx.FILE_PARAMETERS, struct.pack("<II", MIB, flags)),
        (vhdx.DISK_SIZE, struct.pack("<Q", len(raw))),
        (vhdx.LOGICAL_SECTOR, struct.pack("<I", 512)),
    )
    image[metadata_at : metadata_at + 12] = struct.pack("<8sHH", b"metadata", 0, len(items))
    for number, (kind, value) in enumerate(items):
        at = 64 * KIB + 16 * number
        entry = struct.pack("<16sIIII", kind.bytes_le, at, len(value), 4, 0)
        image[metadata_at + 32 + 32 * number : metadata_at + 64 + 32 * number] = entry
        image[metadata_at + at : metadata_at + at + len(value)] = value
    for number in range(blocks):
        data = raw[number * MIB : (number + 1) * MIB]
        if fixed or any(data):
            state = 7 if parent else vhdx.FULLY_PRESENT
            start = -(-len(image) // MIB) * MIB
            struct.pack_into("<Q", image, bat_at + 8 * number, start | state)
            image += bytes(start - len(image)) + data
    return bytes(image)


def _with_crc(block: bytes) -> bytes:
    return block[:4] + struct.pack("<I", crc32c(block)) + block[8:]


def sparse_vmdk(raw: bytes, *, grain: int = 16, gtes: int = 64, parent: str = "ffffffff") -> bytes:
    """A monolithicSparse VMDK; ``grain`` in sectors."""
    capacity = -(-len(raw) // (512 * grain)) * grain
    text = f"# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID={parent}\n"
    text += f'createType="monolithicSparse"\nRW {capacity} SPARSE "disk.vmdk"\n'
    tables = -(-capacity // (grain * gtes))
    directory_at, table_sectors = 2, -(-4 * gtes // 512)
    tables_at = directory_at + -(-4 * tables // 512)
    overhead = tables_at + tables * table_sectors
    header = SparseHeader(
        version=1,
        flags=3,
        capacity=capacity,
        grain=grain,
        descriptor_at=1,
        descriptor_size=1,
        gtes_per_table=gtes,
        redundant_gd_at=0,
        gd_at=directory_at,
        overhead=overhead,
        algorithm=0,
    )
    image = bytearray(overhead * 512)
    image[:1024] = header.pack() + text.encode().ljust(512, b"\0")
    for table in range(tables):
        at = tables_at + table * table_sectors
        struct.pack_into("<I", image, directory_at * 512 + 4 * table, at)
    for number in range(capacity // grain):
        data = raw[number * grain * 512 : (number + 1) * grain * 512]
        if any(data):
            table, slot = divmod(number, gtes)
            place = (tables_at + table * table_sectors) * 512 + 4 * slot
            struct.pack_into("<I", image, place, len(image) // 512)
            image += data.ljust(grain * 512, b"\0")
    return bytes(image)
