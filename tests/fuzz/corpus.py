"""Cases worth keeping: of every format one file for each way in which it is refused or wrong.

They are packed with zlib, ``corpus/<format>/<number of the case>-<seed>.z``.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

from tests.fuzz.formats import FORMATS, Format
from tests.fuzz.run import case, outcome

FOLDER = Path(__file__).parent / "corpus"
MOST = 20  # files of one format
LARGEST = 3072  # bytes of a packed file: all corpora together stay below 300 KB


def kept() -> Iterator[tuple[Format, Path]]:
    """All files of the corpus with the format that they belong to."""
    for path in sorted(FOLDER.glob("*/*.z")):
        yield FORMATS[path.parent.name], path


def load(path: Path) -> bytes:
    return zlib.decompress(path.read_bytes())


def collect(row: Format, *, count: int, seed: int) -> int:
    """Put the first case of each kind of outcome into the corpus; how many were added."""
    seen = {outcome(row, load(path)) for known, path in kept() if known is row}
    added = 0
    for number in range(count):
        data = case(row, number, seed=seed)
        kind = outcome(row, data)
        packed = zlib.compress(data, 9)
        if kind in seen or len(packed) > LARGEST or len(seen) >= MOST:
            continue
        seen.add(kind)
        folder = FOLDER / row.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}-{seed}.z").write_bytes(packed)
        added += 1
    return added
