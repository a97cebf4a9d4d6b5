"""Any disk image can be inspected: what is on it, whom it boots, and why not the others."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.media.bootdisks import (
    ESP,
    MIB,
    PROGRAM,
    START,
    gpt_disk,
    grub_sector,
    mbr_disk,
    our_files,
)
from tests.unit.media.diskmakers import dynamic_vhd, fixed_vhd, make_vhdx, sparse_vmdk
from tests.unit.media.synthetic import (
    config,
    grub_efi,
    ipxe_efi,
    isolinux,
    lkrn,
    pe,
    shim,
    signature,
)
from vmboot.errors import MediaError, MissingToolError
from vmboot.media.bdm import build_bdm
from vmboot.media.diskinspect import inspect_disk, is_disk
from vmboot.media.diskinspection import DiskInspection
from vmboot.media.fat import build_fat
from vmboot.media.inspect import inspect
from vmboot.media.loaders import select_loaders
from vmboot.media.partition import Partition, build_gpt
from vmboot.media.vmdk import stream_optimized
from vmboot.model import Firmware

OURS = mbr_disk(our_files())
MICROSOFT = signature("Microsoft Windows UEFI Driver Publisher", "Microsoft UEFI CA 2023")


def why(data: bytes, firmware: Firmware) -> tuple[str, ...]:
    """The reasons why ``data`` does not boot; none where it does."""
    boots = inspect_disk(data).boots
    assert (boots.bios if firmware is Firmware.BIOS else boots.uefi) is not bool(
        boots.why_not[firmware]
    )
    return boots.why_not[firmware]


def test_our_disk_is_read_back_whole() -> None:
    found = inspect_disk(OURS)
    assert (found.format, found.size, found.made_by) == ("raw", 8 * MIB, "vmboot")
    assert found.problems == ()
    assert (found.boots.bios, found.boots.uefi, found.boots.secure_boot) == (True, True, False)
    assert found.config == config()
    assert found.servers == config().servers
    assert found.table.kind == "mbr"
    assert [each.number for each in found.table.active] == [1]
    (volume,) = found.volumes
    assert (volume.partition, volume.start, volume.label) == (1, START * 512, "VMBOOT")
    assert volume.type == "FAT16"
    assert volume.files.keys() == our_files().keys()
    assert {each.path for each in found.loaders} == {"ipxe.lkrn", PROGRAM}


@pytest.mark.parametrize(
    "packed",
    [stream_optimized, sparse_vmdk, fixed_vhd, dynamic_vhd, make_vhdx],
    ids=lambda make: make.__name__,
)
def test_the_container_changes_nothing(packed: Callable[[bytes], bytes]) -> None:
    plain, other = inspect_disk(OURS), inspect_disk(packed(OURS))
    assert other.format != "raw"
    assert (other.sha256, other.boots, other.volumes) == (plain.sha256, plain.boots, plain.volumes)


def test_iso_and_disk_are_told_apart_by_content() -> None:
    assert isinstance(inspect(OURS), DiskInspection)
    assert isinstance(inspect(make_vhdx(OURS)), DiskInspection)


BIOS_FAULTS = {
    "no active flag": (
        mbr_disk(our_files(), active=()),
        "no partition is active (its GRUB would start all the same, "
        "but firmware may look for the mark)",
    ),
    "two active": (
        mbr_disk(our_files(), active=(1, 2)),
        "partitions 1 and 2 are both active, and exactly one must be",
    ),
    "no boot code": (
        mbr_disk(our_files(), code=b""),
        "the first sector holds no boot program",
    ),
    "no core": (
        mbr_disk(our_files(), core=b""),
        "the second part of GRUB is missing (block 1)",
    ),
    "core behind the end": (
        mbr_disk(our_files(), code=grub_sector(1 << 60)),
        f"the second part of GRUB is missing (block {1 << 60})",
    ),
    "no kernel": (mbr_disk(our_files(**{"ipxe.lkrn": None})), "ipxe.lkrn is missing"),
    "empty kernel": (mbr_disk(our_files(**{"ipxe.lkrn": b""})), "ipxe.lkrn is empty (0 bytes)"),
    "no script": (mbr_disk(our_files(**{"autoexec.ipxe": None})), "autoexec.ipxe is missing"),
    "other code, no active flag": (
        mbr_disk(our_files(), code=b"\xfa\x90", active=()),
        "no partition is active",
    ),
    "partition without a program": (
        mbr_disk(our_files(), code=b"\xfa\x90"),
        "the boot sector of partition 1 holds no boot program",
    ),
    "no signature": (
        OURS[:510] + b"\0\0" + OURS[512:],
        "the first sector has no boot signature (55 AA)",
    ),
    "FAT damaged": (
        mbr_disk({}, volume=b"\0" * 512, code=b"\xfa\x90"),
        "partition 1 should hold a FAT volume, but there is none",
    ),
    "GPT": (gpt_disk(our_files()), "the disk has a GPT and no boot program for a BIOS"),
    "blank": (bytes(MIB), "the first sector has no boot signature (55 AA)"),
}


@pytest.mark.parametrize("fault", BIOS_FAULTS.values(), ids=BIOS_FAULTS.keys())
def test_what_stops_a_bios_is_said(fault: tuple[bytes, str]) -> None:
    assert fault[1] in why(fault[0], Firmware.BIOS)


UEFI_FAULTS = {
    "missing": ({PROGRAM: None}, "EFI/BOOT/BOOTX64.EFI is missing"),
    "PVS name": (
        {PROGRAM: None, "EFI/BOOT/PVSBOOTX64.EFI": ipxe_efi()},
        "EFI/BOOT/BOOTX64.EFI is missing, but EFI/BOOT/PVSBOOTX64.EFI is there: "
        "rename it to BOOTX64.EFI: `vmboot media import --rename-bootx64`",
    ),
    "arm64 only": (
        {PROGRAM: None, "EFI/BOOT/BOOTAA64.EFI": ipxe_efi(machine=0xAA64)},
        "EFI/BOOT/BOOTX64.EFI is missing; what is there is for arm64 machines",
    ),
    "wrong machine": (
        {PROGRAM: ipxe_efi(machine=0x014C)},
        "EFI/BOOT/BOOTX64.EFI is for i386 machines, not for x86_64",
    ),
    "no script": ({"autoexec.ipxe": None}, "autoexec.ipxe is missing"),
    "empty script": ({"autoexec.ipxe": b""}, "autoexec.ipxe is empty (0 bytes)"),
    "empty": ({PROGRAM: b""}, "EFI/BOOT/BOOTX64.EFI is empty (0 bytes)"),
    "no program": ({PROGRAM: b"hello"}, "EFI/BOOT/BOOTX64.EFI is not a UEFI program"),
    "BIOS program": ({PROGRAM: isolinux()}, "EFI/BOOT/BOOTX64.EFI is not a UEFI program"),
    "cut program": (
        {PROGRAM: pe()[:80]},
        "EFI/BOOT/BOOTX64.EFI is damaged: the headers of the PE program are cut off",
    ),
    "old iPXE": (
        {PROGRAM: ipxe_efi("1.0.0", autoexec=False)},
        "BOOTX64.EFI is iPXE 1.0.0, which ignores autoexec.ipxe, "
        "so it would not find its boot servers",
    ),
}


@pytest.mark.parametrize("fault", UEFI_FAULTS.values(), ids=UEFI_FAULTS.keys())
def test_what_stops_uefi_firmware_is_said(fault: tuple[dict[str, bytes], str]) -> None:
    assert fault[1] in why(mbr_disk(our_files(**fault[0])), Firmware.UEFI)


def behind_a_plain_mbr(core: bytes = b"\x90", *, block: int = START + 1, **instead: bytes) -> bytes:
    """GRUB in the partition's first sectors, as boot disks of ours have it."""
    sectors = 8 * MIB // 512 - START
    fat = build_fat(
        our_files(**instead),
        size=sectors * 512,
        label="VMBOOT",
        hidden_sectors=START,
        reserved=core.ljust(512, b"\0"),
    )
    disk = bytearray(mbr_disk({}, volume=fat, code=b"\xfa\x90"))
    sector = bytearray(grub_sector(block).ljust(512, b"\0"))
    sector[0x1A0:0x1A4] = b"\xcd\x18\xeb\xfe"  # GRUB's own way out
    at = START * 512
    disk[at + 0x5A : at + 510] = sector[0x5A:510]
    return bytes(disk)


