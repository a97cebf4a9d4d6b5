"""The vendor's programs are recognised, and nothing of ours ever changes them."""

from __future__ import annotations

import hashlib

import pytest

from tests.unit.media import sitemedia
from tests.unit.media.diskmakers import dynamic_vhd
from tests.unit.media.pvs_samples import bios_program
from tests.unit.media.synthetic import pe
from vmboot.errors import RefusedError
from vmboot.media.pvsfiles import identify_file, identify_vendor_file, refuse_change
from vmboot.model import Firmware


@pytest.mark.parametrize("inverted", [False, True])
def test_the_bios_bootstrap_says_its_version(inverted):
    data = bios_program("7.22.1.9", inverted=inverted)
    found = identify_vendor_file(data, name="ARDBP32.BIN")
    assert (found.kind, found.version, found.inverted) == ("pvs-bootstrap", "7.22.1.9", inverted)
    assert found.sha256 == hashlib.sha256(data).hexdigest()
    assert found.firmware is Firmware.BIOS
    stored = ", stored inverted" if inverted else ""
    assert found.words == f"PVS BIOS bootstrap v7.22.1.9{stored}"


def test_the_second_stage_is_told_by_its_name():
    assert identify_vendor_file(bios_program(), name="x/TSBBDM.BIN").kind == "pvs-two-stage"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("pvsnbpx64.efi", "pvs-nbp"),
        ("EFI/BOOT/PVSBOOTX64.EFI", "pvs-bdm-loader"),
        ("EFI\\Boot\\PVSBOOTX64.efi", "pvs-bdm-loader"),
    ],
)
def test_uefi_programs_are_told_by_their_names(name, kind):
    found = identify_vendor_file(pe(b"content"), name=name)
    assert (found.kind, found.arch, found.signers) == (kind, "x86_64", ())
    assert found.words.endswith("by its name, not signed")
    assert found.to_json()["firmware"] == "uefi"


@pytest.mark.parametrize("data", [b"", b"text", pe(b"x"), bytes(5000)])
def test_other_files_are_not_the_vendors(data):
    assert identify_vendor_file(data, name="x.bin") is None


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("ARDBP32.BIN", bios_program()),
        ("tsbbdm.bin", bios_program(inverted=True)),
        ("EFI/BOOT/BOOTX64.EFI", pe(b"anything")),
        ("pvsnbpx64.efi", pe(b"x")),
    ],
)
def test_a_change_of_a_boot_program_is_refused(name, data):
    with pytest.raises(RefusedError, match="is not changed: it is a boot program") as caught:
        refuse_change(name, data)
    assert "PVSBOOT.INI" in caught.value.hint


def test_a_text_may_be_changed():
    refuse_change("PVSBOOT.INI", b"server=10.0.0.11")


def test_a_program_in_a_file_of_its_own_is_identified(tmp_path):
    file = tmp_path / "ARDBP32.BIN"
    file.write_bytes(bios_program())
    assert identify_file(file).is_bootstrap


@pytest.mark.parametrize(
    "data",
    [
        sitemedia.mbr_disk(),
        dynamic_vhd(bios_program()),
        sitemedia.iso(bios=bios_program()),
        b"",
        b"text",
    ],
    ids=["disk", "small VHD", "ISO", "nothing", "text"],
)
def test_media_that_hold_a_program_are_no_program(data, tmp_path):
    (tmp_path / "x").write_bytes(data)
    assert identify_file(tmp_path / "x") is None
