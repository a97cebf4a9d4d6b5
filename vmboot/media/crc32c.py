"""CRC-32C (Castagnoli), which VHDX uses; the standard library has only the other polynomial.

Runs of zeroes, of which tables on disks consist mostly, are skipped by squaring matrices over
GF(2), so that 64 KiB with a few entries cost microseconds.

Source: RFC 3720 appendix B.4 (polynomial, test values); zlib's ``crc32_combine`` for the matrices.
"""

from __future__ import annotations

from functools import cache

POLYNOMIAL = 0x82F63B78  # reflected
_ALL_ONES = 0xFFFFFFFF


def crc32c(data: bytes) -> int:
    """The CRC-32C of ``data``."""
    body = data.rstrip(b"\0")
    table = _table()
    state = _ALL_ONES
    for byte in body:
        state = table[(state ^ byte) & 0xFF] ^ state >> 8
    return _skip_zeroes(state, len(data) - len(body)) ^ _ALL_ONES


@cache
def _table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return tuple(table)


def _skip_zeroes(state: int, count: int) -> int:
    """The state after ``count`` zero bytes."""
    power = 0
    while count:
        if count & 1:
            state = _times(_operator(power), state)
        count >>= 1
        power += 1
    return state


@cache
def _operator(power: int) -> tuple[int, ...]:
    """What ``2**power`` zero bytes do to each of the 32 bits of the state."""
    if power == 0:
        table = _table()
        return tuple(table[bit & 0xFF] ^ bit >> 8 for bit in (1 << n for n in range(32)))
    half = _operator(power - 1)
    return tuple(_times(half, column) for column in half)


def _times(matrix: tuple[int, ...], vector: int) -> int:
    total = 0
    for column in matrix:
        if vector & 1:
            total ^= column
        vector >>= 1
    return total