def test_grub_in_the_active_partition_is_followed() -> None:
    assert why(behind_a_plain_mbr(), Firmware.BIOS) == ()
    assert why(behind_a_plain_mbr(b""), Firmware.BIOS) == (
        f"the second part of GRUB is missing (block {START + 1})",
    )
    without = behind_a_plain_mbr(**{"ipxe.lkrn": None})
    assert why(without, Firmware.BIOS) == ("ipxe.lkrn is missing",)


def test_a_partition_that_was_moved_does_not_find_its_grub() -> None:
    disk = bytearray(behind_a_plain_mbr() + bytes(MIB))
    disk[3000 * 512 : 3000 * 512 + 7 * MIB - 512] = disk[START * 512 : 8 * MIB - 512]
    disk[446 + 8 : 446 + 12] = (3000).to_bytes(4, "little")
    assert why(bytes(disk), Firmware.BIOS)[0] == (
        f"GRUB looks for its second part in block {START + 1}, but it is in block 3001: "
        "the partition was moved"
    )


def first_fat(disk: bytes) -> int:
    """Where the first copy of the allocation table begins, and how long it is."""
    reserved = int.from_bytes(disk[START * 512 + 14 : START * 512 + 16], "little")
    return (START + reserved) * 512


def test_allocation_tables_that_differ_are_a_problem() -> None:
    disk = bytearray(OURS)
    length = 512 * int.from_bytes(disk[START * 512 + 22 : START * 512 + 24], "little")
    disk[first_fat(OURS) + length + 100] ^= 0xFF
    found = inspect_disk(bytes(disk))
    assert [each for each in found.problems if "fsck.fat" in each] == [
        "the allocation tables of partition 1 differ, and each machine may believe another: "
        "repair it with fsck.fat or chkdsk"
    ]


