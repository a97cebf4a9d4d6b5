"""The right loaders are chosen, and a missing one is explained with its cure."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from tests.unit.media.grubs import BOOT_IMG, core, grub
from tests.unit.media.synthetic import (
    PROGRAMS,
    certificate,
    grub_efi,
    ipxe_efi,
    lkrn,
    shim,
    signature,
)
from vmboot.errors import MissingToolError
from vmboot.media import loaders as module
from vmboot.media.chain import Chain
from vmboot.media.distro import Distro
from vmboot.media.loaders import report, select_loaders
from vmboot.model import Firmware

BIOS, UEFI = Firmware.BIOS, Firmware.UEFI
FILES = {
    "isolinux_bin": "isolinux.bin",
    "ldlinux_c32": "ldlinux.c32",
    "ipxe_lkrn": "ipxe.lkrn",
    "ipxe_efi": "ipxe.efi",
}
OLD = "1.0.0+git-20190125.36a4c85-5.1"


@pytest.fixture
def debian(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "read_distro", lambda: Distro("debian", frozenset(), "bookworm"))


def shelf(folder: Path, **instead: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for part, data in {**PROGRAMS, **instead}.items():
        if data:
            (folder / FILES[part]).write_bytes(data)
    return folder


def test_both_firmwares_get_all_they_need(bare_machine: Path) -> None:
    chosen = select_loaders([UEFI, BIOS], dirs=[shelf(bare_machine / "x")])
    assert {part: getattr(chosen, part) for part in FILES} == PROGRAMS
    assert sorted(chosen.loaders) == sorted(FILES)


def test_only_the_firmwares_asked_for_need_loaders(bare_machine: Path) -> None:
    folder = shelf(bare_machine / "x", isolinux_bin=b"")
    chosen = select_loaders([UEFI], dirs=[folder])
    assert chosen.ipxe_efi
    assert not chosen.ipxe_lkrn


def test_debian_12s_ipxe_is_refused_for_uefi_with_the_cure(
    bare_machine: Path, debian: None
) -> None:
    folder = shelf(bare_machine / "x", ipxe_efi=ipxe_efi(OLD, autoexec=False))
    with pytest.raises(MissingToolError) as caught:
        select_loaders([BIOS, UEFI], dirs=[folder])
    assert caught.value.message == (
        f"no loader for UEFI media: iPXE for UEFI (ipxe.efi): {folder}/ipxe.efi ({OLD}) "
        "ignores autoexec.ipxe, so it cannot boot UEFI media"
    )
    assert "vmboot loaders fetch" in caught.value.hint


def test_many_loaders_that_will_not_do_are_named_and_not_listed(
    bare_machine: Path, debian: None
) -> None:
    folder = shelf(bare_machine / "x", ipxe_efi=b"")
    for number in range(5):
        old = ipxe_efi(OLD, autoexec=False) + bytes(number)
        (folder / f"ipxe-{number}.efi").write_bytes(old)
    with pytest.raises(MissingToolError) as caught:
        select_loaders([UEFI], dirs=[folder])
    assert caught.value.message == (
        "no loader for UEFI media: iPXE for UEFI (ipxe.efi): ipxe-0.efi, ipxe-1.efi, ipxe-2.efi "
        "and 2 more: each ignores autoexec.ipxe, so it cannot boot UEFI media"
    )


def test_debian_12s_ipxe_is_good_enough_for_bios(bare_machine: Path) -> None:
    folder = shelf(bare_machine / "x", ipxe_lkrn=lkrn(OLD, abilities=()), ipxe_efi=b"")
    assert select_loaders([BIOS], dirs=[folder]).loaders["ipxe_lkrn"].version == OLD


def test_an_unfit_loader_is_passed_over_for_a_later_one(bare_machine: Path) -> None:
    old = shelf(bare_machine / "a", ipxe_efi=ipxe_efi(OLD, autoexec=False))
    new = shelf(bare_machine / "b")
    chosen = select_loaders([UEFI], dirs=[old, new])
    assert chosen.loaders["ipxe_efi"].path == new / "ipxe.efi"


def test_a_full_build_is_preferred_to_snponly(bare_machine: Path) -> None:
    folder = shelf(bare_machine / "x")
    snponly = ipxe_efi("9.9.9+git1", abilities=(b"snponly.efi",))
    (folder / "a-snponly.efi").write_bytes(snponly)
    assert select_loaders([UEFI], dirs=[folder]).loaders["ipxe_efi"].kind == "ipxe-efi"


def test_an_arm_build_is_not_put_on_x86_media(bare_machine: Path) -> None:
    folder = shelf(bare_machine / "x", ipxe_efi=ipxe_efi(machine=0xAA64))
    with pytest.raises(MissingToolError, match="only for other processors"):
        select_loaders([UEFI], dirs=[folder])


def test_a_missing_isolinux_is_named(bare_machine: Path) -> None:
    folder = shelf(bare_machine / "x", isolinux_bin=b"")
    with pytest.raises(MissingToolError, match=r"BIOS media: isolinux\.bin is not installed"):
        select_loaders([BIOS], dirs=[folder])


def test_secure_boot_needs_a_loader_that_firmware_trusts(bare_machine: Path) -> None:
    for number, by in enumerate([b"", signature("Site Key", "Site CA")]):
        folder = shelf(bare_machine / f"{number}", ipxe_efi=ipxe_efi(certificates=by))
        with pytest.raises(MissingToolError, match=r"is not signed|does not trust"):
            select_loaders([UEFI], dirs=[folder], secure_boot=True)
    trusted = ipxe_efi(certificates=signature("A Publisher", "Microsoft UEFI CA 2023"))
    folder = shelf(bare_machine / "y", ipxe_efi=trusted)
    chosen = select_loaders([UEFI], dirs=[folder], secure_boot=True)
    assert chosen.loaders["ipxe_efi"].signers == ("A Publisher",)


def test_plain_media_do_not_change_when_a_loader_is_signed_for_a_chain(bare_machine: Path) -> None:
    folder = shelf(bare_machine / "x")
    by_site = ipxe_efi("9.9.9+git1", certificates=signature("Site Key", "Site CA"))
    (folder / "a-signed.efi").write_bytes(by_site)
    assert select_loaders([UEFI], dirs=[folder]).loaders["ipxe_efi"].name == "ipxe.efi"
    (folder / "ipxe.efi").unlink()
    assert select_loaders([UEFI], dirs=[folder]).loaders["ipxe_efi"].name == "a-signed.efi"


def test_what_was_signed_here_comes_before_what_others_signed(bare_machine: Path) -> None:
    put(bare_machine / "x/a-upstream", ipxe=ipxe_efi(certificates=signature("iPXE", "iPXE CA")))
    put(bare_machine / "x/signed-0123", ipxe=ipxe_efi(certificates=signature("Site", "Site CA")))
    chosen = select_loaders([UEFI], dirs=[bare_machine / "x"], chain=Chain.SITE_KEY)
    assert chosen.loaders["ipxe_efi"].signers == ("Site",)


BY_MICROSOFT = signature("Windows UEFI Driver Publisher", "Microsoft Corporation UEFI CA 2011")


def put(folder: Path, **programs: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for part, data in programs.items():
        (folder / f"{part}.efi").write_bytes(data)
    return folder


def test_the_chain_of_shim_and_grub_takes_the_pair_that_goes_together(bare_machine: Path) -> None:
    folder = put(
        bare_machine / "x",
        a_stranger=grub_efi(certificates=signature("Signer", "Other CA")),
        b_offline=grub_efi(modules=("net",), certificates=signature("Signer", "Distro CA")),
        c_match=grub_efi(certificates=signature("Signer", "Distro CA")),
        d_shim=shim(starts="ipxe.efi", certificates=BY_MICROSOFT),
        e_shim=shim(certificates=BY_MICROSOFT),
    )
    chosen = select_loaders([UEFI], dirs=[folder], chain=Chain.SHIM_GRUB)
    assert {name: each.name for name, each in chosen.loaders.items()} == {
        "shim_efi": "e_shim.efi",
        "grub_efi": "c_match.efi",
    }


def test_the_chain_of_ipxes_shim_takes_the_ipxe_that_it_accepts(bare_machine: Path) -> None:
    folder = put(
        bare_machine / "x",
        a_unsigned=ipxe_efi(),
        b_site=ipxe_efi(certificates=signature("Site Key", "Site CA")),
        c_match=ipxe_efi(certificates=signature("iPXE signer", "iPXE CA")),
        d_shim=shim(certificates=BY_MICROSOFT),
        e_shim=shim(starts="ipxe.efi", vendor="iPXE CA", certificates=BY_MICROSOFT),
    )
    chosen = select_loaders([UEFI], dirs=[folder], chain=Chain.SHIM_IPXE)
    assert {name: each.name for name, each in chosen.loaders.items()} == {
        "shim_efi": "e_shim.efi",
        "ipxe_efi": "c_match.efi",
    }


def test_a_shim_that_firmware_does_not_trust_is_named(bare_machine: Path, debian: None) -> None:
    folder = put(bare_machine / "x", own=shim(certificates=signature("Own", "Own CA")))
    with pytest.raises(MissingToolError) as caught:
        select_loaders([UEFI], dirs=[folder], chain=Chain.SHIM_GRUB)
    assert "is signed by Own, which firmware does not trust as delivered" in caught.value.message
    assert "signed network GRUB (grubnetx64.efi) is not installed" in caught.value.message
    assert caught.value.hint == "run: sudo apt-get install shim-signed grub-efi-amd64-signed"


@pytest.mark.parametrize(
    ("chain", "words"),
    [(Chain.SHIM_IPXE, "loaders import ipxeboot"), (Chain.SITE_KEY, "loaders sign --key")],
)
def test_each_chain_has_its_own_cure(bare_machine: Path, chain: Chain, words: str) -> None:
    with pytest.raises(MissingToolError) as caught:
        select_loaders([UEFI], chain=chain)
    assert words in caught.value.hint


def test_the_sites_key_is_known_by_its_fingerprint_or_by_not_being_microsofts(
    bare_machine: Path,
) -> None:
    by_site, by_other = signature("Site Key", "Site CA"), signature("Other", "Site CA")
    wanted = hashlib.sha256(certificate("Site Key", "Site CA")).hexdigest()
    folder = put(
        bare_machine / "x",
        a_unsigned=ipxe_efi(),
        b_microsoft=ipxe_efi(certificates=BY_MICROSOFT),
        c_other=ipxe_efi(certificates=by_other),
        d_site=ipxe_efi(certificates=by_site),
    )

    def taken(**options: str) -> str:
        chosen = select_loaders([UEFI], dirs=[folder], chain=Chain.SITE_KEY, **options)
        return chosen.loaders["ipxe_efi"].name

    assert taken() == "c_other.efi"
    assert taken(site_certificate=wanted) == "d_site.efi"
    assert taken(site_certificate=":".join(re.findall("..", wanted.upper()))) == "d_site.efi"


def test_a_vlan_needs_an_ipxe_that_knows_vlans(bare_machine: Path) -> None:
    folder = shelf(bare_machine / "x", ipxe_lkrn=lkrn(abilities=()))
    with pytest.raises(MissingToolError, match="has no VLAN support"):
        select_loaders([BIOS], dirs=[folder], needs={"vlan"})


def test_other_distributions_get_their_own_package_names(
    bare_machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "read_distro", lambda: Distro("fedora", frozenset(), ""))
    with pytest.raises(MissingToolError) as caught:
        select_loaders([BIOS])
    assert "dnf install ipxe-bootimgs" in caught.value.hint


def test_the_report_says_what_each_firmware_would_use(bare_machine: Path, debian: None) -> None:
    folder = shelf(bare_machine / "x", ipxe_efi=ipxe_efi(OLD, autoexec=False))
    bios, uefi = report(dirs=[folder]).firmwares
    assert (bios.firmware, bios.ready, len(bios.uses)) == (BIOS, True, 3)
    assert (uefi.firmware, uefi.ready, uefi.uses) == (UEFI, False, ())
    assert "ignores autoexec.ipxe" in uefi.problem
    assert "vmboot loaders fetch" in uefi.cure
    document = report(dirs=[folder]).to_json()
    assert [each["ready"] for each in document["firmwares"]] == [True, False]
    assert len(document["loaders"]) == 4


@pytest.fixture
def with_grub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """GRUB's boot.img lies here, and its core needs no tool."""
    path = tmp_path / "boot.img"
    path.write_bytes(BOOT_IMG)
    monkeypatch.setattr(module, "find_grub", lambda: grub(path))
    monkeypatch.setattr(module, "core_image", lambda _: core())
    return path


