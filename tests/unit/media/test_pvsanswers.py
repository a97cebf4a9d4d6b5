"""Answer files: read, changed, and written back with the same bytes apart from the change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.media.pvs_samples import ANSWERS, answers
from vmboot.errors import InputError
from vmboot.media.pvsanswers import TIMINGS, read_answers
from vmboot.media.pvslogin import LoginServer

SERVERS = (
    LoginServer("10.0.0.11", "255.255.255.0", "10.0.0.1", 6910),
    LoginServer("10.0.0.12", port=6911),
)


@pytest.mark.parametrize("big", [False, True])
def test_servers_timings_and_switches_are_read(big):
    found = read_answers(answers(big=big))
    assert found.login_servers() == SERVERS
    assert found.setting("AdvancedRecoverSeconds") == 50
    assert found.setting("AdvancedLoginGeneral") == 30000
    assert found.setting("AdvancedInterrultSafeMode") == 0
    assert found.value("bootstrapfile").endswith("ARDBP32.BIN")
    assert found.problems() == ()


def test_a_password_in_it_shows_nowhere():
    found = read_answers(answers())
    assert "s3cret" not in repr(found)
    assert "s3cret" not in repr(found.text)


lines = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=30)
ends = st.sampled_from(["\r\n", "\n", "\r"])


@given(st.lists(st.tuples(lines, ends), max_size=8), lines, st.booleans())
def test_what_is_not_changed_is_written_byte_for_byte(parts, last, big):
    raw = answers("A=1\r\n" + "".join(a + b for a, b in parts) + last, big=big)
    found = read_answers(raw)
    assert found.to_bytes() == raw
    other = found.changed({"A": "2"})
    assert other.to_bytes() != raw
    assert other.changed({"A": "1"}).to_bytes() == raw


def test_other_servers_change_their_lines_only():
    wanted = (LoginServer("10.9.0.1"), LoginServer("10.9.0.2"), LoginServer("10.9.0.3"))
    made = read_answers(read_answers(answers()).with_login_servers(wanted).to_bytes())
    assert made.login_servers() == wanted
    text = "".join(made.lines)
    assert "LS2=10.9.0.2,0.0.0.0,0.0.0.0,6910\r\nLS3=10.9.0.3,0.0.0.0,0.0.0.0,6910\r\n" in text
    kept = [line for line in made.lines if not line.startswith("LS")]
    assert kept == [line for line in read_answers(answers()).lines if not line.startswith("LS")]


def test_servers_that_are_no_longer_there_lose_their_line():
    made = read_answers(answers()).with_login_servers(SERVERS[:1])
    assert "".join(made.lines) == ANSWERS.replace("LS2=10.0.0.12,0.0.0.0,0.0.0.0,6911\r\n", "")


def test_servers_of_address_zero_are_empty():
    text = ANSWERS.replace("LS1=10.0.0.11", "LS1=0.0.0.0")
    assert read_answers(answers(text)).login_servers() == SERVERS[1:]


def test_a_line_is_added_to_a_file_without_a_last_line_end():
    made = read_answers(answers("A=1")).changed({"B": "2"})
    assert "".join(made.lines) == "A=1\r\nB=2\r\n"


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (ANSWERS.encode(), "looks like UTF-8 without a byte order mark"),
        (b"\xef\xbb\xbf" + ANSWERS.encode(), "looks like UTF-8 with a byte order mark"),
        (ANSWERS.encode("utf-16-le"), "looks like UTF-16-LE without a byte order mark"),
        (ANSWERS.encode("utf-16-be"), "looks like UTF-16-BE without a byte order mark"),
        ("Site=Zürich\r\n".encode("cp1252"), "looks like an ANSI code page"),
        (bytes(range(256)) * 3, "this is no text"),
        (answers()[:-1], "is not"),
        (answers("nothing here"), "no line of the form key=value"),
        (b"", "looks like UTF-8"),
    ],
)
def test_another_encoding_is_named(raw, words):
    with pytest.raises(InputError, match=words) as caught:
        read_answers(raw, file="site.ans")
    assert caught.value.place.file == "site.ans"
    assert caught.value.hint


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("LS3=10.0.0.13", "LS3 has 1 parts"),
        ("LS3=10.0.0.300,0.0.0.0,0.0.0.0,6910", "LS3 address: '10.0.0.300' is no IPv4 address"),
        ("LS3=10.0.0.13,x,0.0.0.0,6910", "LS3 netmask"),
        ("LS3=10.0.0.13,0.0.0.0,0.0.0.0,80", "LS3 port: '80' is not a number from 1025 to 65536"),
        ("LS3=10.0.0.13,0.0.0.0,0.0.0.0,٦٩١٠", "LS3 port"),
        ("LS5=10.0.0.13,0.0.0.0,0.0.0.0,6910", "LS5 is not one of LS1 to LS4"),
        ("ls2=10.0.0.13,0.0.0.0,0.0.0.0,6910", "ls2 is here twice"),
    ],
)
def test_a_server_that_cannot_be_meant_is_named_with_its_line(line, words):
    with pytest.raises(InputError, match=words) as caught:
        read_answers(answers(f"{ANSWERS}{line}\r\n"), file="x.ans").login_servers()
    assert str(caught.value.place) == "x.ans:15"


def test_a_server_listed_twice_is_refused():
    text = ANSWERS.replace("10.0.0.12", "10.0.0.11")
    with pytest.raises(InputError, match=r"10\.0\.0\.11 is listed twice"):
        read_answers(answers(text)).login_servers()


@pytest.mark.parametrize("key", TIMINGS)
def test_timings_outside_of_their_range_are_told(key):
    least, greatest = TIMINGS[key]
    found = read_answers(answers())
    for value in (least, greatest):
        assert found.changed({key: str(value)}).setting(key) == value
    for value in (least - 1, greatest + 1, "", "1.5", "9" * 50):
        with pytest.raises(InputError, match=f"{key}: .* is not a number from"):
            found.changed({key: str(value)})
    old = found.value(key)
    (problem,) = read_answers(answers(ANSWERS.replace(f"{key}={old}", f"{key}=1"))).problems()
    assert key in problem


def test_the_spelling_that_a_person_corrected_is_told():
    text = ANSWERS.replace("Interrult", "Interrupt")
    (problem,) = read_answers(answers(text)).problems()
    assert "AdvancedInterrultSafeMode (spelled so)" in problem


@pytest.mark.parametrize("values", [{"A=": "1"}, {"": "1"}, {"A": "1\r\nB=2"}, {"LS1": "x"}])
def test_values_that_cannot_stand_in_the_file_are_refused(values):
    with pytest.raises(InputError):
        read_answers(answers()).changed(values)


@pytest.mark.parametrize("count", [0, 5])
def test_one_to_four_servers_are_written(count):
    servers = [LoginServer(f"10.0.0.{n}") for n in range(1, count + 1)]
    with pytest.raises(InputError, match="1 to 4"):
        read_answers(answers()).with_login_servers(servers)


@given(st.binary(max_size=400), st.booleans())
def test_any_bytes_are_read_or_refused(raw, marked):
    try:
        found = read_answers(b"\xff\xfe" + raw if marked else raw)
        found.problems()
        found.login_servers()
    except InputError:
        return
