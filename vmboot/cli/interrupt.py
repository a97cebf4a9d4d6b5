"""Ctrl-C, SIGTERM, SIGHUP: say what is still being finished, and let the run end itself."""

from __future__ import annotations

import os
import signal
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType

from vmboot.cli.exits import Exit
from vmboot.events import Event, Sink

MESSAGE = (
    "interrupted: no machine is begun any more; finishing those in flight, so that none is left "
    "half done and the journal is complete"
)
_CODES = {
    signal.SIGINT: Exit.INTERRUPTED,
    signal.SIGTERM: Exit.TERMINATED,
    signal.SIGHUP: Exit.HUNG_UP,
}


class Interrupted(KeyboardInterrupt):
    """An order to stop.

    :param code: the exit code that tells which signal brought it
    """

    def __init__(self, code: Exit) -> None:
        super().__init__()
        self.code = code


@dataclass
class Interrupt:
    """Whether an order to stop came.

    :param code: the exit code of a run that it ended early
    """

    code: Exit = Exit.INTERRUPTED
    came: bool = False

    def told(self, code: Exit) -> Exit:
        """``code``; of a run that was interrupted, the code that tells the signal."""
        return self.code if code is Exit.INTERRUPTED else code


@contextmanager
def explained_interrupt(sink: Sink) -> Iterator[Interrupt]:
    """Within the ``with`` block the first order to stop is explained, then takes its way.

    The runs of :mod:`vmboot.fleet` take ``KeyboardInterrupt`` as the order to begin nothing new and
    to clean up, and a second one as the order to leave that to the next run. Only a person at the
    keyboard gives the second: a service manager, or a shell whose connection broke, sends SIGTERM
    and SIGHUP more than once, and means the same by all of them.
    """
    interrupt = Interrupt()
    before = {number: signal.getsignal(number) for number in _CODES}
    # Who started us with nohup wants us to outlive the terminal.
    heard = [n for n in _CODES if n is signal.SIGINT or before[n] is not signal.SIG_IGN]

    def explain(number: int, _frame: FrameType | None) -> None:
        if interrupt.came:
            return
        interrupt.came = True
        interrupt.code = _CODES[signal.Signals(number)]
        signal.signal(signal.SIGINT, before[signal.SIGINT])
        if number == signal.SIGHUP:
            _let_go_of_terminal()
        with suppress(OSError):  # whoever read it may be gone; the order to stop stands
            sink(Event("run.interrupted", MESSAGE))
        raise Interrupted(interrupt.code)

    for number in heard:
        signal.signal(number, explain)
    try:
        yield interrupt
    finally:
        for number in heard:
            signal.signal(number, before[number])


def _let_go_of_terminal() -> None:
    """Point streams at nothing whose terminal is gone; writing to it would fail from now on."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (sys.__stdin__, sys.__stdout__, sys.__stderr__):
        if stream is not None and stat.S_ISCHR(os.fstat(stream.fileno()).st_mode):
            os.dup2(nothing, stream.fileno())
    os.close(nothing)
