"""Tables, claims and the sections of docs/benchmarks.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.report import Claim, figure, table, write_section


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.0251, "0.0251"),
        (1.2849, "1.28"),
        (4.951, "4.95"),
        (26.04, "26"),
        (1270.4, "1270"),
    ],
)
def test_a_figure_has_three_digits_and_no_exponent(value: float, text: str) -> None:
    assert figure(value) == text


@pytest.mark.parametrize(
    ("value", "at_most", "holds"), [(1.3, True, True), (1.31, True, False), (20, False, True)]
)
def test_a_claim_holds_up_to_its_limit(value: float, at_most: bool, holds: bool) -> None:
    limit = 1.3 if at_most else 20
    assert Claim("x", value, limit, at_most=at_most).holds is holds


def test_a_table_has_a_rule_and_a_line_per_row() -> None:
    assert table(("a", "b"), [("x", "1")]) == "| a | b |\n| --- | ---: |\n| x | 1 |"


def test_a_section_replaces_only_what_stands_between_its_markers(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- a:begin -->\nold\n<!-- a:end -->\nafter\n", encoding="utf-8")
    write_section("a", "new", page)
    assert page.read_text(encoding="utf-8") == (
        "before\n<!-- a:begin -->\nnew\n<!-- a:end -->\nafter\n"
    )


def test_a_section_without_markers_is_appended_with_them(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    write_section("a", "text", page)
    write_section("b", "more", page)
    write_section("a", "text 2", page)
    assert page.read_text(encoding="utf-8") == (
        "<!-- a:begin -->\ntext 2\n<!-- a:end -->\n\n<!-- b:begin -->\nmore\n<!-- b:end -->\n"
    )


def test_half_a_pair_of_markers_is_an_error(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- a:begin -->\n", encoding="utf-8")
    with pytest.raises(ValueError, match="only one marker of section a"):
        write_section("a", "text", page)
