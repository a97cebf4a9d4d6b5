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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_the_first_write_is_told(number):
    told = {}

    class Module:
        def fail_json(self, **facts):
            told.update(facts)

    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    try:
        with interruptible(Module()):
            signal.raise_signal(number)
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGINT, before[1])
    assert told == {"msg": "interrupted before anything was written", "interrupted": True}
