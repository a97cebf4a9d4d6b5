"""A raw disk as the files that people and programs want: raw, one VMDK, or descriptor and data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from vmboot.media.partitiontable import SECTOR
from vmboot.media.vmdk import content_id, flat_descriptor, stream_optimized

DiskFormat = Literal["raw", "vmdk-stream", "vmdk-flat"]
FORMATS: tuple[DiskFormat, ...] = ("vmdk-stream", "vmdk-flat", "raw")


def disk_files(raw: bytes, *, stem: str, format: DiskFormat) -> Mapping[str, bytes]:
    """Content by file name; the first is the one to name elsewhere.

    :param raw: the disk, whole sectors
    :param stem: file name without suffix
    :raises InputError: a VMDK cannot name such a file
    """
    if format == "raw":
        return {f"{stem}.img": raw}
    if format == "vmdk-stream":
        return {f"{stem}.vmdk": stream_optimized(raw)}
    extent = f"{stem}-flat.vmdk"
    text = flat_descriptor(len(raw) // SECTOR, extent, kind="monolithicFlat", cid=content_id(raw))
    return {f"{stem}.vmdk": text.encode("utf-8"), extent: raw}