def test_a_boot_disk_for_bios_needs_grub_and_no_isolinux(
    bare_machine: Path, with_grub: Path
) -> None:
    folder = shelf(bare_machine / "x", isolinux_bin=b"", ldlinux_c32=b"")
    chosen = select_loaders([BIOS], dirs=[folder], medium="bdm")
    assert (chosen.grub_boot, chosen.grub_core) == (BOOT_IMG, core())
    assert sorted(chosen.loaders) == ["grub_boot", "grub_core", "ipxe_lkrn"]
    assert chosen.loaders["grub_core"].version == "2.06-13"
    assert chosen.loaders["grub_core"].kind == "grub-core"


def test_a_boot_iso_needs_no_grub(bare_machine: Path) -> None:
    assert not select_loaders([BIOS], dirs=[shelf(bare_machine / "x")]).grub_core


def test_a_missing_grub_is_named_with_its_packages(bare_machine: Path, debian: None) -> None:
    with pytest.raises(MissingToolError) as caught:
        select_loaders([BIOS], dirs=[shelf(bare_machine / "x")], medium="bdm")
    assert caught.value.message == (
        "no loader for BIOS boot disks: GRUB for BIOS (boot.img and its modules) is not installed"
    )
    assert caught.value.hint == "run: sudo apt-get install grub-common grub-pc-bin"


