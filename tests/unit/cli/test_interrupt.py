import signal

import pytest

from vmboot.cli.interrupt import MESSAGE, says_what_it_finishes


def test_ctrl_c_is_explained_and_then_takes_effect():
    seen = []
    with pytest.raises(KeyboardInterrupt), says_what_it_finishes(seen.append):
        signal.raise_signal(signal.SIGINT)
    assert [(event.kind, event.message) for event in seen] == [("run.interrupted", MESSAGE)]


def test_a_second_ctrl_c_is_not_explained_again():
    seen = []
    with says_what_it_finishes(seen.append):
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
    assert len(seen) == 1


def test_the_handler_before_is_put_back():
    before = signal.getsignal(signal.SIGINT)
    with says_what_it_finishes(lambda event: None):
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
