"""The boot program of our MBR: fits, and points at its own messages. Real boots: tests/boot."""

from __future__ import annotations

import re

from vmboot.media.mbrcode import MAX_CODE, NO_ACTIVE, UEFI_ONLY, boot_code

MESSAGES = {
    "vmboot: the active partition cannot be read",
    "vmboot: the active partition is not bootable",
}


def pointed_at(code: bytes) -> set[str]:
    """The texts at the addresses that SI is loaded with (opcode BE), it runs at 0600h."""
    found = set()
    for match in re.finditer(rb"\xbe(..)", code[:0x75], re.DOTALL):
        at = int.from_bytes(match[1], "little") - 0x600
        if 0x75 <= at < len(code):
            found.add(code[at : code.index(0, at)].decode("ascii").rstrip("\r\n"))
    return found


def test_it_says_why_it_cannot_start() -> None:
    assert pointed_at(boot_code()) == {NO_ACTIVE, *MESSAGES}
    assert pointed_at(boot_code(none=UEFI_ONLY)) == {UEFI_ONLY, *MESSAGES}


def test_it_leaves_the_partition_table_alone() -> None:
    assert len(boot_code()) == MAX_CODE == 440
    assert len(boot_code(none=UEFI_ONLY)) == MAX_CODE
