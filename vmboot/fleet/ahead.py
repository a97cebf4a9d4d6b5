"""Reads that go on while tasks run, so that a window of tasks never waits for one.

Devices are read a batch ahead of the machines whose turn it is; machines that are done are read
back a batch at a time. What a batch's read fails with is nobody's error yet: whoever needs a
machine of it reads that one alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias

from vmboot.errors import VmbootError
from vmboot.fleet.observe import read_present
from vmboot.fleet.steps import Step
from vmboot.vsphere.machine import Machine
from vmboot.vsphere.reconfigure import needs_devices, read_devices

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session

#: Machines a read. Devices are about 60 KB a machine while they are held.
BATCH = 64
_Devices: TypeAlias = dict[str, tuple[Any, ...]]
_Machines: TypeAlias = Mapping[str, Machine]


@dataclass
class Ahead:
    """One thread that reads. A context manager: leaving it drops what was not asked for.

    All but :meth:`devices` is for one thread alone.
    """

    session: Session
    _pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="vmboot-ahead")
    )
    _devices: dict[str, Future[_Devices]] = field(default_factory=dict)
    _done: list[Step] = field(default_factory=list)
    _found: deque[tuple[Sequence[Step], Future[_Machines]]] = field(default_factory=deque)

    def __enter__(self) -> Ahead:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    # -- before a change ---------------------------------------------------------------------------

    def steps(self, steps: Sequence[Step], *, without: Collection[str] = ()) -> Iterator[Step]:
        """The same steps; the devices of those that need them whole are read one batch ahead.

        :param without: managed object ids of machines whose devices are not needed yet
        """
        self._read(steps[:BATCH], without)
        for start in range(0, len(steps), BATCH):
            self._read(steps[start + BATCH : start + 2 * BATCH], without)
            yield from steps[start : start + BATCH]

    def _read(self, steps: Sequence[Step], without: Collection[str]) -> None:
        asked = (step for step in steps if step.moid not in without)
        moids = [step.moid for step in asked if needs_devices(step.split[0])]
        if moids:
            future = self._pool.submit(read_devices, self.session, moids)
            self._devices.update(dict.fromkeys(moids, future))

    def devices(self, moid: str) -> tuple[Any, ...] | None:
        """A machine's devices, once; ``None`` if they are to be read alone. Waits for them."""
        future = self._devices.pop(moid, None)
        try:
            return future.result().pop(moid, None) if future is not None else None
        except VmbootError:
            return None

    # -- after it ----------------------------------------------------------------------------------

    def note_done(self, step: Step) -> None:
        """A machine that is as it should be by now: it is read with others."""
        self._done.append(step)
        if len(self._done) >= BATCH:
            done, self._done = self._done, []
            self._found.append((done, self._pool.submit(self._read_present, done)))

    def _read_present(self, steps: Sequence[Step]) -> _Machines:
        with_db = [step.moid for step in steps if step.has_secure_db]
        return read_present(self.session, [step.moid for step in steps], secure_db=with_db)

    def take_read(self, *, wait: bool = False) -> Iterator[tuple[Sequence[Step], _Machines]]:
        """Machines read back since the last time, by batches.

        Without those of a batch whose read failed, and without the last ones, too few for a batch.

        :param wait: for all that were begun
        """
        while self._found and (wait or self._found[0][1].done()):  # they end in their order
            steps, future = self._found.popleft()
            try:
                yield steps, future.result()
            except VmbootError:
                continue
