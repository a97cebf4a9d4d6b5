"""PVSBOOT.INI: exact texts replaced, everything else kept, and never by guessing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.media.pvs_samples import INI
from vmboot.errors import InputError, RefusedError
from vmboot.media.pvsini import substitute


@pytest.mark.parametrize(
    ("bom", "encoding"),
    [
        (b"", "ascii"),
        (b"\xef\xbb\xbf", "utf-8"),
        (b"\xff\xfe", "utf-16-le"),
        (b"\xfe\xff", "utf-16-be"),
        (b"", "utf-16-le"),
    ],
)
def test_encoding_and_line_ends_stay(bom, encoding):
    found = substitute(bom + INI.encode(encoding), [("10.0.0.11", "10.9.0.11")])
    assert found.data == bom + INI.replace("10.0.0.11", "10.9.0.11").encode(encoding)


def test_the_diff_shows_what_changed():
    found = substitute(INI.encode(), [("10.0.0.11", "10.9.0.11")])
    assert found.diff.splitlines()[:2] == ["--- PVSBOOT.INI (before)", "+++ PVSBOOT.INI (after)"]
    assert "-server1=10.0.0.11" in found.diff.splitlines()
    assert "+server1=10.9.0.11" in found.diff.splitlines()


def test_an_address_is_found_as_a_whole_only():
    assert b"backup=10.0.0.9" in substitute(INI.encode(), [("10.0.0.1", "10.0.0.9")]).data


def test_two_texts_can_be_exchanged():
    found = substitute(INI.encode(), [("10.0.0.11", "10.0.0.12"), ("10.0.0.12", "10.0.0.11")])
    assert b"server1=10.0.0.12\r\nserver2=10.0.0.11\r\n" in found.data


def test_a_text_that_is_not_there_is_refused_and_what_is_there_shown():
    with pytest.raises(RefusedError, match=r"'Server1=' is not in PVSBOOT\.INI.*line 2: server1"):
        substitute(INI.encode(), [("Server1=", "x")])


def test_a_text_that_is_there_several_times_is_refused_unless_all_are_meant():
    with pytest.raises(RefusedError, match=r"is in PVSBOOT\.INI 2 times: line 2: .*; line 3: "):
        substitute(INI.encode(), [("server", "host")])
    every = substitute(INI.encode(), [("server", "host")], every=True)
    assert every.data == INI.replace("server", "host").encode()


def test_texts_that_overlap_are_refused():
    with pytest.raises(RefusedError, match="overlap"):
        substitute(INI.encode(), [("server1=10", "a"), ("1=10.0.0.11", "b")])


def test_characters_that_the_encoding_lacks_are_refused():
    raw = "name=Zürich\r\n".encode("cp1252")
    with pytest.raises(InputError, match="ANSI code page, which has no '東'"):
        substitute(raw, [("Zürich", "東京")])


def test_an_empty_text_is_refused():
    with pytest.raises(InputError, match="empty"):
        substitute(INI.encode(), [("", "x")])


@given(st.binary(max_size=200))
def test_a_file_is_never_changed_by_reading_it(raw):
    try:
        assert substitute(raw, []).data == raw
    except InputError:
        return
