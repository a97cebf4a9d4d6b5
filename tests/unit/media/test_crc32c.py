"""CRC-32C: the test values of RFC 3720 B.4, and runs of zeroes skipped rightly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmboot.media.crc32c import crc32c

KNOWN = [
    (b"", 0),
    (b"123456789", 0xE3069283),
    (bytes(32), 0x8A9136AA),
    (b"\xff" * 32, 0x62A8AB43),
    (bytes(range(32)), 0x46DD794E),
    (bytes(range(31, -1, -1)), 0x113FDB5C),
]


@pytest.mark.parametrize(("data", "wanted"), KNOWN)
def test_known_values(data: bytes, wanted: int) -> None:
    assert crc32c(data) == wanted


def by_bits(data: bytes) -> int:
    state = 0xFFFFFFFF
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = state >> 1 ^ (0x82F63B78 if state & 1 else 0)
    return state ^ 0xFFFFFFFF


@given(st.binary(max_size=40), st.integers(0, 700))
def test_zeroes_at_the_end_count(data: bytes, zeroes: int) -> None:
    assert crc32c(data + bytes(zeroes)) == by_bits(data + bytes(zeroes))
