"""When to ask next whether tasks have ended. Pure: times in, a time out.

Asking too often costs calls, asking late costs wall time. So the duration of a task is learned
from what each poll sees, and the next poll is set for the moment when a good part of the tasks in
flight should be ready.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

FIRST_S = 0.05
LONGEST_S = 5.0
READY_SHARE = 0.4
"""A poll is due when this share of the tasks in flight is expected to have ended."""
_SHORTEST_S = 0.04
_GROWTH = 1.6
_MISSES_KNOWN = 1.5
_MEMORY = 0.6
_MARGIN_S = 0.01


@dataclass(frozen=True)
class Pace:
    """What is known so far. All times are seconds on one clock.

    :param duration: how long a task takes; ``None`` until one ended
    :param last: when was polled last
    :param misses: polls in a row that saw no task end
    """

    duration: float | None = None
    last: float | None = None
    misses: int = 0

    def next_poll(self, starts: Sequence[float], now: float) -> float:
        """When to poll next.

        :param starts: start times of the tasks in flight; at least one
        """
        if self.duration is None:
            since = self.last if self.last is not None else min(starts)
            return max(now, since + min(FIRST_S * _GROWTH**self.misses, LONGEST_S))
        ready = sorted(start + self.duration for start in starts)
        due = ready[math.ceil(READY_SHARE * len(ready)) - 1] + _MARGIN_S
        last = self.last if self.last is not None else now
        gap = max(_SHORTEST_S, 0.1 * self.duration) * _MISSES_KNOWN**self.misses
        return min(max(due, last + min(gap, LONGEST_S)), max(now, last + LONGEST_S))

    def after_poll(self, ended: Sequence[float], live: Sequence[float], now: float) -> Pace:
        """What is known after a poll at ``now``.

        :param ended: start times of the tasks that this poll saw ended
        :param live: start times of those still running
        """
        if not ended:
            return Pace(self.duration, now, self.misses + 1)
        seen = self._sample(ended, live, now)
        if self.duration is not None:
            seen = _MEMORY * seen + (1 - _MEMORY) * self.duration
        return Pace(seen, now, 0)

    def _sample(self, ended: Sequence[float], live: Sequence[float], now: float) -> float:
        """An estimate of the duration from this poll alone.

        Tasks of equal length bracket it: every ended one is older than every live one. Otherwise
        the best guess is that each ended half-way between the last poll and this one.
        """
        youngest_ended = now - max(ended)
        oldest_live = now - min(live) if live else 0.0
        last = self.last if self.last is not None else min(ended)
        if oldest_live < youngest_ended:
            at_least = max(oldest_live, last - max(ended))
            return (at_least + youngest_ended) / 2
        return median((max(last, start) + now) / 2 - start for start in ended)
