"""Read a VMDK whose descriptor is a file of its own and whose data lie in files beside it.

The names of those files come from the descriptor, so they are not trusted: only plain files in the
descriptor's own folder are opened, and no links.

Source: VMware "Virtual Disk Format 5.0", sections "The Descriptor" and "Simple Extents".
"""

from __future__ import annotations

from bisect import bisect_right
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from vmboot.errors import MediaError
from vmboot.media.container import CONVERT_HINT, Container, Piece, Plain
from vmboot.media.source import Source
from vmboot.media.vmdkformat import SECTOR
from vmboot.media.vmdkread import open_sparse, refuse_delta
from vmboot.media.vmdktext import MAX_TEXT, Extent, parse_descriptor

_PLAIN_KINDS = frozenset({"FLAT", "VMFS"})
_BESIDE_HINT = "keep the descriptor and the files that it names together in one folder"


@dataclass(frozen=True)
class Extents:
    """Parts one after the other; ``None`` is a part of zeroes.

    :param ends: offset behind each part, in bytes of the disk
    """

    format: str
    parts: tuple[Container | None, ...]
    ends: tuple[int, ...]
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        return self.ends[-1]

    def piece(self, at: int, most: int) -> Piece:
        index = bisect_right(self.ends, at)
        begin = self.ends[index - 1] if index else 0
        size = min(most, self.ends[index] - at)
        part = self.parts[index]
        return Piece(size, None) if part is None else part.piece(at - begin, size)


def open_described(source: Source, *, stack: ExitStack) -> Extents:
    """Open the disk that a descriptor describes.

    :param stack: closes the extent files that are opened
    :raises MediaError: a file is missing, too short, or not beside the descriptor
    """
    text = parse_descriptor(source.read(0, min(source.size, MAX_TEXT)))
    refuse_delta(text)
    extents = [extent for extent in text.extents if extent.sectors]
    if not extents:
        raise MediaError("the VMDK descriptor names no extent", hint=_BESIDE_HINT)
    parts = tuple(_open(source, extent, stack) for extent in extents)
    sparse = any(extent.kind == "SPARSE" for extent in extents)
    return Extents(
        format="vmdk-sparse" if sparse else "vmdk-flat",
        parts=parts,
        ends=tuple(accumulate(extent.sectors * SECTOR for extent in extents)),
    )


def _open(source: Source, extent: Extent, stack: ExitStack) -> Container | None:
    size = extent.sectors * SECTOR
    if extent.kind == "ZERO":
        return None
    if extent.kind not in _PLAIN_KINDS | {"SPARSE"}:
        raise MediaError(
            f"a VMDK with an extent of kind {extent.kind} cannot be read", hint=CONVERT_HINT
        )
    file = stack.enter_context(Source(_beside(source, extent.file)))
    if extent.kind == "SPARSE":
        part: Container = open_sparse(file)
        if part.size < size:
            raise MediaError(f"{extent.file} holds {part.size} bytes of the disk, not {size}")
        return part
    start = extent.offset * SECTOR
    if start + size > file.size:
        raise MediaError(
            f"{extent.file} is cut off: it has {file.size} bytes, "
            f"and the VMDK descriptor wants {start + size}",
            hint="copy it again, descriptor and data",
        )
    return Plain("raw", file, size, start)


def _beside(source: Source, name: str) -> Path:
    """The file ``name`` in the folder of the descriptor."""
    if source.folder is None:
        raise MediaError(
            f"this is only the descriptor of a VMDK; its data are in {name!r}", hint=_BESIDE_HINT
        )
    plain = name.isprintable() and not {"/", "\\"} & set(name) and name not in {"", ".", ".."}
    path = source.folder / name
    if not plain or path.is_symlink():
        raise MediaError(
            f"the VMDK descriptor names {name!r}, which is no plain file beside it",
            hint=_BESIDE_HINT,
        )
    if not path.is_file():
        raise MediaError(f"the VMDK's data file {path} is missing", hint=_BESIDE_HINT)
    return path
