"""How often to ask: the engine's clock, run by hand."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from vmboot.vsphere.pacing import Pace

CALL_S = 0.02


@dataclass(frozen=True)
class Ran:
    polls: int
    seconds: float


def run(count: int, window: int, duration: Callable[[], float], *, submitters: int = 8) -> Ran:
    """A window of tasks in simulated time: submitters need CALL_S a task, so does a poll."""
    now, polls, pace = 0.0, 0, Pace()
    free_at = [0.0] * submitters
    live: list[tuple[float, float]] = []
    left = count
    while left or live:
        while left and len(live) < window:
            index = min(range(submitters), key=lambda i: free_at[i])
            start = max(now, free_at[index])
            free_at[index] = start + CALL_S
            live.append((start, start + CALL_S + duration()))
            left -= 1
        now = max(now, pace.next_poll([start for start, _ in live], now)) + CALL_S
        polls += 1
        ended = [start for start, end in live if end <= now]
        live = [(start, end) for start, end in live if end > now]
        pace = pace.after_poll(ended, [start for start, _ in live], now)
    return Ran(polls, now)


@pytest.mark.parametrize("seconds", [0.5, 2.0, 8.0])
def test_equal_tasks_cost_few_polls_and_little_time(seconds: float):
    ran = run(200, 32, lambda: seconds)

    assert ran.polls <= 0.15 * 200
    assert ran.seconds <= 1.5 * 7 * (seconds + CALL_S)


def test_unequal_tasks_do_too():
    dice = random.Random(7)
    ran = run(200, 32, lambda: dice.uniform(0.3, 1.5))

    assert ran.polls <= 0.2 * 200
    assert ran.seconds <= 1.5 * 7 * 0.9


def test_a_task_that_never_ends_is_not_hammered():
    pace = Pace(duration=0.5, last=0.0)
    now = 0.0
    for _ in range(20):
        now = pace.next_poll([0.0], now)
        pace = pace.after_poll((), [0.0], now)

    assert now >= 40
    assert pace.next_poll([0.0], now) - now <= 5.0


def test_before_anything_is_known_it_asks_early_and_then_less_often():
    pace, now, gaps = Pace(), 0.0, []
    for _ in range(5):
        due = pace.next_poll([0.0], now)
        gaps.append(due - now)
        now, pace = due, pace.after_poll((), [0.0], due)

    assert gaps == sorted(gaps)
    assert gaps[0] == pytest.approx(0.05)


def test_it_asks_no_sooner_than_now():
    assert Pace(duration=0.5, last=9.9).next_poll([0.0], 10.0) >= 9.9
    assert Pace(last=None).next_poll([0.0], 10.0) == 10.0
