"""A GRUB made up for tests: right where vmboot patches it, noise otherwise."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import replace
from pathlib import Path

from tests.unit.media.synthetic import loader_set
from vmboot.media.find import Loader
from vmboot.media.grub import CORE, core_loader
from vmboot.media.loaders import LoaderSet
from vmboot.model import Firmware

BOOT_IMG = (b"\xeb\x63\x90" + bytes(0x57) + b"\x99" * 356).ljust(510, b"\0") + b"\x55\xaa"


def core(sectors: int = 9) -> bytes:
    """As grub-mkimage writes it: the block list says block 2 and on."""
    blocks = b"".join(bytes([number + 1]) * 512 for number in range(sectors))
    return blocks[:500] + struct.pack("<QHH", 2, sectors - 1, 0x0820) + blocks[512:]


def grub(path: Path = Path("/made/up/boot.img"), *, able: bool = True) -> Loader:
    return Loader(
        name="boot.img",
        path=path,
        kind="grub-boot",
        firmware=Firmware.BIOS,
        arch="i386",
        version="2.06-13",
        capabilities=frozenset({CORE} if able else ()),
        signers=(),
        authorities=(),
        sha256=hashlib.sha256(BOOT_IMG).hexdigest(),
        size=512,
        source="system",
    )


def disk_loaders(**instead: bytes) -> LoaderSet:
    """Everything that a boot disk can be made of."""
    found = loader_set(isolinux_bin=b"", ldlinux_c32=b"", **instead)
    made = {"grub_boot": BOOT_IMG, "grub_core": core()}
    named = {"grub_boot": grub(), "grub_core": core_loader(grub(), core())}
    return replace(found, **made, loaders={**found.loaders, **named})
