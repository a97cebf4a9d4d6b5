"""Secure Boot: what is signed by a trusted key starts, what is not is refused, on every chain."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from tests.boot.securelab import (
    CERTIFICATE,
    FILE,
    PVS1,
    PVS2,
    VARIABLES,
    SecureLab,
    console,
    need,
)
from vmboot.errors import MissingToolError
from vmboot.lab.firmware_keys import trusting
from vmboot.lab.markers import MARKER, marker_line
from vmboot.lab.rehearsal_report import Reached
from vmboot.media.chain import Chain
from vmboot.media.find import find_loaders
from vmboot.model import Firmware, Network, NetworkMode

pytestmark = [pytest.mark.boot, pytest.mark.netns, pytest.mark.timeout(300)]

KEY_MANAGER = Path("/usr/lib/shim/mmx64.efi.signed")
NETWORK_GRUB = Path("/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed")
STATIC = Network(
    NetworkMode.STATIC,
    IPv4Address("192.0.2.50"),
    IPv4Address("255.255.255.128"),
    IPv4Address("192.0.2.1"),
)


@pytest.fixture
def lab(network_of_its_own: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SecureLab:
    """Its own place for imported loaders, so that no signed one of this machine gets in."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return SecureLab(tmp_path)


def test_shim_and_grub_from_a_cd_start_what_the_distribution_signed(lab: SecureLab) -> None:
    need(KEY_MANAGER, package="shim-signed")
    report = lab.boot(Chain.SHIM_GRUB, KEY_MANAGER, servers=(PVS1, PVS2), dead=(PVS1,))
    text = console(report)
    assert report.ok, report.verdict
    assert "vmboot: asking pvs1 10.0.0.11 (1/2) for boot/next.efi" in text
    assert "could not resolve hardware address" in text
    assert "vmboot: asking pvs2 10.0.0.12 (2/2) for boot/next.efi" in text
    assert "Shim UEFI key management" in text


def test_shim_and_grub_from_a_disk_in_a_static_network(lab: SecureLab) -> None:
    need(NETWORK_GRUB, package="grub-efi-amd64-signed")
    report = lab.boot(Chain.SHIM_GRUB, NETWORK_GRUB, kind="bdm", network=STATIC)
    text = console(report)
    assert report.ok, report.verdict
    assert "vmboot: efinet0 is 192.0.2.50" in text
    after = text.partition("vmboot: starting boot/next.efi")[2]
    assert "GNU GRUB  version" in after, "the second GRUB, fetched from the server, runs"


@pytest.mark.parametrize("kind", ["iso", "bdm"])
def test_shim_and_grub_refuse_what_nobody_signed(lab: SecureLab, kind: str) -> None:
    report = lab.boot(Chain.SHIM_GRUB, lab.unsigned(), kind=kind)
    text = console(report)
    assert not report.ok
    assert report.reached is Reached.DOWNLOADED
    assert "Secure Boot is on and it is not signed" in report.verdict
    assert "error: bad shim signature." in text
    assert MARKER not in text
    assert "vmboot: no boot server answered on efinet0" in text


@pytest.mark.parametrize("kind", ["iso", "bdm"])
def test_ipxe_signed_by_the_site_starts_what_the_site_signed(lab: SecureLab, kind: str) -> None:
    lab.signed(keep=True)
    bootstrap = lab.signed(lab.unsigned())
    report = lab.boot(Chain.SITE_KEY, bootstrap, kind=kind, variables=VARIABLES)
    assert report.ok, report.verdict
    assert report.reached is Reached.STARTED
    assert marker_line(Firmware.UEFI) in console(report)


def test_a_certificate_is_put_into_the_firmware_for_a_rehearsal(lab: SecureLab) -> None:
    lab.signed(keep=True)
    need(CERTIFICATE, package="ovmf")
    try:
        variables = trusting([CERTIFICATE], template=None, out=lab.folder / "variables.fd")
    except MissingToolError as error:
        pytest.skip(f"{error} ({error.hint})")
    report = lab.boot(Chain.SITE_KEY, lab.signed(lab.unsigned()), variables=variables)
    assert report.ok, report.verdict
    assert report.reached is Reached.STARTED


def test_the_labs_stand_in_proves_the_boot_up_to_its_signature(lab: SecureLab) -> None:
    lab.signed(keep=True)
    report = lab.boot(Chain.SITE_KEY, None, variables=VARIABLES)
    assert report.ok, report.verdict
    assert report.reached is Reached.DOWNLOADED
    assert f"--bootstrap-file {FILE}=signed.efi" in report.verdict


def test_a_signed_program_that_ends_by_itself_is_not_blamed(lab: SecureLab) -> None:
    """The distribution's key manager, which gives back to the loader after ten seconds."""
    lab.signed(keep=True)
    need(KEY_MANAGER, package="shim-signed")
    program = lab.folder / "mm.efi"
    program.write_bytes(KEY_MANAGER.read_bytes())
    report = lab.boot(Chain.SITE_KEY, lab.signed(program), variables=VARIABLES)
    assert report.ok, report.verdict
    assert "is it a bootstrap" not in report.verdict


def test_ipxe_signed_by_the_site_refuses_what_nobody_signed(lab: SecureLab) -> None:
    lab.signed(keep=True)
    report = lab.boot(Chain.SITE_KEY, lab.unsigned(), variables=VARIABLES)
    text = console(report)
    assert not report.ok
    assert report.reached is Reached.DOWNLOADED
    assert "Secure Boot is on and it is not signed by a key that the machine trusts" in (
        report.verdict
    )
    assert "ipxe.org/7f04818f" in text, "EFI_SECURITY_VIOLATION"
    assert MARKER not in text


def test_firmware_without_the_sites_key_refuses_its_loader(lab: SecureLab) -> None:
    lab.signed(keep=True)
    report = lab.boot(Chain.SITE_KEY, lab.unsigned())
    assert not report.ok
    assert report.reached is Reached.FIRMWARE
    assert "the firmware refused the loader" in report.verdict


def test_firmware_with_the_sites_key_refuses_a_loader_that_nobody_signed(lab: SecureLab) -> None:
    need(VARIABLES, package="ovmf")
    assert not [each for each in find_loaders() if each.source == "imported"]
    report = lab.boot(Chain.IPXE, lab.unsigned(), variables=VARIABLES)
    assert not report.ok
    assert report.reached is Reached.FIRMWARE
    assert "Security Violation" in console(report) or "Access Denied" in console(report)