@pytest.mark.parametrize("firmware", Firmware)
def test_a_script_of_ours_that_cannot_be_read_boots_nothing(firmware: Firmware) -> None:
    disk = bytearray(OURS)
    at = OURS.index(b"AUTOEX")  # its entry in the root directory
    disk[at + 28 : at + 32] = (100_000).to_bytes(4, "little")
    assert why(bytes(disk), firmware) == (
        "autoexec.ipxe cannot be read: autoexec.ipxe is shorter than its directory says",
    )


def test_of_two_esps_that_start_both_are_named() -> None:
    fat = build_fat(our_files(), size=4 * MIB, label="one", hidden_sectors=START)
    partitions = [Partition(n, ESP, START + (n - 1) * 8192, 8192, name="esp") for n in (1, 2)]
    gpt = build_gpt(partitions, sectors=24576, seed="test")
    disk = bytearray(24576 * 512)
    disk[: len(gpt.head)], disk[-len(gpt.tail) :] = gpt.head, gpt.tail
    disk[START * 512 : (START + 8192) * 512] = disk[
        (START + 8192) * 512 : (START + 16384) * 512
    ] = fat
    found = inspect_disk(bytes(disk))
    assert found.boots.uefi
    assert (
        f"partitions 1 and 2 each have {PROGRAM}: the firmware starts the first it finds"
    ) in found.notes


SYSLINUX = b"\xeb\x3c\x90SYSLINUX"


def test_syslinux_needs_its_second_file() -> None:
    for name, wanted in {
        "ldlinux.sys": (),
        "other.sys": ("partition 1 has the boot sector of syslinux, but ldlinux.sys is missing",),
    }.items():
        disk = bytearray(mbr_disk({name: b"x"}, code=b"\xfa\x90"))
        disk[START * 512 : START * 512 + len(SYSLINUX)] = SYSLINUX
        assert why(bytes(disk), Firmware.BIOS) == wanted


def test_a_program_for_windows_is_no_boot_program() -> None:
    program = bytearray(ipxe_efi())
    program[0x40 + 24 + 68] = 3  # subsystem: Windows console
    found = why(mbr_disk(our_files(**{PROGRAM: bytes(program)})), Firmware.UEFI)
    assert found == ("EFI/BOOT/BOOTX64.EFI is a program for Windows, not for UEFI",)


