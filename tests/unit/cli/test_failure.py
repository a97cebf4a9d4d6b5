import json
import threading

import pytest

from tests.unit.cli.screens import err, out, terminal
from vmboot.cli.exits import Exit
from vmboot.cli.failure import CrashReport, report, show_traceback
from vmboot.errors import RemoteError


def test_error_then_hint_each_on_its_own_line_on_stderr():
    screen = terminal()
    code = report(
        screen, "no such thing", code=Exit.NOT_FOUND, hint="look elsewhere", place="f:3:1"
    )
    assert err(screen) == "error: f:3:1: no such thing\nhint: look elsewhere\n"
    assert (out(screen), code) == ("", 5)


def test_all_matches_of_an_ambiguous_name_are_listed():
    screen = terminal()
    report(screen, "two", code=Exit.USAGE, matches=("/DC1/vm/one/twin", "/DC1/vm/two/twin"))
    assert err(screen) == "error: two\n  /DC1/vm/one/twin\n  /DC1/vm/two/twin\n"


def test_with_json_the_error_is_a_document_on_stdout():
    screen = terminal(json=True)
    report(screen, "bad", code=Exit.USAGE, hint="better", place="f:1:2")
    assert json.loads(out(screen)) == {
        "error": {"message": "bad", "hint": "better", "place": "f:1:2", "code": 2}
    }
    assert err(screen) == ""


def test_escape_sequences_of_a_server_do_not_reach_the_terminal():
    screen = terminal(tty=True, environ={"NO_COLOR": "1"})
    report(screen, "fault: \x1b]0;owned\x07", code=Exit.FAILED)
    assert "\x1b" not in err(screen)


def crash(screen):
    error = KeyError("x")
    CrashReport(screen)(KeyError, error, None)
    return err(screen)


def test_a_bug_ends_in_two_lines_and_asks_to_be_reported():
    text = crash(terminal())
    assert text.startswith("error: unexpected KeyError: 'x'\nhint: this is a bug in vmboot")
    assert len(text.splitlines()) == 2


def test_debug_shows_the_traceback_first():
    assert crash(terminal(debug=True)).startswith("KeyError: 'x'\n")


HOSTILE = "vm \x1b]0;owned\x07\x9b2J\u202e\r"


def remote_error() -> RemoteError:
    """One whose cause quotes the server, too."""
    try:
        try:
            raise ValueError(HOSTILE)
        except ValueError as cause:
            raise RemoteError(HOSTILE, fault="X") from cause
    except RemoteError as error:
        return error


def test_a_traceback_shows_escape_sequences_of_a_server_as_text():
    screen = terminal(debug=True, tty=True, environ={"NO_COLOR": "1"})
    show_traceback(screen, remote_error())
    text = err(screen)
    assert text.count("\\x1b]0;owned\\x07\\x9b2J\\u202e\\x0d") == 2
    assert not set("\x1b\x07\x9b\u202e\r") & set(text)
    assert "direct cause" in text and len(text.splitlines()) > 5


@pytest.mark.parametrize("json_too", [False, True])
def test_an_error_in_a_thread_is_told_on_stderr_without_escape_sequences(json_too):
    screen = terminal(json=json_too)
    hook = CrashReport(screen).in_thread
    hook(threading.ExceptHookArgs((ValueError, ValueError(HOSTILE), None, None)))
    assert err(screen).startswith("error: unexpected ValueError: vm \\x1b]0;owned")
    assert out(screen) == ""
    assert "\x1b" not in err(screen)
