"""Signing with a site's own key: the result is kept, found and verified; the key is guarded."""

from __future__ import annotations

import resource
import shutil
import ssl
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.unit.media.synthetic import ipxe_efi, isolinux
from vmboot.errors import (
    InputError,
    MediaError,
    MissingToolError,
    NotFoundError,
    RefusedError,
)
from vmboot.lab.markers import marker_bootstrap
from vmboot.media import sign as module
from vmboot.media.chain import Chain
from vmboot.media.loaders import select_loaders
from vmboot.media.pe import read_pe
from vmboot.media.sign import read_certificate, sign_loader
from vmboot.model import Firmware

PASSPHRASE = "not in any argument"


@dataclass(frozen=True)
class Site:
    """A key of its own for each test run, and a program to sign."""

    folder: Path
    key: Path
    encrypted: Path
    certificate: Path

    @property
    def program(self) -> Path:
        path = self.folder / "marker.efi"
        path.write_bytes(marker_bootstrap(Firmware.UEFI))
        return path

    @property
    def fingerprint(self) -> str:
        return read_certificate(self.certificate).fingerprint


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for tool in ("sbsign", "openssl"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed: apt-get install sbsigntool openssl")
    folder = tmp_path_factory.mktemp("keys")
    request = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=Site -days 3650"
    _openssl(folder, *request.split(), "-keyout", "site.key", "-out", "site.crt")
    _openssl(folder, *request.split(), "-keyout", "other.key", "-out", "other.crt")
    (folder / "pass").write_text(PASSPHRASE)
    locked = ("-in", "site.key", "-out", "locked.key", "-passout", "file:pass")
    _openssl(folder, "openssl", "pkcs8", "-topk8", *locked)
    return folder


def _openssl(folder: Path, *command: str) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


@pytest.fixture
def site(keys: Path, bare_machine: Path) -> Site:
    for name in ("site.key", "locked.key", "site.crt"):
        shutil.copy(keys / name, bare_machine / name)
        (bare_machine / name).chmod(stat.S_IRUSR | stat.S_IWUSR)
    return Site(
        bare_machine,
        bare_machine / "site.key",
        bare_machine / "locked.key",
        bare_machine / "site.crt",
    )


def test_a_signed_program_is_kept_with_its_signer(site: Site) -> None:
    loader = sign_loader(site.program, key=site.key, certificate=site.certificate)
    assert (loader.signers, loader.source) == (("Site",), "imported")
    assert loader.fingerprints == (site.fingerprint,)
    assert read_pe(loader.path.read_bytes()).signatures[0].subject == "Site"


def test_a_certificate_in_der_does_as_well(site: Site) -> None:
    der = site.folder / "site.der"
    der.write_bytes(ssl.PEM_cert_to_DER_cert(site.certificate.read_text()))
    loader = sign_loader(site.program, key=site.key, certificate=der)
    assert loader.fingerprints == (site.fingerprint,)


def test_an_encrypted_key_takes_its_passphrase_from_no_argument(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    run = subprocess.run

    def watched(command: list[str], **options: object) -> object:
        seen.append(command)
        assert PASSPHRASE not in str(options.get("env"))
        return run(command, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(module.subprocess, "run", watched)
    loader = sign_loader(
        site.program, key=site.encrypted, certificate=site.certificate, passphrase=PASSPHRASE
    )
    assert loader.signers == ("Site",)
    assert seen
    assert PASSPHRASE not in str(seen)


def test_a_missing_and_a_wrong_passphrase_are_said_without_repeating_it(site: Site) -> None:
    keys = {"key": site.encrypted, "certificate": site.certificate}
    with pytest.raises(InputError, match="encrypted, and no passphrase") as caught:
        sign_loader(site.program, **keys)
    assert "VMBOOT_KEY_PASSPHRASE" in caught.value.hint
    with pytest.raises(InputError, match="wrong passphrase") as caught:
        sign_loader(site.program, **keys, passphrase="guess")
    assert "guess" not in f"{caught.value!r} {caught.value.hint}"


def test_a_program_that_never_ends_is_given_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = site.folder / "bin/sbsign"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\nexec sleep 60\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tool.parent))
    monkeypatch.setattr(module, "TIMEOUT_S", 0.2)
    with pytest.raises(MediaError, match="sbsign did not end"):
        sign_loader(site.program, key=site.key, certificate=site.certificate)


def test_signing_again_gives_the_same_bytes(site: Site) -> None:
    first = sign_loader(site.program, key=site.key, certificate=site.certificate)
    again = sign_loader(site.program, key=site.key, certificate=site.certificate)
    assert (again.path, again.sha256) == (first.path, first.sha256)


def test_a_folder_gets_the_file_once(site: Site) -> None:
    out = site.folder / "out"
    keys = {"key": site.key, "certificate": site.certificate, "out": out}
    with pytest.raises(NotFoundError, match="does not exist"):
        sign_loader(site.program, **keys)
    out.mkdir()
    assert sign_loader(site.program, **keys).path == out / "marker.efi"
    with pytest.raises(RefusedError, match="exists already"):
        sign_loader(site.program, **keys)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_refused(site: Site, mode: int) -> None:
    site.key.chmod(mode)
    with pytest.raises(RefusedError, match="others than its owner can read") as caught:
        sign_loader(site.program, key=site.key, certificate=site.certificate)
    assert "chmod 600" in caught.value.hint


def test_a_certificate_of_another_key_is_noticed(site: Site, keys: Path) -> None:
    with pytest.raises(InputError, match="the certificate does not belong to the key") as caught:
        sign_loader(site.program, key=site.key, certificate=keys / "other.crt")
    assert "error:" not in caught.value.message, "nothing of what OpenSSL says"


def test_a_full_disk_leaves_no_half_of_a_program(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit on the size of files fails as a full disk does."""
    out, program = site.folder / "out", site.program
    out.mkdir()
    monkeypatch.setattr(module, "_sign", lambda *_: b"x" * 100_000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(InputError, match="cannot be written: File too large"):
            sign_loader(program, key=site.key, certificate=site.certificate, out=out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(out.iterdir()) == []


def test_what_is_no_uefi_program_is_refused(site: Site) -> None:
    bios = site.folder / "isolinux.bin"
    bios.write_bytes(isolinux())
    for file in (bios, site.certificate):
        with pytest.raises(InputError, match="not a UEFI program"):
            sign_loader(file, key=site.key, certificate=site.certificate)


def test_what_is_no_key_and_no_certificate_is_refused(site: Site) -> None:
    with pytest.raises(InputError, match="not a private key in PEM"):
        sign_loader(site.program, key=site.program, certificate=site.certificate)
    with pytest.raises(InputError, match=r"not an X\.509 certificate"):
        sign_loader(site.program, key=site.key, certificate=site.program)
    with pytest.raises(NotFoundError, match="does not exist"):
        sign_loader(site.folder / "none", key=site.key, certificate=site.certificate)


def test_without_sbsign_its_package_is_named(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(site.folder))
    with pytest.raises(MissingToolError) as caught:
        sign_loader(site.program, key=site.key, certificate=site.certificate)
    assert "sbsigntool" in caught.value.hint


def test_by_default_the_unsigned_ipxe_is_signed_and_media_find_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    (site.folder / "shelf").mkdir()
    (site.folder / "shelf/ipxe.efi").write_bytes(ipxe_efi())
    monkeypatch.setattr(module, "_sign", lambda program, *_rest: _signed(program, site))
    sign_loader(key=site.key, certificate=site.certificate, dirs=[site.folder / "shelf"])
    chosen = select_loaders(
        [Firmware.UEFI], chain=Chain.SITE_KEY, site_certificate=site.fingerprint
    )
    assert chosen.loaders["ipxe_efi"].signers == ("Site",)


def _signed(program: bytes, site: Site) -> bytes:
    """The table of a real signature on the made-up program, whose headers sbsign does not take."""
    assert program == ipxe_efi()
    signed = site.folder / "signed.efi"
    command = ["sbsign", "--key", site.key, "--cert", site.certificate, "--output", signed]
    subprocess.run([*command, site.program], check=True, capture_output=True)
    data = signed.read_bytes()
    entry = int.from_bytes(data[0x3C:0x40], "little") + 24 + 112 + 8 * 4
    return ipxe_efi(certificates=data[int.from_bytes(data[entry : entry + 4], "little") :])


def test_without_an_ipxe_to_sign_the_cure_is_named(site: Site) -> None:
    with pytest.raises(MissingToolError) as caught:
        sign_loader(key=site.key, certificate=site.certificate)
    assert "run: " in caught.value.hint
