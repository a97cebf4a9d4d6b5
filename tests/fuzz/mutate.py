"""Damage a file in the ways that break readers: the same seed and case give the same bytes.

Most changes go where headers and tables are, since a flipped bit in a program or in zeroes tells
nothing. Formats with checksums mend them afterwards in most cases, else nothing behind the
checksum would ever be reached.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

Range = tuple[int, int]
Mend = Callable[[bytearray], None]

_IN_HOT = 0.9  # share of changes that go to headers and tables
_MENDED = 0.8  # share of cases whose checksums are made right again
_WIDTHS = (1, 2, 4, 8)


@dataclass(frozen=True)
class Seed:
    """A good file and where its headers and tables are, as (begin, end)."""

    data: bytes
    hot: tuple[Range, ...]


def nothing(_data: bytearray) -> None:
    """For formats without checksums."""


def mutated(seeds: tuple[Seed, ...], *, key: str, mend: Mend = nothing) -> bytes:
    """One damaged file; ``key`` decides everything."""
    dice = random.Random(key)
    seed = dice.choice(seeds)
    data = bytearray(seed.data)
    for _ in range(dice.choice((1, 1, 1, 2, 3, 6))):
        dice.choice(_CHANGES)(data, seed, dice)
    if dice.random() < _MENDED:
        mend(data)
    return bytes(data)


def _place(data: bytearray, seed: Seed, dice: random.Random) -> int:
    if not data:
        return 0
    begin, end = dice.choice(seed.hot) if dice.random() < _IN_HOT else (0, len(data))
    return min(dice.randrange(begin, end), len(data) - 1)


def _flip(data: bytearray, seed: Seed, dice: random.Random) -> None:
    if data:
        data[_place(data, seed, dice)] ^= 1 << dice.randrange(8)


def _byte(data: bytearray, seed: Seed, dice: random.Random) -> None:
    if data:
        data[_place(data, seed, dice)] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))


def _number(data: bytearray, seed: Seed, dice: random.Random) -> None:
    """An extreme integer, in either byte order, where a header may hold a length or an offset."""
    width = dice.choice(_WIDTHS)
    at = _place(data, seed, dice)
    if dice.random() < 0.7:
        at -= at % width
    top = 1 << 8 * width
    value = dice.choice(
        (
            0,
            1,
            top - 1,
            top // 2,
            top // 2 - 1,
            len(data),
            len(data) // 512,
            len(data) + dice.randrange(-512, 513),
            dice.randrange(top),
            1 << dice.randrange(8 * width),
        )
    )
    order = "little" if dice.random() < 0.6 else "big"
    data[at : at + width] = (value % top).to_bytes(width, order)


def _nudge(data: bytearray, seed: Seed, dice: random.Random) -> None:
    """A length or an offset that is nearly right."""
    width = dice.choice(_WIDTHS)
    at = _place(data, seed, dice)
    at -= at % width
    order = "little" if dice.random() < 0.6 else "big"
    value = int.from_bytes(data[at : at + width], order) + dice.choice((-2, -1, 1, 2, 8, 512, -512))
    data[at : at + width] = (value % (1 << 8 * width)).to_bytes(width, order)


def _cut(data: bytearray, seed: Seed, dice: random.Random) -> None:
    at = _place(data, seed, dice) if dice.random() < 0.5 else dice.randrange(len(data) + 1)
    if dice.random() < 0.5:
        at -= at % 512
    del data[at:]


def _splice(data: bytearray, seed: Seed, dice: random.Random) -> None:
    """A piece of the file over, into or out of another place."""
    size = dice.choice((4, 16, 32, 64, 512, 2048))
    source, target = _place(data, seed, dice), _place(data, seed, dice)
    piece = bytes(data[source : source + size])
    way = dice.randrange(4)
    if way < 2:
        data[target : target + len(piece)] = piece
    elif way == 2:
        data[target:target] = piece
    else:
        del data[target : target + size]


def _fill(data: bytearray, seed: Seed, dice: random.Random) -> None:
    at, size = _place(data, seed, dice), dice.choice((4, 16, 512))
    end = min(len(data), at + size)
    data[at:end] = bytes((dice.choice((0, 0xFF, 0x41)),)) * max(0, end - at)


_CHANGES = (_flip, _flip, _byte, _number, _number, _number, _nudge, _nudge, _cut, _splice, _fill)
