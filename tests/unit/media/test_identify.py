"""Boot programs are known by their bytes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.media.synthetic import (
    PROGRAMS,
    ipxe_efi,
    isolinux,
    ldlinux,
    lkrn,
    pe,
    signature,
)
from vmboot.errors import MediaError
from vmboot.media.identify import MAX_UNPACKED, identify, unpack_zbin
from vmboot.model import Firmware

KINDS = {
    "isolinux": (isolinux(), Firmware.BIOS, "6.04 20200816"),
    "ldlinux": (ldlinux(), Firmware.BIOS, ""),
    "ipxe-lkrn": (lkrn(), Firmware.BIOS, "1.21.1+git20250501"),
    "ipxe-efi": (ipxe_efi(), Firmware.UEFI, "1.21.1+git20250501"),
    "ipxe-snponly-efi": (
        ipxe_efi(abilities=(b"snponly.efi",)),
        Firmware.UEFI,
        "1.21.1+git20250501",
    ),
    "grub-efi": (
        pe(sbat=b"sbat,1,SBAT Version,sbat,1,url\ngrub,4,FSF,grub,2.06,url\n"),
        Firmware.UEFI,
        "2.06",
    ),
    "grub-bios": (bytes(300) + b"cdrom read fails\0" + bytes(9000), Firmware.BIOS, ""),
    "shim": (
        pe(b"UEFI SHIM\n$Version: 16.1 $\n", sbat=b"shim,4,UEFI shim,shim,1,url\n"),
        Firmware.UEFI,
        "16.1",
    ),
    "shim-mok": (pe(sbat=b"shim,4,UEFI shim,shim,1,url\n"), Firmware.UEFI, "1"),
    "efi": (pe(b"something else"), Firmware.UEFI, ""),
}
SYSTEM = {
    "isolinux": "/usr/lib/ISOLINUX/isolinux.bin",
    "ldlinux": "/usr/lib/syslinux/modules/bios/ldlinux.c32",
    "ipxe-lkrn": "/usr/lib/ipxe/ipxe.lkrn",
    "ipxe-efi": "/usr/lib/ipxe/ipxe.efi",
    "shim": "/usr/lib/shim/shimx64.efi.signed",
    "grub-efi": "/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed",
}


@pytest.mark.parametrize("kind", KINDS)
def test_kind_firmware_and_version_are_known(kind: str) -> None:
    data, firmware, version = KINDS[kind]
    found = identify(data)
    assert found is not None
    assert (found.kind, found.firmware, found.version) == (kind, firmware, version)
    assert found.size == len(data)


def test_abilities_are_read_from_the_program() -> None:
    assert identify(lkrn(abilities=())).capabilities == set()
    assert identify(lkrn(abilities=("vlan", "https"))).capabilities == {"vlan", "https"}
    assert identify(ipxe_efi()).capabilities == {"autoexec", "vlan", "https"}
    assert identify(ipxe_efi(autoexec=False, abilities=())).capabilities == set()


def test_the_version_of_an_old_ipxe_without_sbat_is_found() -> None:
    old = ipxe_efi("1.0.0+git-20190125.36a4c85-5.1", autoexec=False)
    assert identify(old).version == "1.0.0+git-20190125.36a4c85-5.1"


def test_a_grub_made_on_the_spot_is_known_without_a_version() -> None:
    found = identify(pe(b"Welcome to GRUB!\0"))
    assert (found.kind, found.version) == ("grub-efi", "")


def test_signers_are_named() -> None:
    found = identify(ipxe_efi(certificates=signature("Site Key", "Site CA")))
    assert (found.signers, found.authorities) == (("Site Key",), ("Site CA",))


@pytest.mark.parametrize("data", [b"", b"text", bytes(100_000), b"\x7fELF" + bytes(5000)])
def test_other_bytes_are_nothing(data: bytes) -> None:
    assert identify(data) is None


def test_a_linux_kernel_is_not_taken_for_ipxe() -> None:
    kernel = bytearray(os.urandom(300_000))
    kernel[0x202:0x206] = b"HdrS"
    assert identify(bytes(kernel)) is None


@pytest.mark.parametrize("filler", [b"\0", b"\0\1", b"\0\xff\0\1"])
def test_packed_nonsense_is_given_up_soon(filler: bytes) -> None:
    data = bytes(0x202) + b"HdrS" + filler * (4_000_000 // len(filler))
    before = time.process_time()
    assert len(unpack_zbin(data)) <= MAX_UNPACKED
    assert time.process_time() - before < 20


@settings(max_examples=600, deadline=5000)
@given(
    st.sampled_from(sorted(PROGRAMS)),
    st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_changed_programs_never_crash(part: str, changes: list[tuple[int, int]]) -> None:
    data = bytearray(PROGRAMS[part])
    for at, value in changes:
        data[at % min(len(data), 6000)] = value
    try:
        identify(bytes(data))
    except MediaError:
        return


@pytest.mark.parametrize("kind", SYSTEM)
def test_what_debian_installs_is_known(kind: str) -> None:
    path = Path(SYSTEM[kind])
    if not path.is_file():
        pytest.skip(f"{path} is not installed: apt-get install ipxe isolinux shim-signed")
    found = identify(path.read_bytes())
    assert found is not None
    assert found.kind == kind
    assert found.version or kind == "ldlinux"
    assert bool(found.signers) == (kind in {"shim", "grub-efi"})
