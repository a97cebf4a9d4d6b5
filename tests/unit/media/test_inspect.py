"""Any ISO can be inspected; damaged ones are refused or reported, never a crash."""

from __future__ import annotations

import io
import json
import random
import struct
import time
from pathlib import Path

import pycdlib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.media.synthetic import (
    PROGRAMS,
    config,
    ipxe_efi,
    isolinux,
    ldlinux,
    loader_set,
    signature,
)
from vmboot.errors import MediaError, NotFoundError
from vmboot.media.fat import build_fat
from vmboot.media.inspect import inspect
from vmboot.media.iso import build_iso
from vmboot.model import Bootstrap, Firmware

OURS = build_iso(config(), loader_set()).data
MICROSOFT = signature("Microsoft Windows UEFI Driver Publisher", "Microsoft UEFI CA 2023")


def stranger(
    files: dict[str, bytes], *, bios: str | None = None, efi: str | None = None, table: bool = True
) -> bytes:
    """An ISO as somebody else would make it: upper-case names, no Rock Ridge."""
    iso = pycdlib.PyCdlib()
    iso.new(vol_ident="THEIRS")
    for folder in sorted({path.rpartition("/")[0] for path in files} - {""}):
        iso.add_directory(f"/{folder}")
    for path, data in files.items():
        iso.add_fp(io.BytesIO(data), len(data), f"/{path};1")
    if bios:
        iso.add_eltorito(f"/{bios};1", boot_info_table=table)
    if efi:
        iso.add_eltorito(f"/{efi};1", efi=True, platform_id=0xEF)
    out = io.BytesIO()
    iso.write_fp(out)
    return out.getvalue()


def esp(program: bytes, path: str = "EFI/BOOT/BOOTX64.EFI", **more: bytes) -> bytes:
    return build_fat({path: program, **more}, label="ESP")


def test_our_iso_is_read_back_whole() -> None:
    found = inspect(OURS)
    assert (found.made_by, found.volume_id, found.problems) == ("vmboot", "VMBOOT", ())
    assert [(entry.platform, entry.path) for entry in found.entries] == [
        ("bios", "isolinux.bin"),
        ("uefi", "efi.img"),
    ]
    assert found.boot_info_table == "ok"
    assert (found.boots.bios, found.boots.uefi, found.boots.secure_boot) == (True, True, False)
    assert found.servers == config().servers
    assert found.bootstrap == config().bootstrap
    assert found.config == config()
    assert {loader.identity.kind for loader in found.loaders} == {
        "isolinux",
        "ldlinux",
        "ipxe-lkrn",
        "ipxe-efi",
    }
    assert found.notes == ("BOOTX64.EFI is not signed: VMs with Secure Boot will refuse it",)


@pytest.mark.parametrize(("flag", "kind"), [(0x80, 0x17), (0, 0xEF)])
def test_of_a_hybrid_it_is_said_which_of_both_was_looked_at(flag: int, kind: int) -> None:
    hybrid = bytearray(OURS)
    struct.pack_into("<B3xB3xII", hybrid, 446, flag, kind, 64, len(OURS) // 512 - 64)
    hybrid[510:512] = b"\x55\xaa"
    found = inspect(bytes(hybrid))
    assert (found.boots, found.problems) == (inspect(OURS).boots, ())
    assert found.notes[0] == (
        "it is a disk with an MBR as well (isohybrid); what is said here is what it boots from a "
        "CD-ROM drive"
    )


def test_a_path_gives_the_same_as_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "boot.iso").write_bytes(OURS)
    assert inspect(tmp_path / "boot.iso") == inspect(str(tmp_path / "boot.iso")) == inspect(OURS)


def test_an_inspection_is_json() -> None:
    document = json.loads(json.dumps(inspect(OURS).to_json()))
    assert document["boots"] == {
        "bios": True,
        "uefi": True,
        "secure_boot": False,
        "why_not": {"bios": [], "uefi": []},
    }
    assert document["servers"][1] == {"address": "10.0.0.12", "name": ""}
    assert document["bootstrap"]["uefi"]["file"] == "pvsnbpx64.efi"
    assert document["network"] == {"mode": "dhcp", "vlan": None}


