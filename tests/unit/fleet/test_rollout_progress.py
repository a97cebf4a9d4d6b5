"""Ansible's and the modules' own events in vmboot's words."""

import json

import pytest

from vmboot.events import Event
from vmboot.fleet.rollout_progress import EventFile, module_result, translated

FLEET = "vmboot.vsphere.fleet"


def raw(event, **facts):
    return {"event": event, "event_data": facts}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "events.jsonl"


def append(path, text):
    with path.open("a") as file:
        file.write(text)


def test_events_are_read_once_each(file):
    events = EventFile(file)
    for name in ("a", "b"):
        event = Event("vm.done", subject=name)
        append(file, json.dumps(event.to_json()) + "\n")
        assert list(events.read()) == [event]
    assert list(events.read()) == []


def test_a_line_in_the_making_is_left_for_later(file):
    events = EventFile(file)
    line = json.dumps(Event("vm.done").to_json()) + "\n"
    append(file, line + line[:7])
    assert len(list(events.read())) == 1
    append(file, line[7:])
    assert len(list(events.read())) == 1


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (raw("playbook_on_play_start", play="Roll out"), Event("rollout.play", "Roll out")),
        (raw("playbook_on_task_start", task="Plan"), Event("rollout.task", "Plan")),
        (
            raw(
                "runner_on_failed",
                host="vc",
                task="Apply",
                res={"msg": "no", "hint": "wait", "error": "AuthError"},
            ),
            Event(
                "rollout.failed",
                "no",
                "vc",
                {"task": "Apply", "hint": "wait", "error": "AuthError"},
            ),
        ),
        (
            raw("runner_on_unreachable", host="pvs1", task="Apply", res={"msg": "ssh"}),
            Event("rollout.unreachable", "ssh", "pvs1", {"task": "Apply", "hint": "", "error": ""}),
        ),
        (
            {"event": "warning", "stdout": "[WARNING]: hm\n"},
            Event("rollout.warning", "[WARNING]: hm"),
        ),
        (raw("runner_on_failed", host="vc", ignore_errors=True), None),
        (raw("runner_on_start", host="vc"), None),
        ({"event": "verbose"}, None),
    ],
)
def test_events_of_ansible_in_vmboot_s_words(given, wanted):
    assert translated(given) == wanted


@pytest.mark.parametrize("event", ["runner_on_ok", "runner_on_failed", "runner_item_on_ok"])
def test_the_end_of_a_module_call_gives_its_result(event):
    given = raw(event, resolved_action=FLEET, res={"run_id": "r1"})
    assert module_result(given) == ("fleet", {"run_id": "r1"})


@pytest.mark.parametrize(
    "given",
    [
        raw("runner_on_start", resolved_action=FLEET),
        raw("runner_on_ok", resolved_action="ansible.builtin.debug", res={}),
        raw("runner_on_ok", resolved_action=FLEET, res={"results": [{"run_id": "r1"}]}),
        {"event": "runner_on_ok"},
    ],
)
def test_other_events_give_none(given):
    assert module_result(given) is None
