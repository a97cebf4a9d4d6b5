"""A write-once FAT12/16 image: same files, same bytes.

Only what boot media need: files and directories are laid out once, contiguously, with fixed dates
and a serial number derived from the content, so that the image is reproducible. Reading back is
in :mod:`vmboot.media.fatread`.

Sources: Microsoft "FAT: General Overview of On-Disk Format" 1.03; ECMA-107.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from vmboot.errors import MediaError
from vmboot.media.fatnames import check_name, long_entries, short_name
from vmboot.media.fatread import read_fat

__all__ = ["build_fat", "read_fat"]

SECTOR = 512
RESERVED_UNIT = 8  # a larger reserved area is rounded up to 4 KiB, so that the rest is aligned
ROOT_ENTRIES = 512
SECTORS_PER_TRACK = 63  # LBA-assisted geometry; mtools and fsck complain about zeroes
HEADS = 255
DRIVE = 0x80
MEDIA_FIXED_DISK = 0xF8
ENTRY = 32
MAX_CLUSTERS_FAT12 = 4084  # the cluster count alone decides the FAT type
MAX_CLUSTERS_FAT16 = 65524
ATTR_LABEL, ATTR_DIRECTORY, ATTR_FILE = 0x08, 0x10, 0x20
FIXED_DATE = (2020 - 1980) << 9 | 1 << 5 | 1  # 2020-01-01; no clock is read
SPARE_SECTORS = 64  # room left in an image whose size is not given


@dataclass
class _Node:
    """A directory (``children``) or file (``data``) while the image is being laid out."""

    name: str
    data: bytes = b""
    children: dict[str, _Node] | None = None
    start: int = 0
    short: bytes = b""
    parent: _Node | None = field(default=None, repr=False)

    @property
    def sorted_children(self) -> list[_Node]:
        return [node for _, node in sorted((self.children or {}).items())]


@dataclass(frozen=True)
class Geometry:
    """How the sectors of one image are shared out."""

    sectors: int
    per_cluster: int
    fat_sectors: int
    clusters: int
    hidden: int
    reserved: int = 1

    @property
    def bits(self) -> int:
        return 12 if self.clusters <= MAX_CLUSTERS_FAT12 else 16

    @property
    def cluster_size(self) -> int:
        return self.per_cluster * SECTOR

    @property
    def root_sector(self) -> int:
        return self.reserved + 2 * self.fat_sectors

    @property
    def data_sector(self) -> int:
        return self.root_sector + ROOT_ENTRIES * ENTRY // SECTOR


def build_fat(
    files: Mapping[str, bytes],
    *,
    size: int | None = None,
    label: str,
    hidden_sectors: int = 0,
    reserved: bytes = b"",
) -> bytes:
    """A FAT12 or FAT16 image that holds ``files``.

    :param files: content by path with forward slashes, e.g. ``{"EFI/BOOT/BOOTX64.EFI": b"..."}``
    :param size: size of the image in bytes, a multiple of 512; ``None`` for the smallest
    :param label: volume label, up to 11 ASCII characters, stored in upper case
    :param hidden_sectors: sectors before this volume on its disk, i.e. the partition's start LBA
    :param reserved: what lies behind the boot sector, before the allocation tables, such as a
        loader that the boot sector starts
    :raises MediaError: the files do not fit, or a path or the label cannot be stored
    """
    root = _tree(files)
    geometry = _geometry(root, size, hidden_sectors, _reserved_sectors(reserved))
    chains = _place(root, geometry)
    image = bytearray(geometry.sectors * SECTOR)
    image[:SECTOR] = _boot_sector(geometry, _label(label), _serial(files, label))
    image[SECTOR : SECTOR + len(reserved)] = reserved
    table = _fat(chains, geometry)
    for copy in range(2):
        at = (geometry.reserved + copy * geometry.fat_sectors) * SECTOR
        image[at : at + len(table)] = table
    for node in _walk(root):
        content = _directory(node, _label(label)) if node.children is not None else node.data
        at = _offset(node, geometry)
        image[at : at + len(content)] = content
    return bytes(image)


def fits(files: Mapping[str, bytes], *, size: int, reserved: bytes = b"") -> bool:
    """Whether :func:`build_fat` can put ``files`` into an image of ``size`` bytes.

    :raises MediaError: no size would do, e.g. for a path that cannot be stored
    """
    root = _tree(files)
    _check_root(root)
    return _sized(root, size // SECTOR, 0, _reserved_sectors(reserved)) is not None


def _reserved_sectors(reserved: bytes) -> int:
    if not reserved:
        return 1
    return -(-(SECTOR + len(reserved)) // (RESERVED_UNIT * SECTOR)) * RESERVED_UNIT


def _tree(files: Mapping[str, bytes]) -> _Node:
    root = _Node("", children={})
    for path, data in sorted(files.items()):
        *folders, name = path.strip("/").split("/")
        parent = root
        for folder in folders:
            parent = _child(parent, folder, path)
        if _key(name) in _children(parent, path):
            raise MediaError(f"two files share the path {path!r} on a FAT volume")
        _add(parent, _Node(check_name(name), data=data))
    return root


def _child(parent: _Node, folder: str, path: str) -> _Node:
    found = _children(parent, path).get(_key(folder))
    return found or _add(parent, _Node(check_name(folder), children={}))


def _children(node: _Node, path: str) -> dict[str, _Node]:
    if node.children is None:
        raise MediaError(f"{path!r} needs a directory where there is a file")
    return node.children


def _add(parent: _Node, node: _Node) -> _Node:
    siblings = parent.children if parent.children is not None else {}
    node.parent = parent
    node.short = short_name(node.name, taken={other.short for other in siblings.values()})
    siblings[_key(node.name)] = node
    return node


def _key(name: str) -> str:
    return name.upper()


def _walk(node: _Node) -> Iterator[_Node]:
    yield node
    for child in node.sorted_children:
        yield from _walk(child)


def _bytes_of(node: _Node) -> int:
    if node.children is None:
        return len(node.data)
    own = 2 if node.parent else 0
    return ENTRY * (
        own + sum(1 + len(long_entries(c.name, c.short)) // ENTRY for c in node.sorted_children)
    )


def _clusters_of(node: _Node, cluster_size: int) -> int:
    if node.parent is None:
        return 0
    least = 1 if node.children is not None else 0
    return max(least, -(-_bytes_of(node) // cluster_size))


def _check_root(root: _Node) -> None:
    if _bytes_of(root) + ENTRY > ROOT_ENTRIES * ENTRY:
        raise MediaError("too many files for the root directory of a FAT volume")


def _geometry(root: _Node, size: int | None, hidden: int, reserved: int) -> Geometry:
    _check_root(root)
    if size is not None and (size % SECTOR or size < 64 * SECTOR):
        raise MediaError(f"a FAT image of {size} bytes is not possible: not a multiple of 512")
    geometry = _sized(root, size // SECTOR if size else None, hidden, reserved)
    if geometry is None:
        needed = sum(len(node.data) for node in _walk(root))
        raise MediaError(f"{needed} bytes of files do not fit the FAT volume")
    return geometry


def _sized(root: _Node, sectors: int | None, hidden: int, reserved: int) -> Geometry | None:
    """The layout with the smallest clusters; of the smallest size where ``sectors`` is ``None``."""
    for per_cluster in (1, 2, 4, 8, 16, 32, 64):
        needed = sum(_clusters_of(node, per_cluster * SECTOR) for node in _walk(root))
        total = sectors or _enough(needed, per_cluster, reserved)
        geometry = _divide(total, per_cluster, hidden, reserved)
        if geometry is not None and geometry.clusters >= needed:
            return geometry
        if geometry is not None and sectors:
            break
    return None


def _enough(clusters: int, per_cluster: int, reserved: int) -> int:
    overhead = reserved + ROOT_ENTRIES * ENTRY // SECTOR + 2 * (clusters * 2 // SECTOR + 1)
    return overhead + clusters * per_cluster + SPARE_SECTORS


def _divide(sectors: int, per_cluster: int, hidden: int, reserved: int) -> Geometry | None:
    """Share ``sectors`` out, or ``None`` when clusters of this size would be too many."""
    fixed = reserved + ROOT_ENTRIES * ENTRY // SECTOR
    for bits, most in ((12, MAX_CLUSTERS_FAT12), (16, MAX_CLUSTERS_FAT16)):
        fat = 1
        while True:
            clusters = (sectors - fixed - 2 * fat) // per_cluster
            if -(-(clusters + 2) * bits // (8 * SECTOR)) <= fat:
                break
            fat += 1
        if 0 < clusters <= most and (bits == 12 or clusters > MAX_CLUSTERS_FAT12):
            return Geometry(sectors, per_cluster, fat, clusters, hidden, reserved)
    return None


def _place(root: _Node, geometry: Geometry) -> list[tuple[int, int]]:
    """Give every node its first cluster; the chains as (first, count)."""
    chains, free = [], 2
    for node in _walk(root):
        count = _clusters_of(node, geometry.cluster_size)
        if count:
            node.start = free
            chains.append((free, count))
            free += count
    return chains


def _offset(node: _Node, geometry: Geometry) -> int:
    if node.parent is None:
        return geometry.root_sector * SECTOR
    return geometry.data_sector * SECTOR + max(0, node.start - 2) * geometry.cluster_size


def _fat(chains: list[tuple[int, int]], geometry: Geometry) -> bytes:
    end = (1 << geometry.bits) - 1
    entries = [end & ~0xFF | MEDIA_FIXED_DISK, end]
    for first, count in chains:
        entries += [*range(first + 1, first + count), end]
    if geometry.bits == 16:
        return struct.pack(f"<{len(entries)}H", *entries)
    entries += [0] * (len(entries) % 2)
    pairs = zip(entries[::2], entries[1::2], strict=True)
    return b"".join((low | high << 12).to_bytes(3, "little") for low, high in pairs)


def _boot_sector(geometry: Geometry, label: bytes, serial: int) -> bytes:
    small = geometry.sectors if geometry.sectors < 0x10000 else 0
    head = struct.pack(
        "<3s8sHBHBHHBHHHIIBBBI11s8s",
        b"\xeb\x3c\x90",
        b"MSDOS5.0",
        SECTOR,
        geometry.per_cluster,
        geometry.reserved,
        2,
        ROOT_ENTRIES,
        small,
        MEDIA_FIXED_DISK,
        geometry.fat_sectors,
        SECTORS_PER_TRACK,
        HEADS,
        geometry.hidden,
        0 if small else geometry.sectors,
        DRIVE,
        0,
        0x29,
        serial,
        label,
        b"FAT12   " if geometry.bits == 12 else b"FAT16   ",
    )
    # Not a boot program: int 18h tells the BIOS to try the next device.
    return (head + b"\xcd\x18\xeb\xfe").ljust(SECTOR - 2, b"\0") + b"\x55\xaa"


def _directory(node: _Node, label: bytes) -> bytes:
    if node.parent is None:
        out = [_entry(label, ATTR_LABEL, 0, 0)]
    else:
        up = node.parent.start
        out = [_entry(b".".ljust(11), ATTR_DIRECTORY, node.start, 0)]
        out += [_entry(b"..".ljust(11), ATTR_DIRECTORY, up, 0)]
    for child in node.sorted_children:
        kind = ATTR_FILE if child.children is None else ATTR_DIRECTORY
        out += [long_entries(child.name, child.short)]
        out += [_entry(child.short, kind, child.start, len(child.data))]
    return b"".join(out)


def _entry(name: bytes, attributes: int, start: int, size: int) -> bytes:
    return struct.pack(
        "<11sBBBHHHHHHHI",
        name,
        attributes,
        0,
        0,
        0,
        FIXED_DATE,
        FIXED_DATE,
        0,
        0,
        FIXED_DATE,
        start,
        size,
    )


def _label(text: str) -> bytes:
    if not (text.isascii() and text.isprintable() and 0 < len(text) <= 11):
        raise MediaError(f"{text!r} is not a volume label of 1 to 11 ASCII characters")
    return text.upper().encode("ascii").ljust(11)


def _serial(files: Mapping[str, bytes], label: str) -> int:
    digest = hashlib.sha256(label.encode())
    for path, data in sorted(files.items()):
        digest.update(path.encode() + b"\0" + hashlib.sha256(data).digest())
    return int.from_bytes(digest.digest()[:4], "little")
