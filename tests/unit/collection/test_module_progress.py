"""Events of a module call in a file, and its interruption."""

import json
import os
import signal
import threading

import pytest
from ansible_collections.vmboot.vsphere.plugins.module_utils.progress import (
    announced,
    file_sink,
    interruptible,
)

from vmboot.events import Event
from vmboot.fleet.rollout_progress import EventFile


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "events.jsonl"
    path.touch()
    return path


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_event_is_a_line(file):
    sink = file_sink(str(file))
    sink(Event("vm.done", "done", "/DC1/vm/a", {"seconds": 1}))
    assert read(file) == [
        {"kind": "vm.done", "message": "done", "subject": "/DC1/vm/a", "data": {"seconds": 1}}
    ]


def test_threads_do_not_mix_their_lines(file):
    sink = file_sink(str(file))
    threads = [
        threading.Thread(target=lambda: [sink(Event("x", "y" * 500)) for _ in range(50)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read(file)) == 200


@pytest.mark.parametrize("path", ["", "/nowhere/events.jsonl"])
def test_without_a_file_events_are_dropped(path):
    assert file_sink(path)(Event("vm.done")) is None


def test_a_call_says_who_it_is_and_that_it_ended(file):
    with announced(file_sink(str(file)), wave="canary"):
        pass
    assert [(e["kind"], e["subject"], e["data"]["pid"]) for e in read(file)] == [
        ("call.started", "canary", os.getpid()),
        ("call.ended", "canary", os.getpid()),
    ]


class Module:
    """The part of ``AnsibleModule`` that reports errors."""

    def __init__(self):
        self.told = {}

    def fail_json(self, **facts):
        self.told = facts


@pytest.fixture(autouse=True)
def signals():
    """The handlers of the test runner, put back."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


EARLY = {"msg": "interrupted before anything was written", "interrupted": True}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_the_first_write_ends_the_call(number):
    module = Module()
    with interruptible(module):
        signal.raise_signal(number)
    assert module.told == EARLY


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_writing_only_asks(number):
    module = Module()
    with interruptible(module) as interruption:
        stop = interruption.writing()
        signal.raise_signal(number)
        assert stop.is_set()
    assert module.told == {}


def test_a_request_between_two_calls_stops_the_next_before_it_writes(file, monkeypatch):
    monkeypatch.setenv("VMBOOT_EVENTS_FILE", str(file))
    EventFile(file).ask_to_stop()
    module = Module()
    with interruptible(module) as interruption:
        interruption.writing()
    assert module.told == EARLY


def test_without_a_request_a_call_may_write(file, monkeypatch):
    monkeypatch.setenv("VMBOOT_EVENTS_FILE", str(file))
    EventFile(file)
    module = Module()
    with interruptible(module) as interruption:
        assert not interruption.writing().is_set()
    assert module.told == {}
