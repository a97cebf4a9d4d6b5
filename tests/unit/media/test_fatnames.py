"""8.3 names and long names."""

from __future__ import annotations

import pytest

from vmboot.media.fatnames import is_short, long_entries, short_name, unpack


@pytest.mark.parametrize("name", ["BOOTX64.EFI", "A", "README", "12345678.ABC"])
def test_names_of_8_and_3_capitals_need_no_long_name(name: str) -> None:
    assert is_short(name)
    assert long_entries(name, short_name(name, taken=set())) == b""


@pytest.mark.parametrize("name", ["autoexec.ipxe", "Boot", "a.b.c", "123456789", ".cfg", "A B"])
def test_other_names_do(name: str) -> None:
    assert not is_short(name)
    assert long_entries(name, short_name(name, taken=set()))


def test_short_names_of_like_files_differ() -> None:
    first = short_name("autoexec.ipxe", taken=set())
    second = short_name("autoexec.ipx2", taken={first})
    assert (unpack(first), unpack(second)) == ("AUTOEX~1.IPX", "AUTOEX~2.IPX")


def test_a_name_of_exactly_13_characters_has_no_terminator() -> None:
    entries = long_entries("abcdefghi.jkl", short_name("abcdefghi.jkl", taken=set()))
    assert len(entries) == 32
    assert entries[28:32] == "kl".encode("utf-16-le")