def test_without_any_fat_volume_nothing_boots() -> None:
    found = inspect_disk(mbr_disk({}, volume=b"\0" * 512))
    assert found.boots.why_not[Firmware.UEFI] == (
        "partition 1 should hold a FAT volume, but there is none",
    )
    assert "partition 1 should hold a FAT volume, but there is none" in found.problems


def test_a_damaged_fat_is_named_with_its_partition() -> None:
    disk = bytearray(OURS)
    disk[START * 512 + 14 : START * 512 + 16] = b"\xff\xff"  # reserved sectors
    found = inspect_disk(bytes(disk))
    assert any("the FAT volume of partition 1 cannot be read" in each for each in found.problems)
    assert not found.boots.uefi


def test_a_gpt_disk_for_uefi_alone_has_no_problem() -> None:
    found = inspect_disk(gpt_disk({PROGRAM: ipxe_efi(certificates=MICROSOFT)}))
    assert (found.boots.bios, found.boots.uefi, found.boots.secure_boot) == (False, True, True)
    assert found.problems == ()
    assert found.loaders[0].identity.signers == ("Microsoft Windows UEFI Driver Publisher",)
    assert found.loaders[0].identity.authorities == ("Microsoft UEFI CA 2023",)


def test_an_unsigned_program_is_a_note_only() -> None:
    found = inspect_disk(gpt_disk({PROGRAM: ipxe_efi()}))
    assert found.problems == ()
    assert found.notes == ("BOOTX64.EFI is not signed: VMs with Secure Boot will refuse it",)


SHIM = shim(certificates=MICROSOFT)
GRUB = "EFI/BOOT/grubx64.efi"


def test_a_shim_boots_what_it_trusts() -> None:
    grub = grub_efi(certificates=signature("Signer", "Distro CA"))
    boots = inspect_disk(gpt_disk({PROGRAM: SHIM, GRUB: grub})).boots
    assert (boots.uefi, boots.secure_boot) == (True, True)


def test_a_shim_without_its_companion_boots_nothing() -> None:
    assert why(gpt_disk({PROGRAM: SHIM}), Firmware.UEFI) == (
        f"BOOTX64.EFI is a shim that starts {GRUB}, which is missing",
    )


def test_a_shim_refuses_what_it_does_not_trust_with_secure_boot_only() -> None:
    found = inspect_disk(gpt_disk({PROGRAM: SHIM, GRUB: grub_efi()}))
    assert (found.boots.uefi, found.boots.secure_boot) == (True, False)
    assert found.notes == (
        f"{GRUB} is not signed by a key that the shim trusts: VMs with Secure Boot will refuse it",
    )


def test_a_disk_of_the_machines_own_loaders_boots_both() -> None:
    wish = config()
    try:
        loaders = select_loaders(wish.firmwares, medium="bdm")
    except MissingToolError as error:
        pytest.skip(f"no loaders for a boot disk on this machine: {error.message}")
    found = inspect_disk(stream_optimized(build_bdm(wish, loaders).data))
    assert (found.boots.bios, found.boots.uefi, found.problems) == (True, True, ())
    assert (found.made_by, found.config) == ("vmboot", wish)


def test_a_partition_that_is_no_esp_is_noted() -> None:
    found = inspect_disk(
        gpt_disk({PROGRAM: ipxe_efi()}, kind="EBD0A0A2-B9E5-4433-87C0-68B6B72699C7")
    )
    assert found.boots.uefi
    assert "partition 1 is no EFI system partition" in found.notes[0]


def test_a_disk_that_is_one_fat_volume_boots_uefi() -> None:
    found = inspect_disk(build_fat({PROGRAM: ipxe_efi()}, size=4 * MIB, label="STICK"))
    assert (found.table.kind, found.volumes[0].partition) == ("none", 0)
    assert found.boots.uefi
    assert found.boots.why_not[Firmware.BIOS] == (
        "the boot sector of the disk holds no boot program",
    )
    assert found.problems == ()