def test_media_for_one_firmware_say_what_will_not_boot() -> None:
    bios = config(bootstrap={Firmware.BIOS: Bootstrap("x")})
    found = inspect(build_iso(bios, loader_set()).data)
    assert found.problems == ("no UEFI boot entry: UEFI VMs will not boot it",)
    uefi = config(bootstrap={Firmware.UEFI: Bootstrap("x")})
    found = inspect(build_iso(uefi, loader_set()).data)
    assert found.problems == ("no BIOS boot entry: BIOS VMs will not boot it",)
    assert (found.boots.bios, found.boots.uefi) == (False, True)


def test_a_changed_script_is_told_from_its_manifest() -> None:
    changed = OURS.replace(b"//10.0.0.12/", b"//10.0.0.99/")
    found = inspect(changed)
    assert found.servers[1].address == "10.0.0.99"
    assert "the BIOS script is not the one that the manifest was written for" in found.problems
    assert "the UEFI script is not the one that the manifest was written for" in found.problems


def test_a_side_that_was_changed_alone_is_found() -> None:
    at = OURS.index(b"//10.0.0.12/")
    found = inspect(OURS[:at] + b"//10.0.0.99/" + OURS[at + 12 :])
    assert "the BIOS and the UEFI side of the media carry different scripts" in found.problems


def test_a_changed_loader_is_found() -> None:
    at = OURS.index(PROGRAMS["ldlinux_c32"]) + 1000
    found = inspect(OURS[:at] + b"!" + OURS[at + 1 :])
    assert "the loader ldlinux_c32 is not the one that the manifest names" in found.problems


def test_a_changed_isolinux_fails_its_own_checksum() -> None:
    at = OURS.index(PROGRAMS["isolinux_bin"][64:]) + 1000
    found = inspect(OURS[:at] + b"!" + OURS[at + 1 :])
    assert "checksum" in found.boot_info_table


def test_a_strangers_configs_give_up_their_addresses() -> None:
    files = {
        "ISOLINUX.BIN": isolinux(),
        "LDLINUX.C32": ldlinux(),
        "ISOLINUX.CFG": b"KERNEL x\nAPPEND server=10.1.2.3 mask=255.255.255.0 v=1.2.3.400\n",
        "PVS/BOOT.INI": "Server1=10.9.8.7\r\n".encode("utf-16"),
        "GRUB.CFG": b"chain http://boot.example.net/x.efi\n",
    }
    found = inspect(stranger(files, bios="ISOLINUX.BIN"))
    assert (found.made_by, found.servers, found.config) == ("", (), None)
    assert found.addresses == {
        "GRUB.CFG": ("http://boot.example.net/x.efi",),
        "ISOLINUX.CFG": ("10.1.2.3",),
        "PVS/BOOT.INI": ("10.9.8.7",),
    }
    assert found.root == (
        "BOOT.CAT",
        "GRUB.CFG",
        "ISOLINUX.BIN",
        "ISOLINUX.CFG",
        "LDLINUX.C32",
        "PVS/",
    )
    assert found.boots.bios


def test_isolinux_without_its_module_does_not_boot() -> None:
    found = inspect(stranger({"ISOLINUX.BIN": isolinux()}, bios="ISOLINUX.BIN"))
    assert not found.boots.bios
    assert (
        "isolinux.bin is there but ldlinux.c32 is not: BIOS VMs will not boot it" in found.problems
    )


def test_an_iso_without_el_torito_boots_nothing() -> None:
    found = inspect(stranger({"README.TXT": b"hello"}))
    assert found.entries == ()
    assert not found.boots.bios
    assert not found.boots.uefi


def test_an_esp_without_the_default_program_does_not_boot() -> None:
    image = esp(ipxe_efi(), "EFI/Boot/PVSBOOTX64.efi")
    found = inspect(stranger({"EFI.IMG": image}, bios="EFI.IMG", efi="EFI.IMG", table=False))
    assert not found.boots.uefi
    assert any("no EFI/BOOT/BOOTX64.EFI" in problem for problem in found.problems)


