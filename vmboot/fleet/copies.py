"""Copies of a master, one per machine: made before the machine is changed, gone when nobody has it.

What is in the way of a copy is never overwritten. The same bytes are used; what a dead run of ours
had begun is deleted and made again; anything else is somebody's, and that machine fails.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from vmboot.errors import NotFoundError, RefusedError, RemoteError, VmbootError
from vmboot.events import Event, Sink, ignore
from vmboot.fleet.journal import Copied, Copying, Foreign, Journal
from vmboot.fleet.runs import Run, load_run, read_runs
from vmboot.fleet.strays import is_older
from vmboot.vsphere.disks import copy_disk_job, delete_remains, relative, same_disk
from vmboot.vsphere.placement import choice_of
from vmboot.vsphere.storage import Datastore, read_storage
from vmboot.vsphere.tasks import Job, run_window

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session

_EXISTS = "FileAlreadyExists"
_BATCH = 32
_READERS = 8


@dataclass(frozen=True)
class Made:
    """What became of the copies.

    :param ready: managed object ids of machines whose copy is there
    :param begun: orders that were sent, whether they ended well or not, without those where
        somebody's file was in the way
    :param errors: why there is none, by managed object id; machines in neither were not begun
    :param since: when they were begun
    """

    ready: frozenset[str] = frozenset()
    begun: tuple[Copying, ...] = ()
    errors: Mapping[str, VmbootError] = field(default_factory=dict)
    since: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def doubtful(self) -> Mapping[str, datetime]:
        """Paths of copies that did not end well, and when they were begun."""
        return {copy.path: self.since for copy in self.begun if copy.moid not in self.ready}


@dataclass
class Copies:
    """One pass over ``orders``.

    :param dead: ids of runs that ended in the middle, whose locks are held
    :param halted: asked with the number of failures before each copy; true begins no more
    """

    session: Session
    journal: Journal
    orders: Sequence[Copying]
    window: int = 32
    dead: Collection[str] = ()
    halted: Callable[[int], bool] = lambda _failures: False
    stop: threading.Event = field(default_factory=threading.Event)
    state: Path | None = None
    sink: Sink = ignore
    _stores: Mapping[str, Datastore] = field(default_factory=dict)
    _ready: set[str] = field(default_factory=set)
    _begun: list[Copying] = field(default_factory=list)
    _errors: dict[str, VmbootError] = field(default_factory=dict)
    _in_the_way: list[Copying] = field(default_factory=list)
    _ended: list[Copied] = field(default_factory=list)

    def run(self) -> Made:
        """Make them; failures are collected.

        :raises RefusedError: the journal cannot be written; nothing is sent without it
        """
        if not self.orders:
            return Made()
        since = datetime.now(UTC)
        self.sink(Event("copy.begin", "copying BDM disks", data={"total": len(self.orders)}))
        try:
            self._stores = {store.moid: store for store in read_storage(self.session).datastores}
        except VmbootError as error:
            return Made(errors={order.moid: error for order in self.orders})
        self._copy(self.orders)
        if self._in_the_way and not self.stop.is_set():
            self._copy(self._cleared())
        for order in self._in_the_way:
            self._refuse(order)
        return Made(frozenset(self._ready), tuple(self._begun), self._errors, since)

    def _copy(self, orders: Sequence[Copying]) -> None:
        by_path = {order.path: order for order in orders}
        self._in_the_way = []
        outcomes = run_window(
            self.session,
            self._jobs(orders),
            window=self.window,
            before_start=lambda paths: self._begin([by_path[path] for path in paths]),
            stop=self.stop,
            sink=self.sink,
        )
        for outcome in outcomes:
            if outcome.started:
                self._end(by_path[outcome.subject], outcome.error)
        self._note_ended()

    def _jobs(self, orders: Iterable[Copying]) -> Iterator[Job]:
        for order in orders:
            if self.halted(len(self._errors)):
                return
            store = self._stores.get(order.datastore)
            if store is None:
                gone = RefusedError(f"the datastore of {order.path} is gone", hint="plan again")
                self._failed(order, gone)
                continue
            where = store.datacenter_moid
            yield copy_disk_job(
                order.path,
                source=order.source,
                source_datacenter=where,
                target=order.path,
                target_datacenter=where,
            )

    def _begin(self, orders: Sequence[Copying]) -> None:
        self.journal.write(*orders)
        self._begun += orders

    def _end(self, order: Copying, error: VmbootError | None) -> None:
        if isinstance(error, RemoteError) and error.fault == _EXISTS:
            self._in_the_way.append(order)
        elif error is not None:
            self._failed(order, error)
        else:
            self._done(order)

    def _done(self, order: Copying) -> None:
        self._ready.add(order.moid)
        self._ended.append(Copied(order.path))
        if len(self._ended) >= _BATCH:
            self._note_ended()
        facts = {"done": len(self._ready) + len(self._errors), "total": len(self.orders)}
        self.sink(Event("copy.done", "copied", order.path, facts))

    def _failed(self, order: Copying, error: VmbootError) -> None:
        self._errors[order.moid] = error
        self.sink(Event("copy.failed", error.message, order.path))

    def _note_ended(self) -> None:
        self.journal.write(*self._ended)
        self._ended = []

    # -- what was there already --------------------------------------------------------------------

    def _cleared(self) -> list[Copying]:
        """Those of them to be made again; the others are used as they are, or fail."""
        orders, again = self._in_the_way, []
        earlier = _Earlier(self.dead, self.journal.run_id, self.state)
        with ThreadPoolExecutor(_READERS, thread_name_prefix="vmboot-compare") as pool:
            for order, same in zip(orders, pool.map(self._same, orders), strict=True):
                if isinstance(same, VmbootError):
                    self._refuse(order, same)
                elif same or (same is None and earlier.finished(order.path)):
                    self._done(order)
                elif not earlier.began(order.path) or self._is_older(order, earlier):
                    self._refuse(order)
                elif self._deleted(order):
                    again.append(order)
        self._note_ended()
        return again

    def _same(self, order: Copying) -> bool | VmbootError | None:
        store = choice_of(self._stores[order.datastore])
        try:
            return same_disk(
                self.session,
                datastore=store,
                path=relative(order.path),
                size=order.size,
                sha256=order.sha256,
            )
        except NotFoundError:
            return None
        except VmbootError as error:
            return error

    def _is_older(self, order: Copying, earlier: _Earlier) -> bool:
        store = choice_of(self._stores[order.datastore])
        than = earlier.started(order.path)
        return is_older(self.session, store, relative(order.path), than=than)

    def _refuse(self, order: Copying, error: VmbootError | None = None) -> None:
        """What is in the way is not ours, or cannot be told: it is never deleted on our account."""
        self.journal.write(Foreign(order.path))
        self._begun = [copy for copy in self._begun if copy.path != order.path]
        self._failed(order, error or _somebodys(order))

    def _deleted(self, order: Copying) -> bool:
        """A copy that was cut off may be a descriptor alone, or an extent."""
        store = choice_of(self._stores[order.datastore])
        try:
            delete_remains(self.session, datastore=store, path=relative(order.path))
        except VmbootError as error:
            self._failed(order, error)
            return False
        return True


class _Earlier:
    """Which copies runs that are over had begun; the journals are read when that is asked."""

    def __init__(self, dead: Collection[str], this: str, state: Path | None) -> None:
        self._dead, self._this, self._state = dead, this, state
        self._runs: dict[str, Run] | None = None

    def began(self, path: str) -> bool:
        return path in self._known()

    def finished(self, path: str) -> bool:
        run = self._known().get(path)
        return run is not None and path in run.copied

    def started(self, path: str) -> datetime:
        """When the last run began that was to make the copy."""
        return datetime.fromisoformat(self._known()[path].started.started)

    def _known(self) -> Mapping[str, Run]:
        """The last run that had begun each copy."""
        if self._runs is None:
            self._runs = {}
            for summary in reversed(read_runs(state=self._state).runs):
                is_over = summary.finished or summary.id in self._dead
                if is_over and summary.id != self._this:
                    run = load_run(summary.id, state=self._state)
                    self._runs |= dict.fromkeys(run.copies, run)
        return self._runs


def _somebodys(order: Copying) -> RefusedError:
    return RefusedError(
        f"{order.path} is there already, and it is not what vmboot made",
        hint="vmboot never overwrites: see whose it is, move it away, then apply again",
    )
