"""Change a FAT12, FAT16 or FAT32 volume in place: rename an entry, replace a file's content.

Pure: the volume's bytes in, new bytes out. What the change does not need stays byte for byte, dates
included, since no clock is read. The whole volume is walked first; one that contradicts itself is
refused, because a change to it could destroy what two files share.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from vmboot.errors import MediaError, NotFoundError, RefusedError
from vmboot.media import fatdir
from vmboot.media.fatdir import Directory, Entry
from vmboot.media.fatentries import ENTRY
from vmboot.media.fatlayout import FatTable, read_layout
from vmboot.media.fatnames import check_name, short_name

MAX_DEPTH = 16
MAX_ENTRIES = 10_000
MAX_FILE = (1 << 32) - 1


@dataclass(frozen=True)
class FatEntry:
    """A file or directory on a volume.

    :param path: with forward slashes, e.g. ``"EFI/BOOT/BOOTX64.EFI"``
    :param size: bytes; 0 for directories
    """

    path: str
    directory: bool
    size: int


def list_entries(volume: bytes) -> tuple[FatEntry, ...]:
    """Every file and directory, each directory before what is in it.

    :raises MediaError: no FAT volume, or one that contradicts itself
    """
    return tuple(FatEntry(path, e.directory, e.size) for path, e in _Editor(volume).found)


def read_file(volume: bytes, path: str) -> bytes:
    """The content of one file, named without regard to case.

    :raises NotFoundError: there is no such file
    :raises MediaError: no FAT volume, or one that contradicts itself
    """
    editor = _Editor(volume)
    _directory, entry = editor.locate(path, file=True)
    return editor.content(entry)


def rename_entry(volume: bytes, path: str, name: str) -> bytes:
    """The volume with the file or directory ``path`` called ``name``, in the directory where it is.

    :raises NotFoundError: there is no ``path``
    :raises RefusedError: something else is called ``name`` there already
    :raises MediaError: no FAT volume, a damaged one, no room, or ``name`` is not possible
    """
    editor = _Editor(volume)
    editor.rename(*editor.locate(path), check_name(name))
    return editor.result()


def replace_content(volume: bytes, path: str, content: bytes) -> bytes:
    """The volume with other content in the file ``path``.

    :raises NotFoundError: there is no such file
    :raises MediaError: no FAT volume, a damaged one, or no room
    """
    editor = _Editor(volume)
    editor.replace(*editor.locate(path, file=True), content)
    return editor.result()


class _Editor:
    """A copy of a volume that is being changed."""

    def __init__(self, volume: bytes) -> None:
        self._volume = bytearray(volume)
        self._layout = read_layout(self._volume)
        self._table = FatTable(self._volume, self._layout)
        self._used: set[int] = set()
        self.found = tuple(self._walk())

    def result(self) -> bytes:
        return bytes(self._volume)

    def locate(self, path: str, *, file: bool = False) -> tuple[Directory, Entry]:
        """The entry ``path`` and the directory it is in."""
        directory = fatdir.root(self._volume, self._layout, self._table)
        *folders, name = path.strip("/").split("/")
        for folder in folders:
            entry = _named(directory, folder, path)
            if not entry.directory:
                raise NotFoundError(f"there is no {path} on the FAT volume: {folder} is a file")
            directory = self._directory(entry)
        entry = _named(directory, name, path)
        if file and entry.directory:
            raise NotFoundError(f"{path} on the FAT volume is a directory, no file")
        return directory, entry

    def content(self, entry: Entry) -> bytes:
        size = self._layout.cluster_size
        starts = [self._layout.offset(cluster) for cluster in self._chain(entry)]
        return b"".join(self._volume[at : at + size] for at in starts)[: entry.size]

    def rename(self, directory: Directory, entry: Entry, name: str) -> None:
        others = [each for each in directory.entries() if each.last != entry.last]
        if any(each.is_called(name) for each in others):
            raise RefusedError(
                f"the FAT volume already has a {name} beside {entry.name}",
                hint="look which of the two is the right one; vmboot overwrites neither",
            )
        short = short_name(name, taken={each.short for each in others})
        slots = fatdir.renamed(directory.slot(entry.last), name, short)
        self._put(directory, slots, ours=range(entry.first, entry.last + 1))

    def replace(self, directory: Directory, entry: Entry, content: bytes) -> None:
        if len(content) > MAX_FILE:
            raise MediaError(f"{len(content)} bytes are more than a file on a FAT volume can have")
        chain = self._resize(self._chain(entry), -(-len(content) // self._layout.cluster_size))
        padded = content.ljust(len(chain) * self._layout.cluster_size, b"\0")
        for number, cluster in enumerate(chain):
            self._write(cluster, padded, number)
        at = directory.slots[entry.last]
        start = chain[0] if chain else 0
        if directory.wide:
            struct.pack_into("<H", self._volume, at + 20, start >> 16)
        struct.pack_into("<HI", self._volume, at + 26, start & 0xFFFF, len(content))

    def _write(self, cluster: int, content: bytes, number: int) -> None:
        size = self._layout.cluster_size
        at = self._layout.offset(cluster)
        self._volume[at : at + size] = content[number * size : (number + 1) * size]

    def _resize(self, chain: list[int], count: int) -> list[int]:
        """``chain`` cut or continued to ``count`` clusters."""
        kept, dropped = chain[:count], chain[count:]
        for cluster in dropped:
            self._table[cluster] = 0
        added = self._allocate(count - len(kept))
        self._table.link(kept + added)
        self._table.count_free(len(dropped) - len(added))
        return kept + added

    def _allocate(self, count: int) -> list[int]:
        free = [cluster for cluster, _ in zip(self._table.free(), range(count), strict=False)]
        if len(free) < count:
            short_of = (count - len(free)) * self._layout.cluster_size
            raise MediaError(
                f"the FAT volume is full: {short_of} bytes more are needed",
                hint="make a larger disk where it was made, or a shorter text",
            )
        return free

    def _put(self, directory: Directory, raw: bytes, *, ours: range) -> None:
        """Write a file's slots where its old ones, ``ours``, were, or where there is room."""
        count = len(raw) // ENTRY
        if count <= len(ours):
            directory.delete(range(ours.start, ours.stop - count))
            directory.write(ours.stop - count, raw)
            return
        first = directory.free_run(count, ours=ours)
        if first is None:
            self._extend(directory)
            first = directory.free_run(count, ours=ours)
        if first is None:
            raise MediaError("the directory on the FAT volume is full")
        end = directory.used_slots()
        directory.delete(ours)
        directory.write(first, raw)
        if end < first + count < len(directory.slots):
            self._volume[directory.slots[first + count]] = 0  # the mark moves on

    def _extend(self, directory: Directory) -> None:
        size = self._layout.cluster_size
        room = len(directory.slots) * ENTRY + size <= fatdir.MAX_SLOTS * ENTRY
        if not directory.chain or not room:
            raise MediaError("the directory on the FAT volume is full, and it cannot grow")
        directory.chain = self._resize(directory.chain, len(directory.chain) + 1)
        self._write(directory.chain[-1], bytes(size), 0)
        at = self._layout.offset(directory.chain[-1])
        directory.slots += range(at, at + size, ENTRY)

    def _directory(self, entry: Entry) -> Directory:
        return fatdir.directory_at(self._volume, self._layout, self._table, entry.start)

    def _chain(self, entry: Entry) -> list[int]:
        empty = entry.start == 0 and not entry.directory
        chain = [] if empty else self._table.chain(entry.start)
        if len(chain) * self._layout.cluster_size < entry.size:
            raise MediaError(f"{entry.name} on the FAT volume is shorter than its directory says")
        return chain

    def _walk(self) -> Iterator[tuple[str, Entry]]:
        """Everything there is, checking that no two things share a cluster."""
        top = fatdir.root(self._volume, self._layout, self._table)
        self._claim(top.chain)
        pending = [("", top, 0)]
        count = 0
        while pending:
            prefix, directory, depth = pending.pop()
            for entry in directory.entries():
                count += 1
                if count > MAX_ENTRIES or depth > MAX_DEPTH:
                    raise MediaError("the FAT volume has too many files, or directories too deep")
                self._claim(self._chain(entry))
                yield f"{prefix}{entry.name}", entry
                if entry.directory:
                    child = self._directory(entry)
                    pending.append((f"{prefix}{entry.name}/", child, depth + 1))

    def _claim(self, chain: list[int]) -> None:
        if not self._used.isdisjoint(chain):
            raise MediaError("two files on the FAT volume share a cluster: it is damaged")
        self._used.update(chain)


def _named(directory: Directory, name: str, path: str) -> Entry:
    entries = tuple(directory.entries())
    found = next((entry for entry in entries if entry.is_called(name)), None)
    if found is None:
        beside = ", ".join(entry.name for entry in entries[:8]) or "nothing"
        raise NotFoundError(f"there is no {path} on the FAT volume", hint=f"there is: {beside}")
    return found
