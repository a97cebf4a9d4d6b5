"""A shim without its companion boots nothing; with one that it does not trust no Secure Boot."""

from __future__ import annotations

import pytest

from tests.unit.media.synthetic import config, grub_efi, ipxe_efi, loader_set, shim, signature
from vmboot.media.chain import Chain
from vmboot.media.inspect import inspect
from vmboot.media.iso import build_iso
from vmboot.media.shimvolume import ShimFindings, check_shim

BY_MICROSOFT = signature("A Publisher", "Microsoft Corporation UEFI CA 2011")
SHIM = shim(certificates=BY_MICROSOFT)
GRUB = grub_efi(certificates=signature("Signer", "Distro CA"))
BOOT = {"EFI/BOOT/BOOTX64.EFI": SHIM}


def test_a_shim_without_what_it_starts() -> None:
    assert check_shim(BOOT).missing == (
        "BOOTX64.EFI is a shim that starts EFI/BOOT/grubx64.efi, which is missing"
    )


@pytest.mark.parametrize("program", [GRUB, grub_efi(certificates=BY_MICROSOFT)])
def test_its_vendor_or_microsoft_may_have_signed_the_companion(program: bytes) -> None:
    assert check_shim({**BOOT, "efi/boot/GRUBX64.EFI": program}) == ShimFindings()


@pytest.mark.parametrize(
    "program",
    [grub_efi(), grub_efi(certificates=signature("Signer", "Other CA")), b"no program"],
)
def test_nobody_else_may(program: bytes) -> None:
    found = check_shim({**BOOT, "EFI/BOOT/grubx64.efi": program})
    assert "not signed by a key that the shim trusts" in found.refused
    assert not found.missing


def test_volumes_without_a_shim_are_not_judged() -> None:
    for program in (ipxe_efi(), b"MZ", b""):
        assert check_shim({"EFI/BOOT/BOOTX64.EFI": program}) == ShimFindings()
    assert check_shim({}) == ShimFindings()


def test_an_iso_of_a_chain_is_inspected_without_a_problem() -> None:
    for chain, ipxe, first in (
        (Chain.SHIM_GRUB, b"", SHIM),
        (
            Chain.SHIM_IPXE,
            ipxe_efi(certificates=signature("Signer", "iPXE CA")),
            shim(starts="ipxe.efi", vendor="iPXE CA", certificates=BY_MICROSOFT),
        ),
    ):
        loaders = loader_set(ipxe_efi=ipxe, shim_efi=first, grub_efi=GRUB if not ipxe else b"")
        found = inspect(build_iso(config(), loaders, chain=chain).data)
        assert (found.problems, found.notes) == ((), ())
        assert found.boots.secure_boot


def test_an_iso_whose_shim_refuses_its_companion_does_not_boot_with_secure_boot() -> None:
    loaders = loader_set(ipxe_efi=b"", shim_efi=SHIM, grub_efi=grub_efi())
    found = inspect(build_iso(config(), loaders, chain=Chain.SHIM_GRUB).data)
    assert found.boots.uefi
    assert not found.boots.secure_boot
    assert any("VMs with Secure Boot will refuse it" in note for note in found.notes)
