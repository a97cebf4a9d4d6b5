"""Globs against names: like the shell's, and never across a slash."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vmboot.vsphere.globs import name_expression

GLOBS = st.text("ab]-[!^*?/.\\\n&~|", max_size=12)
NAMES = st.text("ab]-[!^.\\\n&~|", max_size=6)


def matches(glob: str, name: str) -> bool:
    return re.fullmatch(name_expression(glob), name) is not None


@pytest.mark.parametrize(
    ("glob", "name", "does"),
    [
        ("kiosk?01", "kiosk-01", True),
        ("kiosk?01", "kiosk/01", False),
        ("a[!x]b", "a/b", False),
        ("a[^x]b", "a-b", True),
        ("a[+-9]b", "a/b", False),
        ("a[+-9]b", "a0b", True),
        ("a[/]b", "a/b", False),
        ("*", "a/b", False),
        ("[z-a]", "b", False),
        ("[!z-a]", "b", True),
        ("[]]", "]", True),
        ("[!]]", "]", False),
        ("[", "[", True),
        ("[a-]", "-", True),
        ("[\\\\d]", "\\", True),
        ("[\\\\d]", "5", False),
        ("a.c", "abc", False),
        ("a*b", "a\n.b", True),
        ("PVS", "pvs", False),
    ],
)
def test_what_a_glob_means(glob: str, name: str, does: bool):
    assert matches(glob, name) is does


@given(GLOBS, st.text("ab/]-", max_size=6))
def test_only_a_slash_itself_matches_a_slash(glob: str, name: str):
    if "/" in name and "/" not in glob:
        assert not matches(glob, name)


@given(GLOBS, NAMES)
@example("[a-b-c]", "-")
@example("[]-a]", "^")
def test_names_without_a_slash_match_as_in_a_shell(glob: str, name: str):
    if "/" not in glob and "[^" not in glob:
        assert matches(glob, name) is fnmatchcase(name, glob)


@given(GLOBS)
def test_a_caret_negates_as_an_exclamation_mark_does(glob: str):
    bang = glob.replace("[^", "[!")
    for name in ("a", "b", "^", "!", "]", "ab"):
        assert matches(glob, name) is matches(bang, name)