def test_a_strangers_texts_are_searched_for_addresses() -> None:
    texts = {"PVSBOOT.INI": "[s]\r\nServer1=10.0.0.11\r\n".encode("utf-16"), PROGRAM: ipxe_efi()}
    found = inspect_disk(gpt_disk(texts))
    assert (found.made_by, found.addresses) == ("", {"PVSBOOT.INI": ("10.0.0.11",)})


def test_an_edited_script_is_noticed() -> None:
    files = our_files()
    files["autoexec.ipxe"] = files["autoexec.ipxe"].replace(b"10.0.0.11", b"10.9.9.11")
    found = inspect_disk(mbr_disk(files))
    assert [server.address for server in found.servers] == ["10.9.9.11", "10.0.0.12"]
    assert "the UEFI script is not the one that the manifest was written for" in found.problems


def test_another_kernel_is_noticed() -> None:
    found = inspect_disk(mbr_disk(our_files(**{"ipxe.lkrn": lkrn("1.0.0+git1")})))
    assert "the loader ipxe_lkrn is not the one that the manifest names" in found.problems


def test_files_of_several_volumes_carry_their_partition() -> None:
    disk = bytearray(mbr_disk(our_files(), size=16 * MIB))
    second = 12 * MIB
    volume = build_fat({"EFI/BOOT/BOOTAA64.EFI": ipxe_efi(machine=0xAA64)}, size=MIB, label="B")
    disk[second : second + len(volume)] = volume
    entry = 446 + 16
    disk[entry + 4] = 0x0E
    disk[entry + 8 : entry + 16] = (second // 512).to_bytes(4, "little") + (2048).to_bytes(
        4, "little"
    )
    found = inspect_disk(bytes(disk))
    assert {each.path for each in found.loaders} == {
        "1:ipxe.lkrn",
        f"1:{PROGRAM}",
        "2:EFI/BOOT/BOOTAA64.EFI",
    }
    assert found.boots.uefi


def test_an_esp_of_50_mb_with_fat32_is_read(tmp_path: Path) -> None:
    mkfs = shutil.which("mkfs.fat", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if not mkfs or not shutil.which("mcopy"):
        pytest.skip("mkfs.fat or mcopy is not installed: apt-get install dosfstools mtools")
    image, program = tmp_path / "esp.img", tmp_path / "BOOTX64.EFI"
    program.write_bytes(ipxe_efi())
    image.write_bytes(bytes(50 * MIB))
    subprocess.run([mkfs, "-F", "32", "-n", "CTXPVS", image], check=True, capture_output=True)
    subprocess.run(["mmd", "-i", image, "::/EFI", "::/EFI/BOOT"], check=True)
    subprocess.run(["mcopy", "-i", image, program, "::/EFI/BOOT/"], check=True)
    disk = mbr_disk({}, volume=image.read_bytes(), size=51 * MIB, kind="ef")
    found = inspect_disk(disk)
    assert (found.volumes[0].type, found.volumes[0].label) == ("FAT32", "CTXPVS")
    assert found.boots.uefi


def test_of_a_large_disk_only_what_is_needed_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.raw"
    with path.open("wb") as file:
        file.write(OURS)
        file.truncate(1 << 40)  # holes: takes no room here either
    found = inspect_disk(path)
    assert (found.size, found.sha256) == (1 << 40, "")
    assert "no SHA-256 is made of a disk this large" in found.notes
    assert (found.boots.bios, found.boots.uefi) == (True, True)


def test_an_inspection_is_json() -> None:
    document = json.loads(json.dumps(inspect_disk(OURS).to_json()))
    assert document["partitions"][0] == {
        "number": 1,
        "type": "0e",
        "start": MIB,
        "size": 7 * MIB,
        "active": True,
        "name": "",
    }
    assert document["boots"]["why_not"] == {"bios": [], "uefi": []}
    assert document["servers"][0] == {"address": "10.0.0.11", "name": "pvs1"}
    assert document["volumes"][0]["files"]["ipxe.lkrn"] == len(lkrn())


def test_other_bytes_are_no_disk() -> None:
    assert not is_disk(b"no" * 40_000)
    with pytest.raises(MediaError, match="not an ISO 9660 image, and no disk image"):
        inspect(b"no" * 40_000)
