"""What an inspection of a disk looks like: the verdict first, nothing said twice."""

from __future__ import annotations

import io

from rich.console import Console

from tests.unit.media.bootdisks import PROGRAM, gpt_disk, mbr_disk, our_files
from tests.unit.media.synthetic import ipxe_efi
from vmboot.cli.views.inspection import inspection_view
from vmboot.media.inspect import inspect


def shown(data: bytes) -> str:
    console = Console(width=300, file=io.StringIO(), force_terminal=False)
    console.print(inspection_view("disk.img", inspect(data)))
    return console.file.getvalue()


def test_a_disk_of_ours_shows_table_files_loaders_and_servers() -> None:
    text = shown(mbr_disk(our_files()))
    assert text.splitlines()[0] == "boots: BIOS yes, UEFI yes, with Secure Boot no"
    for wanted in ("MBR partition table", "active", "FAT16 LBA", "ipxe.lkrn", "10.0.0.12", "pvs1"):
        assert wanted in text
    assert "problem:" not in text


def test_the_reason_stands_in_the_first_line_and_only_there() -> None:
    text = shown(mbr_disk(our_files(**{PROGRAM: b""}), active=()))
    first, *rest = text.splitlines()
    assert first.startswith("boots: BIOS no – no partition is active")
    assert first.endswith("UEFI no – EFI/BOOT/BOOTX64.EFI is empty (0 bytes)")
    assert "is empty" not in "\n".join(rest)


def test_a_bdm_disk_as_the_vendors_tool_leaves_it_says_what_to_do() -> None:
    text = shown(gpt_disk({"EFI/BOOT/PVSBOOTX64.EFI": ipxe_efi()}))
    assert "vmboot media import --rename-bootx64" in text.splitlines()[0]
    assert "EFI system" in text


def test_names_from_the_disk_cannot_write_to_the_terminal() -> None:
    disk = bytearray(mbr_disk({"A.TXT": b"x"}))
    at = disk.index(b"A       TXT")
    disk[at : at + 3] = b"\x1b[2"
    assert "\x1b" not in shown(bytes(disk))