def test_an_old_ipxe_with_a_script_it_ignores_does_not_boot() -> None:
    image = build_fat(
        {"EFI/BOOT/BOOTX64.EFI": ipxe_efi(autoexec=False), "autoexec.ipxe": b"#!ipxe"}, label="X"
    )
    found = inspect(stranger({"EFI.IMG": image}, bios="EFI.IMG", efi="EFI.IMG", table=False))
    assert not found.boots.uefi
    assert any("ignores autoexec.ipxe" in problem for problem in found.problems)


@pytest.mark.parametrize(
    ("certificates", "secure", "words"),
    [
        (MICROSOFT, True, None),
        (signature("Site Key", "Site CA"), False, "signed by Site Key"),
        (b"", False, "is not signed"),
    ],
    ids=["microsoft", "own key", "unsigned"],
)
def test_secure_boot_is_judged_by_who_signed(
    certificates: bytes, secure: bool, words: str | None
) -> None:
    image = esp(ipxe_efi(certificates=certificates))
    found = inspect(stranger({"EFI.IMG": image}, bios="EFI.IMG", efi="EFI.IMG", table=False))
    assert found.boots.uefi
    assert found.boots.secure_boot == secure
    assert [words in note for note in found.notes] == ([True] if words else [])


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        inspect(tmp_path / "none.iso")


@pytest.mark.parametrize("data", [b"", b"x", bytes(40000), b"\xff" * 100_000], ids=len)
def test_what_is_no_iso_is_refused(data: bytes) -> None:
    with pytest.raises(MediaError):
        inspect(data)


@pytest.mark.parametrize("part", range(1, 20))
def test_a_cut_iso_is_refused(part: int) -> None:
    with pytest.raises(MediaError):
        inspect(OURS[: len(OURS) * part // 20])


def test_a_directory_that_contains_itself_ends() -> None:
    data = bytearray(stranger({"A/B.TXT": b"x"}))
    root = struct.unpack_from("<I", data, 16 * 2048 + 158)[0] * 2048
    at = data.index(b"\x01A", root) - 32  # the record of /A now points at the root
    data[at + 2 : at + 6] = struct.pack("<I", root // 2048)
    assert any("circle" in problem for problem in inspect(bytes(data)).problems)


def inspect_or_refuse(data: bytes) -> None:
    try:
        json.dumps(inspect(data).to_json())
    except MediaError:
        return


STRUCTURES = 64 * 2048  # descriptors, path tables, directories, catalog and small files


def test_two_thousand_mutations_end_in_a_result_or_a_refusal() -> None:
    dice = random.Random(20)
    slowest = 0.0
    for _ in range(2000):
        data = bytearray(OURS)
        for _ in range(dice.randint(1, 12)):
            where = dice.choice((STRUCTURES, len(data)))
            data[dice.randrange(16 * 2048, where)] = dice.choice((0, 1, 255, dice.randrange(256)))
        before = time.process_time()
        inspect_or_refuse(bytes(data))
        slowest = max(slowest, time.process_time() - before)
    assert slowest < 5


@settings(max_examples=300, deadline=5000)
@given(
    st.integers(16 * 2048, STRUCTURES),
    st.sampled_from([b"\xff" * 4, b"\0" * 4, b"\xff\xff\xff\x7f", b"\x01\0\0\0"]),
    st.sampled_from([2, 10, 32, 64, 158, 166]),
)
def test_wild_numbers_in_structures_end_in_a_result_or_a_refusal(
    at: int, value: bytes, step: int
) -> None:
    data = bytearray(OURS)
    data[at : at + 4] = value
    data[at + step : at + step + 4] = value
    inspect_or_refuse(bytes(data))


def test_a_sparse_iso_that_claims_to_be_huge_costs_little(tmp_path: Path) -> None:
    path = tmp_path / "sparse.iso"
    with path.open("wb") as file:
        file.write(OURS)
        file.truncate(300 * 1024 * 1024)
    before = time.process_time()
    assert inspect(path).made_by == "vmboot"
    assert time.process_time() - before < 5
