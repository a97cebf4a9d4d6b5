import json
import os
import subprocess
import sys

import pytest
from rich.text import Text

from tests.unit.cli.screens import Gone, err, out, terminal
from vmboot.cli.terminal import of_process
from vmboot.errors import InputError


@pytest.mark.parametrize(
    ("tty", "environ", "coloured"),
    [
        (True, {}, True),
        (False, {}, False),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"NO_COLOR": ""}, True),
        (True, {"TERM": "dumb"}, False),
        (False, {"FORCE_COLOR": "1"}, True),
        (True, {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
    ],
)
def test_colour_follows_no_color_then_force_color_then_the_terminal(tty, environ, coloured):
    screen = terminal(tty=tty, environ={"TERM": "xterm-256color", **environ})
    screen.out.print(Text("hello", style="bold red"))
    assert ("\x1b[" in out(screen)) is coloured


def test_markup_in_a_name_is_only_text():
    screen = terminal()
    screen.out.print("vm [red]x[/red] :warning:")
    assert out(screen) == "vm [red]x[/red] :warning:\n"


def test_json_is_one_document_and_the_view_is_not_even_made():
    screen = terminal(json=True)
    screen.deliver(lambda: {"a": 1}, lambda: pytest.fail("the view was made"))
    assert json.loads(out(screen)) == {"a": 1}


def test_without_json_the_view_is_shown_and_the_document_is_not_made():
    screen = terminal()
    screen.deliver(lambda: pytest.fail("the document was made"), lambda: Text("table"))
    assert out(screen) == "table\n"


def test_talk_goes_to_stderr():
    screen = terminal()
    screen.note("by the way")
    assert (out(screen), err(screen)) == ("", "by the way\n")


@pytest.mark.parametrize("flag", ["quiet", "events"])
def test_talk_is_silent_when_quiet_or_when_stderr_carries_events(flag):
    screen = terminal(**{flag: True})
    screen.note("by the way")
    assert err(screen) == ""


@pytest.mark.parametrize(
    ("answer", "meant"),
    [("y\n", True), ("YES\n", True), ("\n", False), ("n\n", False), ("", False)],
)
def test_only_a_clear_yes_is_a_yes(answer, meant):
    screen = terminal(tty=True, answer=answer)
    assert screen.confirm("Go on?", flag="--yes") is meant
    assert err(screen) == "Go on? [y/N] "
    assert out(screen) == ""


@pytest.mark.parametrize("screen", [terminal(), terminal(tty=True, json=True)])
def test_where_nobody_can_be_asked_the_flag_is_named(screen):
    with pytest.raises(InputError) as caught:
        screen.confirm("Go on?", flag="--yes")
    assert "--yes" in str(caught.value.hint)
    assert err(screen) == ""


def test_a_password_is_asked_for_on_a_terminal_only(monkeypatch):
    asked = []
    monkeypatch.setattr("getpass.getpass", lambda prompt: asked.append(prompt) or "secret")
    assert terminal().password_prompt is None
    ask = terminal(tty=True).password_prompt
    assert ask is not None
    assert ask("admin@vc") == "secret"
    assert asked == ["Password for admin@vc: "]


def test_flags_for_output_are_known_before_parsing():
    screen = of_process(["plan", "--json", "--debug", "--bogus"], {})
    assert (screen.json, screen.debug, screen.quiet, screen.events) == (True, True, False, False)


def test_words_after_two_dashes_are_no_flags():
    assert not of_process(["plan", "--", "--json"], {}).json


def test_a_pipe_is_wide_unless_told():
    from vmboot.cli.terminal import PIPE_WIDTH

    assert terminal(width=None).out.width == PIPE_WIDTH
    assert terminal(width=None, environ={"COLUMNS": "100"}).out.width == 100


@pytest.mark.parametrize("flag", [True, False])
def test_where_the_reader_has_left_work_goes_on_and_the_rest_goes_to_stderr(flag):
    screen = terminal(json=flag)
    screen.stdout = Gone()
    screen.deliver(lambda: {"a": 1}, lambda: Text("table"))
    screen.remember("run r1")
    assert err(screen) == "run r1\n"


def test_where_somebody_reads_nothing_is_said_twice():
    screen = terminal()
    screen.deliver(lambda: {}, lambda: Text("run r1"))
    screen.remember("run r1")
    assert err(screen) == ""


def shell(command, **more):
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, **more)


@pytest.mark.parametrize(
    ("redirection", "code"),
    [("<&-", 0), (">&-", 0), ("2>&-", 0), ("<&- >&- 2>&-", 0)],
)
def test_closed_streams_are_as_if_nobody_were_there(tmp_path, redirection, code):
    environ = {**os.environ, "VMBOOT_STATE": str(tmp_path)}
    ended = shell(f"{sys.executable} -m vmboot runs {redirection}", env=environ)
    assert ended.returncode == code
    assert "unexpected" not in ended.stderr
    assert ("No run is recorded" in ended.stdout) is (">&-" not in redirection.split())


def test_a_question_without_stdin_names_the_flag():
    code = (
        "from vmboot.cli.terminal import of_process\n"
        "of_process([], {}).confirm('Go on?', flag='--yes')"
    )
    ended = shell(f'{sys.executable} -c "{code}" <&-')
    assert "InputError: confirmation needed" in ended.stderr
