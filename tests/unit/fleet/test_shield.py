"""Ctrl-C while a run works: it ends in good order; a second one does not wait."""

import os
import signal
import threading
from collections.abc import Callable
from functools import wraps

import pytest

from vmboot.fleet import shield
from vmboot.fleet.shield import shielded


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def contained(test: Callable[..., None]) -> Callable[..., None]:
    """An interrupt that gets out of ``test`` fails it, and does not end the whole session."""

    @wraps(test)
    def run(*args: object, **kwargs: object) -> None:
        try:
            test(*args, **kwargs)
        except KeyboardInterrupt:
            pytest.fail("an interrupt escaped")

    return run


@contained
def test_the_result_and_the_error_come_through() -> None:
    assert shielded(lambda: 42, stop=threading.Event()) == 42
    with pytest.raises(KeyError):
        shielded(lambda: {}["x"], stop=threading.Event())


@contained
def test_an_interrupt_lets_the_work_end() -> None:
    stop = threading.Event()

    def work() -> str:
        interrupt()
        assert stop.wait(10)
        return "cleaned up"

    assert shielded(work, stop=stop) == "cleaned up"


@contained
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


@contained
def test_an_interrupt_while_it_starts_begins_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    workers: list[threading.Thread] = []
    done: list[bool] = []

    class Slow(shield._Worker[None]):
        def start(self) -> None:
            super().start()
            workers.append(self)
            raise KeyboardInterrupt

    monkeypatch.setattr(shield, "_Worker", Slow)
    with pytest.raises(KeyboardInterrupt):
        shielded(lambda: done.append(True), stop=threading.Event())
    workers[0].join(10)
    assert not workers[0].is_alive()
    assert done == []
