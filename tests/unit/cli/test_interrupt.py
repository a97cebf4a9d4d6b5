import signal

import pytest

from vmboot.cli.interrupt import MESSAGE, explained_interrupt, stop_on_interrupt


def test_the_first_ctrl_c_is_explained_and_asks_the_work_to_end():
    seen = []
    with stop_on_interrupt(seen.append) as stop:
        assert not stop.is_set()
        signal.raise_signal(signal.SIGINT)
        assert stop.is_set()
    assert [(event.kind, event.message) for event in seen] == [("run.interrupted", MESSAGE)]


def test_the_second_ctrl_c_ends_it_at_once():
    seen = []
    with pytest.raises(KeyboardInterrupt), stop_on_interrupt(seen.append):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
    assert len(seen) == 1


def test_the_handler_before_is_put_back():
    before = signal.getsignal(signal.SIGINT)
    with stop_on_interrupt(lambda event: None):
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_work_that_takes_the_interrupt_itself_gets_it_explained_once():
    seen = []
    with explained_interrupt(seen.append):
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
    assert [event.message for event in seen] == [MESSAGE]