def test_a_missing_grub_mkimage_is_named_with_its_packages(
    bare_machine: Path, with_grub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "find_grub", lambda: grub(with_grub, able=False))
    monkeypatch.setattr(module, "read_distro", lambda: Distro("fedora", frozenset(), ""))
    with pytest.raises(MissingToolError, match="is of no use without grub-mkimage") as caught:
        select_loaders([BIOS], dirs=[shelf(bare_machine / "x")], medium="bdm")
    assert caught.value.hint == "run: sudo dnf install grub2-tools grub2-pc-modules"


def test_everything_missing_is_cured_in_one_go(bare_machine: Path, debian: None) -> None:
    with pytest.raises(MissingToolError) as caught:
        select_loaders([BIOS], medium="bdm")
    assert "grub-pc-bin; and run: vmboot loaders fetch" in caught.value.hint


def test_a_boot_disk_takes_ipxe_for_arm_along_where_there_is_one(bare_machine: Path) -> None:
    folder = shelf(bare_machine / "x")
    assert not select_loaders([UEFI], dirs=[folder], medium="bdm").ipxe_arm64
    arm = ipxe_efi(machine=0xAA64)
    (folder / "ipxe-arm64.efi").write_bytes(arm)
    assert select_loaders([UEFI], dirs=[folder], medium="bdm").ipxe_arm64 == arm
    assert not select_loaders([UEFI], dirs=[folder]).ipxe_arm64


def test_the_report_tells_boot_disks_from_isos(bare_machine: Path, with_grub: Path) -> None:
    folder = shelf(bare_machine / "x", isolinux_bin=b"")
    found = report(dirs=[folder])
    assert {each.firmware: each.ready for each in found.firmwares} == {BIOS: False, UEFI: True}
    assert {each.firmware: each.ready for each in found.disks} == {BIOS: True, UEFI: True}
    assert [each["medium"] for each in found.to_json()["disks"]] == ["bdm", "bdm"]
    assert "grub-boot" in [each["kind"] for each in found.to_json()["loaders"]]
