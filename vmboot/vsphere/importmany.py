"""One master onto several datastores at once: an import is mostly waiting for the vCenter."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmboot.errors import VmbootError
from vmboot.events import Event, Sink, ignore
from vmboot.vsphere.importing import Way, import_disk
from vmboot.vsphere.placement import DatastoreChoice

if TYPE_CHECKING:
    from vmboot.vsphere.hashcache import HashCache
    from vmboot.vsphere.session import Session

AT_ONCE = 8


@dataclass(frozen=True)
class Imported:
    """How one import ended.

    :param sent: false if the disk was there with the same bytes, or ``error`` says why it is not
    """

    datastore: DatastoreChoice
    sent: bool = False
    error: VmbootError | None = None


def import_disks(
    session: Session,
    datastores: Sequence[DatastoreChoice],
    *,
    path: str,
    raw: bytes,
    stream: Callable[[], bytes],
    sha256: str,
    way: Way = "auto",
    cache: HashCache | None = None,
    at_once: int = AT_ONCE,
    sink: Sink = ignore,
) -> Iterator[Imported]:
    """Run :func:`~vmboot.vsphere.importing.import_disk` for each; each result as it ends.

    One that fails does not keep the others from theirs. Who stops iterating, or interrupts, gets
    what is under way finished and the rest not begun.

    :param stream: called once at most, however many need it
    :param sink: called by one thread at a time
    """
    once, serial = _Once(stream), _Serial(sink)

    def run(datastore: DatastoreChoice) -> bool:
        return import_disk(
            session,
            datastore=datastore,
            path=path,
            raw=raw,
            stream=once,
            sha256=sha256,
            way=way,
            cache=cache,
            sink=serial,
        )

    pool = ThreadPoolExecutor(at_once, thread_name_prefix="vmboot-import")
    try:
        futures = {pool.submit(run, datastore): datastore for datastore in datastores}
        for future in as_completed(futures):
            yield _result(futures[future], future)
    finally:
        pool.shutdown(cancel_futures=True)


def _result(datastore: DatastoreChoice, future: Future[bool]) -> Imported:
    try:
        return Imported(datastore, sent=future.result())
    except VmbootError as error:
        return Imported(datastore, error=error)


class _Once:
    """A function's result, made by the first who asks."""

    def __init__(self, make: Callable[[], bytes]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: bytes | None = None

    def __call__(self) -> bytes:
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made


class _Serial:
    """A sink for several threads."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        with self._lock:
            self._sink(event)
