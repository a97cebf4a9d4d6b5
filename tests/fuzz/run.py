"""Run cases in a process of their own, with a limit on memory and on CPU time for each case.

Whatever is neither a value nor a VmbootError ends that process; the number of the case is in
memory that both processes share, so it is known even when the process is killed.
"""

from __future__ import annotations

import json
import mmap
import multiprocessing
import re
import resource
import signal
import time
from dataclasses import asdict, dataclass
from functools import cache
from multiprocessing.connection import Connection
from types import FrameType

from tests.fuzz.formats import Format
from tests.fuzz.mutate import Seed, mutated
from vmboot.errors import VmbootError

MEMORY = 768 << 20  # bytes of address space, Python and its libraries included
CASE_SECONDS = 3.0  # of CPU
STUCK_SECONDS = 60.0  # of a clock, for code that no signal interrupts
_CHECK_SECONDS = 0.2


@dataclass(frozen=True)
class Report:
    """What came of one format.

    :param seconds: of CPU, in all
    :param slowest: number of the case that took longest, and its seconds of CPU
    :param peak: bytes of memory that were in use at most
    :param failed: number of the case that broke the rules, ``None`` if none did
    """

    format: str
    cases: int
    seconds: float = 0.0
    refused: int = 0
    accepted: int = 0
    slowest: tuple[int, float] = (0, 0.0)
    peak: int = 0
    failed: int | None = None


class TooSlowError(BaseException):
    """Not an Exception, so that no reader can take it for damage in its file."""


@cache
def seeds_of(row: Format) -> tuple[Seed, ...]:
    """The good files of ``row``, made once."""
    return row.seeds()


def case(row: Format, number: int, *, seed: int) -> bytes:
    """The damaged file with this number."""
    return mutated(seeds_of(row), key=f"{row.name} {seed} {number}", mend=row.mend)


@dataclass(frozen=True)
class Outcome:
    """What a reader made of a file; ``kind`` in words without numbers and names."""

    refused: bool
    kind: str


def outcome(row: Format, data: bytes) -> Outcome:
    """Read ``data``; anything but a value or a VmbootError comes through."""
    try:
        found = row.read(data)
    except VmbootError as error:
        return Outcome(True, _kind(error.message))
    return Outcome(False, "; ".join(map(_kind, getattr(found, "problems", ()))))


def _kind(message: str) -> str:
    return re.sub(r"\d+|'.*'|\S*/\S*", "#", message)


def run(row: Format, *, count: int, seed: int) -> Report:
    """Run ``count`` cases."""
    context = multiprocessing.get_context("fork")
    seeds_of(row)  # made before the fork
    current = mmap.mmap(-1, 8)
    receiver, sender = context.Pipe(duplex=False)
    worker = context.Process(target=_work, args=(row, count, seed, current, sender), daemon=True)
    worker.start()
    sender.close()
    _watch(worker, current)
    if worker.exitcode == 0:
        found = json.loads(receiver.recv_bytes())
        return Report(**{**found, "slowest": tuple(found["slowest"])})
    return Report(row.name, count, failed=int.from_bytes(current[:8], "little"))


def _watch(worker: multiprocessing.process.BaseProcess, current: mmap.mmap) -> None:
    """Wait for the end; a worker whose case does not change for long is killed."""
    last, since = b"", time.monotonic()
    while worker.is_alive():
        worker.join(_CHECK_SECONDS)
        if current[:8] != last:
            last, since = current[:8], time.monotonic()
        elif time.monotonic() - since > STUCK_SECONDS:
            worker.kill()
            worker.join()


def _work(row: Format, count: int, seed: int, current: mmap.mmap, sender: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGPROF, _too_slow)
    refused, slowest = 0, (0, 0.0)
    begin = before = time.process_time()
    for number in range(count):
        current[:8] = number.to_bytes(8, "little")
        data = case(row, number, seed=seed)
        signal.setitimer(signal.ITIMER_PROF, CASE_SECONDS)
        refused += outcome(row, data).refused
        signal.setitimer(signal.ITIMER_PROF, 0)
        now = time.process_time()
        slowest = max(slowest, (number, now - before), key=lambda pair: pair[1])
        before = now
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    report = Report(
        row.name, count, before - begin, refused, count - refused, slowest=slowest, peak=peak
    )
    sender.send_bytes(json.dumps(asdict(report)).encode())


def _too_slow(_signal: int, _frame: FrameType | None) -> None:
    raise TooSlowError(f"one case took more than {CASE_SECONDS:g} s of CPU")
