"""UEFI programs: architecture, sections, signers."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.media.synthetic import pe as make
from tests.unit.media.synthetic import signature
from vmboot.errors import MediaError
from vmboot.media.pe import is_pe, read_pe

SIGNED = make(b"hello", certificates=signature("The Signer", "The Authority"))
REAL = [
    *Path("/usr/lib/shim").glob("*.signed"),
    *Path("/usr/lib/grub/x86_64-efi-signed").glob("*.signed"),
]


@pytest.mark.parametrize(
    ("machine", "arch"),
    [(0x8664, "x86_64"), (0xAA64, "arm64"), (0x14C, "i386"), (0x1234, "unknown (0x1234)")],
)
def test_the_architecture_is_named(machine: int, arch: str) -> None:
    assert read_pe(make(machine=machine)).arch == arch


def test_an_unsigned_program_has_no_signers() -> None:
    program = read_pe(make(b"hello", sbat=b"sbat,1\n"))
    assert (program.signatures, program.damaged, program.efi) == ((), "", True)
    assert program.sections[".sbat"] == b"sbat,1\n"


def names(program: bytes) -> list[tuple[str, str]]:
    return [(each.subject, each.issuer) for each in read_pe(program).signatures]


def test_signer_and_authority_are_read() -> None:
    assert names(SIGNED) == [("The Signer", "The Authority")]
    (signature,) = read_pe(SIGNED).signatures
    assert signature.bundle == {"The Signer", "The Authority"}
    assert re.fullmatch("[0-9a-f]{64}", signature.fingerprint)


@pytest.mark.parametrize(
    ("kind", "shown"), [(b"\x55\x04\x0a", "Snake Oil"), (b"\x55\x04\x06", "unnamed")]
)
def test_a_certificate_without_a_common_name_shows_its_organisation(
    kind: bytes, shown: str
) -> None:
    assert names(make(certificates=signature("Snake Oil", "CA", kind=kind))) == [(shown, "CA")]


def test_two_signatures_are_both_read() -> None:
    table = signature("A", "B") + signature("C", "D")
    assert names(make(certificates=table)) == [("A", "B"), ("C", "D")]


def test_a_cut_certificate_table_is_reported_not_raised() -> None:
    program = read_pe(SIGNED[:-16])
    assert program.signatures == ()
    assert program.damaged == "the certificate table is cut off"


@pytest.mark.parametrize("data", [b"", b"MZ", b"MZ" + bytes(100), b"\x7fELF" + bytes(100)])
def test_other_bytes_are_not_pe(data: bytes) -> None:
    assert not is_pe(data)
    with pytest.raises(MediaError):
        read_pe(data)


@settings(max_examples=1500, deadline=1000)
@given(st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), min_size=1, max_size=6))
def test_changed_bytes_never_crash_the_reader(changes: list[tuple[int, int]]) -> None:
    data = bytearray(SIGNED)
    for at, value in changes:
        data[at % len(data)] = value
    try:
        read_pe(bytes(data))
    except MediaError:
        return


@settings(max_examples=200, deadline=1000)
@given(st.integers(0, len(SIGNED)))
def test_cut_programs_never_crash_the_reader(keep: int) -> None:
    try:
        read_pe(SIGNED[:keep])
    except MediaError:
        return


@pytest.mark.skipif(not REAL, reason="no signed program here: apt-get install shim-signed")
@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name)
def test_sbverify_names_the_same_authorities(path: Path) -> None:
    if not shutil.which("sbverify"):
        pytest.skip("sbverify is not installed: apt-get install sbsigntool")
    done = subprocess.run(["sbverify", "--list", str(path)], capture_output=True, text=True)
    theirs = re.findall(r"image signature issuers:\n - .*/CN=(.*)", done.stdout)
    subjects = set(re.findall(r"- subject: .*?/CN=(.*)", done.stdout))
    ours = read_pe(path.read_bytes()).signatures
    assert [each.issuer for each in ours] == theirs
    assert {each.subject for each in ours} <= subjects
