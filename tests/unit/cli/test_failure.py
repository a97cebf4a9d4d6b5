import json

from tests.unit.cli.screens import err, out, terminal
from vmboot.cli.exits import Exit
from vmboot.cli.failure import CrashReport, report


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
