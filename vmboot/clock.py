"""Deadlines, and the only sleep in the library."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from vmboot.errors import DeadlineError

T = TypeVar("T")


@dataclass(frozen=True)
class Deadline:
    """A point on the monotonic clock that work must not pass.

    >>> Deadline.after(0).expired
    True
    """

    at: float
    seconds: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """The deadline ``seconds`` from now."""
        return cls(at=time.monotonic() + seconds, seconds=seconds)

    @property
    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.at - time.monotonic())

    @property
    def expired(self) -> bool:
        return self.remaining == 0.0


def pause(seconds: float, deadline: Deadline) -> None:
    """Sleep for ``seconds``, or until ``deadline`` if that is sooner."""
    time.sleep(min(max(seconds, 0.0), deadline.remaining))


def poll(check: Callable[[], T | None], *, deadline: Deadline, every: float, what: str) -> T:
    """Call ``check`` until it returns something other than ``None``.

    :param every: seconds between two calls
    :param what: what is awaited, for the error
    :raises DeadlineError: the deadline passed; ``check`` was called at least once
    """
    while True:
        found = check()
        if found is not None:
            return found
        if deadline.expired:
            raise DeadlineError(f"{what} did not happen within {deadline.seconds:g} s")
        pause(every, deadline)
