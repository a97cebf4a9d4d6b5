"""Whose signature will do, and why another will not."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.unit.media.synthetic import certificate, ipxe_efi, shim, signature
from vmboot.media.find import Loader, load
from vmboot.media.trust import Signer, against, trusted_as_delivered

FINGERPRINT = hashlib.sha256(certificate("Key", "Site CA")).hexdigest()


def signed(folder: Path, issuer: str = "", subject: str = "Key") -> Loader:
    by = signature(subject, issuer) if issuer else b""
    path = folder / f"{issuer or 'nobody'}.efi"
    path.write_bytes(ipxe_efi(certificates=by))
    loader = load(path, source="given")
    assert loader is not None
    return loader


@pytest.mark.parametrize(
    ("signer", "issuer", "reason"),
    [
        (Signer.ANYONE, "", ""),
        (Signer.FIRMWARE, "", "is not signed, so Secure Boot refuses it"),
        (Signer.SHIM, "", "is not signed, so Secure Boot refuses it"),
        (Signer.SITE, "", "is not signed, so Secure Boot refuses it"),
        (Signer.FIRMWARE, "Microsoft UEFI CA 2023", ""),
        (Signer.FIRMWARE, "Site CA", "is signed by Key, which firmware does not trust"),
        (Signer.FIRMWARE, "Not Microsoft", "is signed by Key, which firmware does not trust"),
        (Signer.SITE, "Site CA", ""),
        (Signer.SITE, "Microsoft UEFI CA 2023", "is signed by Key, not with the site's own key"),
    ],
)
def test_each_signer_has_its_rule(tmp_path: Path, signer: Signer, issuer: str, reason: str) -> None:
    said = against(signer, signed(tmp_path, issuer))
    assert said.startswith(reason)
    assert bool(said) == bool(reason)


def test_a_site_that_names_its_certificate_takes_no_other(tmp_path: Path) -> None:
    right, wrong = signed(tmp_path, "Site CA"), signed(tmp_path, "Other CA")
    assert against(Signer.SITE, right, site_certificate=FINGERPRINT) == ""
    said = against(Signer.SITE, wrong, site_certificate=FINGERPRINT)
    assert said == f"is signed by Key, not with the site's certificate {FINGERPRINT[:12]}"


def test_a_shim_is_asked_itself(tmp_path: Path) -> None:
    path = tmp_path / "shim.efi"
    path.write_bytes(shim(vendor="Distro CA"))
    first = load(path, source="given")
    assert first is not None
    assert against(Signer.SHIM, signed(tmp_path, "Distro CA"), shim=first) == ""
    said = against(Signer.SHIM, signed(tmp_path, "Site CA"), shim=first)
    assert said == f"is signed by Key, which the shim {path} does not accept"


def test_one_authority_of_several_is_enough() -> None:
    both = ("Microsoft Corporation UEFI CA 2011", "Somebody")
    assert trusted_as_delivered(both)
    assert not trusted_as_delivered(())
