"""What a shim starts, and whom it trusts."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import pytest

from tests.unit.media.synthetic import certificate, ipxe_efi, pe, shim, signature
from vmboot.errors import MediaError
from vmboot.media.identify import identify
from vmboot.media.pe import read_certificate
from vmboot.media.shimimage import accepts, next_program, vendors

DEBIAN = Path("/usr/lib/shim/shimx64.efi.signed")
GRUB = Path("/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("\\\\grubx64.efi", "grubx64.efi"),
        ("ipxe.efi", "ipxe.efi"),
        ("\\GRUBAA64.EFI", "grubaa64.efi"),
        ("nothing here", ""),
    ],
)
def test_the_next_program_is_the_one_that_is_no_helper(text: str, name: str) -> None:
    assert next_program(shim(starts=text)) == name


def test_a_shim_says_by_its_ability_what_it_starts() -> None:
    kinds = {}
    for starts in ("\\\\grubx64.efi", "ipxe.efi"):
        known = identify(shim(starts=starts))
        assert known is not None
        kinds[starts] = (known.kind, known.capabilities)
    assert kinds == {
        "\\\\grubx64.efi": ("shim", {"starts-grub"}),
        "ipxe.efi": ("shim", {"starts-ipxe"}),
    }


def test_the_vendors_certificate_is_found_without_the_sections_name() -> None:
    assert vendors(shim(vendor="Some CA")) == {"Some CA"}
    assert vendors(pe(b"no table here")) == set()


def test_a_vendor_with_a_list_of_certificates() -> None:
    x509 = bytes.fromhex("a159c0a5e494a74a87b5ab155c2bf072")
    lists = b""
    for name in ("First CA", "Second CA"):
        entry = bytes(16) + certificate(name, name)
        lists += x509 + struct.pack("<III", 28 + len(entry), 0, len(entry)) + entry
    assert vendors(shim(table=lists)) == {"First CA", "Second CA"}


def test_a_damaged_list_is_said_and_does_not_hang() -> None:
    lists = bytes(16) + struct.pack("<III", 0, 0, 0) + bytes(40)
    with pytest.raises(MediaError, match="damaged"):
        vendors(shim(table=lists))


def test_a_shim_accepts_what_its_vendor_signed_and_nothing_else() -> None:
    program = shim(vendor="Site CA")
    assert accepts(program, ipxe_efi(certificates=signature("Signer", "Site CA")))
    assert not accepts(program, ipxe_efi(certificates=signature("Signer", "Other CA")))
    assert not accepts(program, ipxe_efi())


def test_a_fingerprint_is_the_digest_of_the_certificate() -> None:
    der = certificate("Signer", "CA")
    assert read_certificate(der).fingerprint == hashlib.sha256(der).hexdigest()
    known = identify(ipxe_efi(certificates=signature("Signer", "CA")))
    assert known is not None
    assert known.fingerprints == (read_certificate(der).fingerprint,)


def test_debians_own_shim_starts_debians_own_grub() -> None:
    if not (DEBIAN.is_file() and GRUB.is_file()):
        pytest.skip("shim-signed and grub-efi-amd64-signed are not installed")
    assert next_program(DEBIAN.read_bytes()) == "grubx64.efi"
    assert vendors(DEBIAN.read_bytes())
    assert accepts(DEBIAN.read_bytes(), GRUB.read_bytes())
