"""Open a disk image of any kind and read it as the disk that a machine would see.

The format is told from the content, never from the name. Memory and work do not depend on the
sizes that headers claim, only on what is asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from vmboot.errors import MediaError
from vmboot.media.container import CONVERT_HINT, Container, Plain
from vmboot.media.source import MAX_READ, Source
from vmboot.media.vhd import is_vhd, open_vhd
from vmboot.media.vhdx import is_vhdx, open_vhdx
from vmboot.media.vmdkflat import open_described
from vmboot.media.vmdkread import is_sparse_vmdk, open_sparse, refuse_esx_sparse
from vmboot.media.vmdktext import is_descriptor

CHUNK = 1 << 20
MAX_HASHED = 2 << 30  # bytes of a disk that all lie in its file
MAX_SPARSE_HASHED = 256 << 20  # bytes of a disk that claims more than its file holds
# other formats, so that they are not taken for raw disks: first bytes, name, how to go on
_FOREIGN = (
    (b"QFI\xfb", "a QCOW image", CONVERT_HINT),
    (b"<<< ", "a VirtualBox image", CONVERT_HINT),
    (b"\x1f\x8b", "packed with gzip", "unpack it first: gunzip FILE"),
    (b"\xfd7zXZ", "packed with xz", "unpack it first: xz -d FILE"),
    (b"PK\x03\x04", "a ZIP archive", "unpack it first: unzip FILE"),
    (b"7z\xbc\xaf", "a 7-Zip archive", "unpack it first: 7z x FILE"),
)


class DiskImage:
    """A disk image, opened by :func:`open_disk`; a context manager.

    :ivar format: ``raw``, ``vmdk-stream``, ``vmdk-sparse``, ``vmdk-flat``, ``vhd-fixed``,
        ``vhd-dynamic``, ``vhdx-fixed`` or ``vhdx-dynamic``
    :ivar size: bytes of the disk, not of the file
    :ivar notes: what a person should know, in plain words
    """

    def __init__(self, container: Container, stack: ExitStack, *, file_size: int) -> None:
        self._container = container
        self._stack = stack
        self.format = container.format
        self.size = container.size
        self.notes = container.notes
        self.file_size = file_size

    def __enter__(self) -> DiskImage:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stack.close()

    def read(self, offset: int, size: int) -> bytes:
        """``size`` bytes at ``offset``, fewer at the end of the disk.

        :raises MediaError: they cannot be had, or are too many to be held at once
        """
        if size > MAX_READ:
            raise MediaError(f"a part of {size} bytes is too large to look at")
        return b"".join(self._pieces(max(0, offset), offset + size))

    def sha256(self) -> str:
        """Digest of the whole disk; ``""`` for one that is too large to be read for it."""
        if self.size > (MAX_HASHED if self.size <= self.file_size else MAX_SPARSE_HASHED):
            return ""
        digest = hashlib.sha256()
        for piece in self._pieces(0, self.size):
            digest.update(piece)
        return digest.hexdigest()

    def _pieces(self, at: int, end: int) -> Iterator[bytes]:
        end = min(end, self.size)
        while at < end:
            piece = self._container.piece(at, min(end - at, CHUNK))
            yield bytes(piece.size) if piece.data is None else piece.data
            at += piece.size


def open_disk(target: bytes | str | Path) -> DiskImage:
    """Open a disk image: a path, or its bytes.

    :raises NotFoundError: there is no such file
    :raises MediaError: damaged, cut off, or of a kind that cannot be read; the hint says what to do
    """
    with ExitStack() as stack:
        source = stack.enter_context(Source(target))
        container = _open(source, stack)
        return DiskImage(container, stack.pop_all(), file_size=source.size)


def raw_bytes(target: bytes | str | Path, *, limit: int) -> bytes:
    """The whole disk as raw bytes.

    :param limit: bytes; a larger disk is refused before anything is read
    :raises MediaError: as :func:`open_disk`, or larger than ``limit``
    """
    with open_disk(target) as disk:
        if disk.size > limit:
            raise MediaError(
                f"the disk has {disk.size} bytes; a boot disk has at most {limit}",
                hint="name the small boot disk, not a system disk",
            )
        return b"".join(disk.read(at, CHUNK) for at in range(0, disk.size, CHUNK))


def _open(source: Source, stack: ExitStack) -> Container:
    head = source.read(0, min(source.size, 512))
    if is_sparse_vmdk(head):
        return open_sparse(source)
    if is_descriptor(head):
        return open_described(source, stack=stack)
    if is_vhdx(head):
        return open_vhdx(source)
    if is_vhd(source):
        return open_vhd(source)
    refuse_esx_sparse(head)
    for magic, name, hint in _FOREIGN:
        if head.startswith(magic):
            raise MediaError(f"this file is {name}, which vmboot does not read", hint=hint)
    if not source.size:
        raise MediaError("this file is empty", hint="copy or export the disk again")
    return Plain("raw", source, source.size)
