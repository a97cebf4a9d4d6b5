import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmboot.cli.text import plural, printable, printable_lines, size


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("pvs-001", "pvs-001"),
        ("Büro-01", "Büro-01"),
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("a\nb", "a\\x0ab"),
        ("a\u202eb", "a\\u202eb"),
        ("a\x9bb", "a\\x9bb"),
    ],
)
def test_control_and_format_characters_are_shown_not_sent(text, shown):
    assert printable(text) == shown


def test_lines_of_a_message_stay_lines():
    assert printable_lines("one\ntwo\x1b") == "one\ntwo\\x1b"


@given(st.text())
def test_nothing_that_steers_a_terminal_survives(text):
    assert not {unicodedata.category(c) for c in printable(text)} & {"Cc", "Cf", "Zl", "Zp"}


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (4_404_019, "4.2 MiB"),
        (1 << 40, "1024.0 GiB"),
    ],
)
def test_sizes_are_for_people(count, shown):
    assert size(count) == shown


def test_one_machine_two_machines():
    assert plural(1, "machine") == "1 machine"
    assert plural(2, "machine") == "2 machines"
    assert plural(2, "check fails", "checks fail") == "2 checks fail"
