"""A GRUB image for UEFI: where it looks for its script and which modules are built in.

A signed GRUB loads no further module, so what is not built in it cannot do.

Sources: GRUB's ``include/grub/kernel.h`` (module area of an image, object types) and
``include/grub/dl.h`` (section ``.modname``); ELF-64 object file format.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

MAGIC = b"mimg"
MAX_OBJECTS = 1024
MAX_SECTIONS = 256
_ELF, _PREFIX = 0, 3


@dataclass(frozen=True)
class GrubImage:
    """:param prefix: folder of ``grub.cfg``, e.g. ``"/grub"``; ``""`` when it cannot be read"""

    prefix: str = ""
    modules: frozenset[str] = frozenset()


def read_grub(area: bytes) -> GrubImage:
    """What the module area (PE section ``mods``) of a GRUB image says; empty when damaged."""
    prefix = ""
    modules = set()
    for kind, content in _objects(area):
        if kind == _PREFIX:
            prefix = content.split(b"\0", 1)[0].decode("ascii", "replace")
        elif kind == _ELF:
            modules.add(_module_name(content))
    return GrubImage(prefix, frozenset(modules - {""}))


def _objects(area: bytes) -> Iterator[tuple[int, bytes]]:
    if area[:4] != MAGIC or len(area) < 24:
        return
    at, size = struct.unpack_from("<QQ", area, 8)
    end = min(size, len(area))
    for _ in range(MAX_OBJECTS):
        if at + 8 > end:
            return
        kind, length = struct.unpack_from("<II", area, at)
        if length < 8 or at + length > end:
            return
        yield kind, area[at + 8 : at + length]
        at += length


def _module_name(elf: bytes) -> str:
    """The content of the section ``.modname``, ``""`` where there is none."""
    try:
        (table,) = struct.unpack_from("<Q", elf, 0x28)
        if table > len(elf):  # 64 bits: too large even to be asked for
            return ""
        step, count, names_at = struct.unpack_from("<HHH", elf, 0x3A)
        sections = [
            struct.unpack_from("<I20xQQ", elf, table + step * number)
            for number in range(min(count, MAX_SECTIONS))
        ]
        names = sections[names_at][1]
    except (struct.error, IndexError):
        return ""
    for name, offset, size in sections:
        if elf[names + name : names + name + 9] == b".modname\0":
            return elf[offset : offset + min(size, 64)].rstrip(b"\0").decode("ascii", "replace")
    return ""
