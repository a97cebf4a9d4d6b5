"""Dates are the only thing that fixing dates changes."""

from __future__ import annotations

import io

import pycdlib

from vmboot.media.isodates import RECORD_DATE, VOLUME_DATE, fix_dates


def image(files: int) -> bytes:
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident="X")
    for number in range(files):
        name = f"F{number:04}.TXT"
        long = f"{number} " + "a very long name that needs a continuation area " * 4
        iso.add_fp(io.BytesIO(b"x"), 1, f"/{name};1", rr_name=long, joliet_path=f"/{name}")
    out = io.BytesIO()
    iso.write_fp(out)
    return out.getvalue()


def test_every_date_becomes_the_fixed_one() -> None:
    before = image(3)
    after = fix_dates(before)
    assert len(after) == len(before)
    assert after.count(VOLUME_DATE) == 4  # two in each of two volume descriptors
    # own and parent record and three files, in two trees, and the two roots' descriptors
    in_records = 2 * (2 + 3) + 2
    in_rock_ridge = 3 * (2 + 3)
    assert after.count(RECORD_DATE) == in_records + in_rock_ridge


def test_a_directory_of_many_blocks_is_covered() -> None:
    once = fix_dates(image(200))
    assert once.count(RECORD_DATE) == 2 * 202 + 2 + 3 * 202


def test_fixing_twice_changes_nothing() -> None:
    once = fix_dates(image(5))
    assert fix_dates(once) == once
