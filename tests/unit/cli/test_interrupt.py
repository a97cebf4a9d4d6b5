import os
import signal

import pytest

from vmboot.cli.exits import Exit
from vmboot.cli.interrupt import MESSAGE, Interrupted, explained_interrupt


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


CODES = [
    (signal.SIGINT, Exit.INTERRUPTED),
    (signal.SIGTERM, Exit.TERMINATED),
    (signal.SIGHUP, Exit.HUNG_UP),
]


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch):
    """A hang-up lets go of the terminal, which the other tests still need."""
    monkeypatch.setattr("sys.__stdin__", None)
    monkeypatch.setattr("sys.__stdout__", None)
    monkeypatch.setattr("sys.__stderr__", None)


@pytest.mark.parametrize(("number", "code"), CODES)
def test_every_order_to_stop_is_a_keyboard_interrupt_that_knows_its_code(number, code):
    seen = []
    with explained_interrupt(seen.append) as interrupt:
        with pytest.raises(KeyboardInterrupt) as caught:
            signal.raise_signal(number)
        assert isinstance(caught.value, Interrupted)
        assert (caught.value.code, interrupt.code) == (code, code)
        assert interrupt.told(Exit.INTERRUPTED) is code
        assert interrupt.told(Exit.PARTLY) is Exit.PARTLY
    assert [event.kind for event in seen] == ["run.interrupted"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_repeated_sigterm_or_hang_up_does_not_cut_the_cleaning_up_short(number):
    seen = []
    with explained_interrupt(seen.append) as interrupt:
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(number)
    assert (interrupt.code, len(seen)) == (Exit.TERMINATED, 1)


def test_who_is_to_outlive_the_terminal_does():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with explained_interrupt(lambda event: None) as interrupt:
            signal.raise_signal(signal.SIGHUP)
        assert not interrupt.came
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_reader_that_is_gone_does_not_swallow_the_order():
    def broken(_event):
        raise BrokenPipeError

    with explained_interrupt(broken), pytest.raises(Interrupted):
        signal.raise_signal(signal.SIGTERM)


def test_a_hang_up_lets_go_of_the_terminal(monkeypatch):
    main, child = os.openpty()
    with os.fdopen(child, "w") as stream:
        monkeypatch.setattr("sys.__stderr__", stream)
        with explained_interrupt(lambda event: None), pytest.raises(Interrupted):
            os.close(main)
            signal.raise_signal(signal.SIGHUP)
        stream.write("no error")
