import signal

import pytest

from vmboot.cli.interrupt import MESSAGE, explained_interrupt


def test_the_first_ctrl_c_is_explained_and_each_takes_effect():
    seen = []
    with explained_interrupt(seen.append):
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
    assert [(event.kind, event.message) for event in seen] == [("run.interrupted", MESSAGE)]


def test_the_handler_before_is_put_back():
    before = signal.getsignal(signal.SIGINT)
    with explained_interrupt(lambda event: None):
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
