"""Ctrl-C while a run works: it ends in good order; a second one does not wait."""

import os
import signal
import threading

import pytest

from vmboot.fleet.shield import shielded


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_the_result_and_the_error_come_through() -> None:
    assert shielded(lambda: 42, stop=threading.Event()) == 42
    with pytest.raises(KeyError):
        shielded(lambda: {}["x"], stop=threading.Event())


def test_an_interrupt_lets_the_work_end() -> None:
    stop = threading.Event()

    def work() -> str:
        interrupt()
        assert stop.wait(10)
        return "cleaned up"

    assert shielded(work, stop=stop) == "cleaned up"


def test_a_second_interrupt_abandons_the_work() -> None:
    stop, never = threading.Event(), threading.Event()

    def work() -> None:
        interrupt()
        assert stop.wait(10)
        interrupt()
        never.wait(10)

    with pytest.raises(KeyboardInterrupt):
        shielded(work, stop=stop)
    never.set()
