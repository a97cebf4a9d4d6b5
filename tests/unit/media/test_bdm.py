"""The boot disk: the same bytes every time, and what independent tools read of it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.media.grubs import BOOT_IMG, core, disk_loaders
from tests.unit.media.synthetic import PROGRAMS, config, ipxe_efi, lkrn, loader
from vmboot.errors import InputError, MissingToolError
from vmboot.media.bdm import MIB, BootDisk, Layout, build_bdm, firmwares_for
from vmboot.media.fat import read_fat
from vmboot.media.grub import installed_core
from vmboot.media.partition import ESP, FAT16_LBA, Partition, read_partitions
from vmboot.media.script import parse, render
from vmboot.model import Bootstrap, Firmware, Network

BIOS, UEFI = Firmware.BIOS, Firmware.UEFI
BIOS_ONLY = {BIOS: Bootstrap("ARDBP32.BIN")}
UEFI_ONLY = {UEFI: Bootstrap("pvsnbpx64.efi")}
ROOT = Path(__file__).parents[3]
HYBRID = build_bdm(config(), disk_loaders())
EFI_DISK = build_bdm(config(bootstrap=UEFI_ONLY), disk_loaders(), layout=Layout.GPT)
DISKS = {"mbr": HYBRID, "gpt": EFI_DISK}


def table(disk: BootDisk) -> tuple[Partition, ...]:
    found = read_partitions(lambda at, size: disk.data[at : at + size], len(disk.data))
    assert found.kind == disk.layout
    assert found.problems == ()
    return found.partitions


def volume(disk: BootDisk) -> bytes:
    (partition,) = table(disk)
    return disk.data[partition.start * 512 : partition.end * 512]


def test_one_image_of_8_mib_holds_what_both_firmwares_need() -> None:
    assert len(HYBRID.data) == 8 * MIB
    script = render(config(), disk=True).encode()
    files = dict(read_fat(volume(HYBRID)))
    manifest = json.loads(files.pop("vmboot.json"))
    assert files == {
        "EFI/BOOT/BOOTX64.EFI": PROGRAMS["ipxe_efi"],
        "autoexec.ipxe": script,
        "ipxe.lkrn": PROGRAMS["ipxe_lkrn"],
    }
    assert manifest == HYBRID.manifest
    assert (manifest["medium"], manifest["layout"]) == ("bdm", "mbr")


def test_exactly_one_partition_is_active_and_reaches_the_end() -> None:
    assert table(HYBRID) == (Partition(1, FAT16_LBA, 2048, 14336, active=True),)


def test_the_layout_for_uefi_is_a_gpt_with_an_esp() -> None:
    (partition,) = table(EFI_DISK)
    assert (partition.type, partition.start, partition.name) == (ESP, 2048, "vmboot")
    assert sorted(read_fat(volume(EFI_DISK))) == [
        "EFI/BOOT/BOOTX64.EFI",
        "autoexec.ipxe",
        "vmboot.json",
    ]


def test_the_bios_loader_lies_in_the_volume_s_reserved_sectors() -> None:
    assert installed_core(volume(HYBRID)) == core()
    assert volume(HYBRID)[0x5A:0x5C] == BOOT_IMG[0x5A:0x5C]
    assert installed_core(volume(EFI_DISK)) == b""


def test_the_config_reads_back_from_the_one_file() -> None:
    wanted = config(work=True, network=Network(vlan=7))
    disk = build_bdm(wanted, disk_loaders())
    assert parse(read_fat(volume(disk))["autoexec.ipxe"].decode()) == wanted


def test_the_manifest_names_grub_with_version_and_digest() -> None:
    named = HYBRID.manifest["loaders"]
    assert named["grub_core"]["version"] == "2.06-13"
    assert named["grub_core"]["sha256"] == hashlib.sha256(core()).hexdigest()
    assert named["grub_boot"]["sha256"] == hashlib.sha256(BOOT_IMG).hexdigest()
    assert sorted(EFI_DISK.manifest["loaders"]) == ["ipxe_efi"]


def test_iPXE_for_arm_is_put_on_where_there_is_one() -> None:
    arm = ipxe_efi(machine=0xAA64)
    loaders = disk_loaders()
    loaders = replace(
        loaders, ipxe_arm64=arm, loaders={**loaders.loaders, "ipxe_arm64": loader("a", arm)}
    )
    disk = build_bdm(config(), loaders)
    assert read_fat(volume(disk))["EFI/BOOT/BOOTAA64.EFI"] == arm
    assert disk.manifest["loaders"]["ipxe_arm64"]["sha256"] == hashlib.sha256(arm).hexdigest()


def test_the_name_is_that_of_the_content() -> None:
    digest = hashlib.sha256(HYBRID.data).hexdigest()
    assert HYBRID.sha256 == digest
    assert HYBRID.file_name == f"vmboot-boot-{digest[:12]}.vmdk"
    assert build_bdm(config(), disk_loaders(), name="pvs").file_name.startswith("vmboot-pvs-")


@pytest.mark.parametrize("layout", ["mbr", "gpt"])
def test_rebuilding_gives_the_same_bytes_in_any_process(layout: str) -> None:
    code = (
        "from tests.unit.media.test_bdm import DISKS; import sys;"
        f"sys.stdout.write(DISKS[{layout!r}].sha256)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT)
    assert done.stdout == DISKS[layout].sha256, done.stderr


def test_other_content_gives_other_identifiers() -> None:
    other = build_bdm(config(server_timeout=9.0), disk_loaders())
    assert other.data[440:444] != HYBRID.data[440:444]


@pytest.mark.parametrize("size", [4 * MIB, 9 * MIB, 64 * MIB])
@pytest.mark.parametrize("layout", [Layout.MBR, Layout.GPT])
def test_it_can_be_larger_or_smaller(size: int, layout: Layout) -> None:
    wanted = config(bootstrap=UEFI_ONLY)
    disk = build_bdm(wanted, disk_loaders(), layout=layout, size=size)
    assert len(disk.data) == size
    assert "autoexec.ipxe" in read_fat(volume(disk))


def test_it_grows_by_itself_when_the_loaders_are_large() -> None:
    big = ipxe_efi() + bytes(9 * MIB)
    disk = build_bdm(config(), disk_loaders(ipxe_efi=big))
    assert len(disk.data) == 11 * MIB
    assert read_fat(volume(disk))["EFI/BOOT/BOOTX64.EFI"] == big


def test_a_size_that_is_too_small_says_what_does_not_fit_and_what_would() -> None:
    big = ipxe_efi() + bytes(9 * MIB)
    with pytest.raises(InputError) as caught:
        build_bdm(config(), disk_loaders(ipxe_efi=big), size=8 * MIB)
    assert "do not fit a boot disk of 8 MiB" in caught.value.message
    assert f"EFI/BOOT/BOOTX64.EFI with {len(big)} bytes" in caught.value.message
    assert caught.value.hint == "give it 11M or more"
    build_bdm(config(), disk_loaders(ipxe_efi=big), size=11 * MIB)


@pytest.mark.parametrize("size", [0, -MIB, MIB, 8 * MIB + 512, 257 * MIB])
def test_an_impossible_size_is_refused(size: int) -> None:
    with pytest.raises(InputError, match=f"{size} bytes cannot be made"):
        build_bdm(config(), disk_loaders(), size=size)


def test_a_gpt_disk_refuses_a_bootstrap_for_bios() -> None:
    with pytest.raises(InputError, match="starts UEFI machines only") as caught:
        build_bdm(config(), disk_loaders(), layout=Layout.GPT)
    assert "layout mbr" in caught.value.hint


def test_with_work_and_no_bootstrap_both_firmwares_boot_as_far_as_the_layout_lets_them() -> None:
    wanted = config(bootstrap={}, work=True)
    assert firmwares_for(wanted, Layout.AUTO) == (BIOS, UEFI)
    assert firmwares_for(wanted, Layout.GPT) == (UEFI,)
    files = read_fat(volume(build_bdm(wanted, disk_loaders(), layout=Layout.GPT)))
    assert "ipxe.lkrn" not in files
    both = read_fat(volume(build_bdm(wanted, disk_loaders())))
    assert {"ipxe.lkrn", "EFI/BOOT/BOOTX64.EFI"} <= set(both)


@pytest.mark.parametrize(
    ("bootstrap", "gone", "words"),
    [
        (BIOS_ONLY, "grub_core", "no grub_core for BIOS"),
        (BIOS_ONLY, "ipxe_lkrn", "no ipxe_lkrn for BIOS"),
        (UEFI_ONLY, "ipxe_efi", "no ipxe_efi for UEFI"),
    ],
)
def test_a_missing_program_is_named(
    bootstrap: dict[Firmware, Bootstrap], gone: str, words: str
) -> None:
    with pytest.raises(MissingToolError, match=words):
        build_bdm(config(bootstrap=bootstrap), replace(disk_loaders(), **{gone: b""}))


def test_a_vlan_needs_loaders_that_know_vlans() -> None:
    with pytest.raises(MissingToolError, match="has no VLAN support"):
        build_bdm(config(network=Network(vlan=3)), disk_loaders(ipxe_lkrn=lkrn(abilities=())))


def test_a_bad_name_is_refused() -> None:
    with pytest.raises(InputError, match="lower-case"):
        build_bdm(config(), disk_loaders(), name="No")


def tool(name: str, package: str) -> str:
    found = shutil.which(name, path="/usr/sbin:/sbin:/usr/bin:/bin")
    if not found:
        pytest.skip(f"{name} is not installed: apt-get install {package}")
    return found


@pytest.fixture(params=["mbr", "gpt"])
def image(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    path.write_bytes(DISKS[request.param].data)
    return path


def test_sfdisk_finds_no_error(image: Path) -> None:
    done = subprocess.run([tool("sfdisk", "fdisk"), "-V", image], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "No errors detected." in done.stdout


def test_fsck_finds_no_error_on_the_partition(image: Path, tmp_path: Path) -> None:
    part = tmp_path / "part.img"
    part.write_bytes(volume(HYBRID if image.read_bytes() == HYBRID.data else EFI_DISK))
    command = [tool("fsck.fat", "dosfstools"), "-n", "-v", part]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "2048 hidden sectors" in done.stdout


def test_mtools_read_the_config_from_the_partition(image: Path) -> None:
    at = f"{image}@@1M"
    listed = subprocess.run(
        [tool("mdir", "mtools"), "-b", "-/", "-i", at, "::"], capture_output=True, text=True
    )
    assert "::/EFI/BOOT/BOOTX64.EFI" in listed.stdout, listed.stderr
    read = subprocess.run(
        [tool("mtype", "mtools"), "-i", at, "::/autoexec.ipxe"], capture_output=True, check=True
    )
    assert parse(read.stdout.decode()).servers == config().servers
