import json

import pytest

from tests.unit.cli.screens import err, out, terminal
from vmboot.cli.progress import watching
from vmboot.events import Event

DONE = Event("vm.done", "changed", "/DC1/vm/a", {"done": 1, "total": 2})
FAILED = Event("vm.failed", "no space", "/DC1/vm/b")


def test_events_are_json_lines_on_stderr():
    screen = terminal(events=True)
    with watching(screen, events=True) as sink:
        sink(DONE)
        sink(FAILED)
    assert [json.loads(line) for line in err(screen).splitlines()] == [
        DONE.to_json(),
        FAILED.to_json(),
    ]
    assert out(screen) == ""


def test_a_log_gets_only_what_went_wrong():
    screen = terminal()
    with watching(screen, events=False) as sink:
        sink(DONE)
        sink(FAILED)
    assert err(screen) == "/DC1/vm/b: no space\n"


@pytest.mark.parametrize("flag", ["json", "quiet"])
def test_a_live_view_is_for_people_who_watch(flag):
    screen = terminal(tty=True, environ={"TERM": "xterm"}, **{flag: True})
    with watching(screen, events=False) as sink:
        sink(DONE)
    assert err(screen) == ""


def test_on_a_terminal_progress_is_drawn_and_taken_away_again():
    screen = terminal(tty=True, environ={"TERM": "xterm"})
    with watching(screen, events=False) as sink:
        sink(DONE)
    assert "1 done" in err(screen)
    assert err(screen).endswith("\x1b[2K")
    assert out(screen) == ""
