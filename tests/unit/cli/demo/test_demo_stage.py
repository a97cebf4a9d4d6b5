import json

import pytest

from tests.unit.cli.screens import out, terminal
from vmboot.cli.demo.stage import BrokenPromise, Stage
from vmboot.errors import MissingToolError, RemoteError


def raising(error):
    def action():
        raise error

    return action


def good():
    return "44 machines changed"


MISSING = raising(MissingToolError("QEMU is not installed", hint="apt-get install qemu"))
BROKEN = raising(BrokenPromise("two machines differ"))


@pytest.mark.parametrize(
    ("actions", "code"),
    [
        ([good, good], 0),
        ([good, MISSING], 3),
        ([good, MISSING, BROKEN], 1),
        ([raising(RemoteError("no", fault="F"))], 1),
    ],
)
def test_the_exit_code_is_0_only_if_each_step_held(actions, code):
    stage = Stage(terminal())
    for action in actions:
        stage.step("step", "why", action)
    assert stage.exit == code


def test_a_step_is_explained_and_says_what_was_seen():
    stage = Stage(terminal())
    assert stage.step("apply", "Do what the plan said.", good) is True
    text = out(stage.terminal)
    assert "1. apply  Do what the plan said." in text
    assert "✓ 44 machines changed" in text


def test_what_this_machine_cannot_do_is_not_done_and_has_a_cure():
    stage = Stage(terminal())
    assert stage.step("rehearse", "Boot it.", MISSING) is False
    text = out(stage.terminal)
    assert "not done: QEMU is not installed" in text
    assert "hint: apt-get install qemu" in text


def test_a_step_that_did_not_hold_says_what_was_false():
    stage = Stage(terminal())
    assert stage.step("undo", "Take it back.", BROKEN) is False
    assert "✗ failed: two machines differ" in out(stage.terminal)


def test_a_step_that_cannot_be_tried_counts_as_not_done():
    stage = Stage(terminal())
    stage.skip("UEFI machines", "no loader", hint="fetch one")
    assert stage.exit == 3
    assert "not done: no loader" in out(stage.terminal)


def test_outcomes_are_told_as_json_with_their_seconds():
    ticks = iter([10.0, 12.5])
    stage = Stage(terminal(json=True), clock=lambda: next(ticks))
    stage.step("apply", "why", good)
    assert [json.dumps(each.to_json()) for each in stage.outcomes] == [
        '{"name": "apply", "state": "held", "says": "44 machines changed", '
        '"hint": null, "seconds": 2.5}'
    ]
    assert out(stage.terminal) == ""


def test_a_bug_is_not_taken_for_a_step_that_failed():
    with pytest.raises(KeyError):
        Stage(terminal()).step("apply", "why", raising(KeyError("x")))
