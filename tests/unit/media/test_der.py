"""The DER reader takes what is well-formed and refuses the rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.media.synthetic import der as write
from vmboot.errors import MediaError
from vmboot.media import der


def test_children_are_read_in_order() -> None:
    data = write(0x30, write(2, b"\1"), write(4, b"x" * 300))
    assert [child.content for child in der.children(der.read(data))] == [b"\1", b"x" * 300]


@pytest.mark.parametrize(
    "data", [b"", b"\x30", b"\x30\x05\0", b"\x30\x80\0\0", b"\x30\x85\1\1\1\1\1", b"\x1f\x01\0"]
)
def test_what_is_not_der_is_refused(data: bytes) -> None:
    with pytest.raises(MediaError):
        der.read(data)


def test_an_element_of_very_many_parts_is_refused() -> None:
    with pytest.raises(MediaError, match="too many"):
        list(der.children(der.read(write(0x30, b"\5\0" * 5000))))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        element = der.read(data)
        list(der.children(element))
    except MediaError:
        return
    assert len(element.raw) <= len(data)


def test_text_of_any_encoding_is_printable() -> None:
    assert der.text(der.read(write(0x1E, "Müller".encode("utf-16-be")))) == "Müller"
    assert der.text(der.read(write(0x0C, b"a\x1b[2Jb"))) == "a?[2Jb"
