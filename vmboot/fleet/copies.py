"""Copies of a master, one per machine: made before the machine is changed, gone when nobody has it.

What is in the way of a copy is never overwritten. The same bytes are used; what a run of ours had
begun, never saw to end, and nobody holds is deleted and made again; anything else is somebody's,
and that machine fails.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from vmboot.errors import NotFoundError, RefusedError, RemoteError, VmbootError
from vmboot.events import Event, Sink, ignore
from vmboot.fleet.earlier import Earlier, earlier_copies
from vmboot.fleet.journal import Copied, Copying, Foreign, Journal
from vmboot.fleet.runs import load_all
from vmboot.fleet.strays import is_older
from vmboot.vsphere.disks import as_named_now, copy_disk_job, delete_remains, relative, same_disk
from vmboot.vsphere.holders import Holders, read_holders
from vmboot.vsphere.placement import DatastoreChoice, choice_of
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

    :param ready: managed object ids of machines whose copies are all there
    :param begun: orders that were sent, whether they ended well or not, without those where
        somebody's file was in the way
    :param errors: why there is none, by managed object id; machines in neither were not begun
    :param since: when they were begun
    :param found: paths of those of ``begun`` that were there already, with the same bytes: another
        run, maybe somebody else's, made them
    """

    ready: frozenset[str] = frozenset()
    begun: tuple[Copying, ...] = ()
    errors: Mapping[str, VmbootError] = field(default_factory=dict)
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    found: frozenset[str] = frozenset()

    @property
    def doubtful(self) -> Mapping[str, datetime]:
        """Paths of copies that did not end well, and when they were begun."""
        return {copy.path: self.since for copy in self.begun if copy.moid not in self.ready}


@dataclass
class Copies:
    """The copies that ``orders`` ask for.

    :meth:`run` makes them; or somebody else's window does, by :meth:`open`, :meth:`job`,
    :meth:`note_begun`, :meth:`end` and :meth:`settle` in this order. A machine of several orders
    is ready when all its copies are there.

    :param dead: ids of runs that ended in the middle, whose locks are held
    """

    session: Session
    journal: Journal
    orders: Sequence[Copying]
    window: int = 32
    dead: Collection[str] = ()
    stop: threading.Event = field(default_factory=threading.Event)
    state: Path | None = None
    sink: Sink = ignore
    by_path: Mapping[str, Copying] = field(init=False)
    ready: set[str] = field(default_factory=set)
    errors: dict[str, VmbootError] = field(default_factory=dict)
    _since: datetime = field(default_factory=lambda: datetime.now(UTC))
    _stores: Mapping[str, Datastore] = field(default_factory=dict)
    _begun: list[Copying] = field(default_factory=list)
    _in_the_way: list[Copying] = field(default_factory=list)
    _ended: list[Copied] = field(default_factory=list)
    _found: set[str] = field(default_factory=set)
    _missing: dict[str, set[str]] = field(default_factory=dict)
    _holders: Holders | None = None

    def __post_init__(self) -> None:
        self.by_path = {order.path: order for order in self.orders}
        for order in self.orders:
            self._missing.setdefault(order.moid, set()).add(order.path)

    def run(self) -> Made:
        """Make them; failures are collected.

        :raises RefusedError: the journal cannot be written; nothing is sent without it
        """
        self.open()
        self._copy([order for order in self.orders if order.moid not in self.errors])
        again = self.settle()
        if again:
            self._copy(again)
            self.refuse_rest()
        return self.made

    @property
    def made(self) -> Made:
        """What became of them so far."""
        ready, found = frozenset(self.ready), frozenset(self._found)
        return Made(ready, tuple(self._begun), self.errors, self._since, found)

    def open(self) -> None:
        """Look at the datastores; without them no copy can be made."""
        if not self.orders:
            return
        self.sink(Event("copy.begin", "copying BDM disks", data={"total": len(self.orders)}))
        try:
            self._stores = {store.moid: store for store in read_storage(self.session).datastores}
        except VmbootError as error:
            self.errors |= {order.moid: error for order in self.orders}

    def job(self, order: Copying) -> Job | None:
        """The write; ``None`` if it cannot be made."""
        store = self._stores.get(order.datastore)
        if store is None:
            gone = RefusedError(f"the datastore of {order.path} is gone", hint="plan again")
            self._failed(order, gone)
            return None
        where, choice = store.datacenter_moid, choice_of(store)
        return copy_disk_job(
            order.path,
            source=_master_now(choice, order),
            source_datacenter=where,
            target=as_named_now(choice, order.path),
            target_datacenter=where,
        )

    def note_begun(self, orders: Iterable[Copying]) -> None:
        """They are in the journal now, and sent next."""
        self._begun += orders

    def end(self, order: Copying, error: VmbootError | None) -> None:
        """How its write ended."""
        if isinstance(error, RemoteError) and error.fault == _EXISTS:
            self._in_the_way.append(order)
        elif error is not None:
            self._failed(order, error)
        else:
            self._done(order)

    def take_ended(self, *, at_least: int = 0) -> tuple[Copied, ...]:
        """Records of copies that are there, for the journal; none while there are fewer."""
        if len(self._ended) < at_least:
            return ()
        ended, self._ended = tuple(self._ended), []
        return ended

    def settle(self) -> list[Copying]:
        """When all writes have ended: those to be made again, as what was in the way is gone.

        Others where a file was in the way are ready now, or have failed.
        """
        if self.stop.is_set():
            self.refuse_rest()
        again = self._cleared() if self._in_the_way else []
        self._in_the_way = []
        self.journal.write(*self.take_ended())
        return again

    def refuse_rest(self) -> None:
        """What is in the way still, or of which nobody may find out any more, is somebody's."""
        for order in self._in_the_way:
            self._refuse(order, _somebodys(order))
        self._in_the_way = []
        self.journal.write(*self.take_ended())

    def _copy(self, orders: Sequence[Copying]) -> None:
        jobs = (job for order in orders if (job := self.job(order)) is not None)
        outcomes = run_window(
            self.session,
            jobs,
            window=self.window,
            before_start=self._begin,
            stop=self.stop,
            sink=self.sink,
        )
        for outcome in outcomes:
            if outcome.started:
                self.end(self.by_path[outcome.subject], outcome.error)
                self.journal.write(*self.take_ended(at_least=_BATCH))

    def _begin(self, paths: Sequence[str]) -> None:
        orders = [self.by_path[path] for path in paths]
        self.journal.write(*orders)
        self.note_begun(orders)

    def _done(self, order: Copying) -> None:
        self._missing[order.moid].discard(order.path)
        if not self._missing[order.moid]:
            self.ready.add(order.moid)
        self._ended.append(Copied(order.path))
        facts = {"done": len(self.ready) + len(self.errors), "total": len(self.orders)}
        self.sink(Event("copy.done", "copied", order.path, facts))

    def _failed(self, order: Copying, error: VmbootError) -> None:
        self.errors[order.moid] = error
        self.sink(Event("copy.failed", error.message, order.path))

    # -- what was there already --------------------------------------------------------------------

    def _cleared(self) -> list[Copying]:
        """Those of them to be made again; the others are used as they are, or fail."""
        orders, again = self._in_the_way, []
        with ThreadPoolExecutor(_READERS, thread_name_prefix="vmboot-compare") as pool:
            found = list(zip(orders, pool.map(self._same, orders), strict=True))
        earlier = self._earlier([order.path for order, same in found if same is not True])
        for order, same in found:
            try:
                usable = self._is_usable(order, same, earlier.get(order.path))
            except VmbootError as error:
                self._refuse(order, error)
                continue
            if usable:
                self._found.add(order.path)
                self._done(order)
            elif self._deleted(order):
                again.append(order)
        return again

    def _earlier(self, paths: Sequence[str]) -> Mapping[str, Earlier]:
        """What is known of ``paths``; the journals are read only where bytes are not enough."""
        if not paths:
            return {}
        return earlier_copies(
            load_all(state=self.state),
            paths,
            vcenter_uuid=self.session.about.uuid,
            dead=self.dead,
            this=self.journal.run_id,
        )

    def _is_usable(
        self, order: Copying, same: bool | VmbootError | None, earlier: Earlier | None
    ) -> bool:
        """True if what is there is the copy; false if it is half a copy that nobody holds.

        :raises VmbootError: it is neither, or that cannot be told
        """
        if isinstance(same, VmbootError):
            raise same
        if same or (same is None and earlier is not None and earlier.is_whole):
            return True
        if earlier is None or earlier.is_whole or self._is_older(order, earlier):
            raise _somebodys(order)
        self._check_free(order)
        return False

    def _check_free(self, order: Copying) -> None:
        if self._holders is None:
            self._holders = read_holders(self.session)
        if self._holders.unreadable:
            raise _untold(order, self._holders.unreadable)
        path = as_named_now(choice_of(self._stores[order.datastore]), order.path)
        if path in self._holders.by_disk:
            raise _held(order, self._holders.by_disk[path])

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

    def _is_older(self, order: Copying, earlier: Earlier) -> bool:
        store = choice_of(self._stores[order.datastore])
        return is_older(self.session, store, relative(order.path), than=earlier.since)

    def _refuse(self, order: Copying, error: VmbootError) -> None:
        """What is in the way is not ours, or cannot be told: it is never deleted on our account."""
        self.journal.write(Foreign(order.path))
        self._begun = [copy for copy in self._begun if copy.path != order.path]
        self._failed(order, error)

    def _deleted(self, order: Copying) -> bool:
        """A copy that was cut off may be a descriptor alone, or an extent."""
        store = choice_of(self._stores[order.datastore])
        try:
            delete_remains(self.session, datastore=store, path=relative(order.path))
        except VmbootError as error:
            self._failed(order, error)
            return False
        return True


def _master_now(store: DatastoreChoice, order: Copying) -> str:
    """The master's path by now; one on another datastore than the copy, as it was recorded."""
    is_beside = order.source.partition("] ")[0] == order.path.partition("] ")[0]
    return as_named_now(store, order.source) if is_beside else order.source


def _somebodys(order: Copying) -> RefusedError:
    return RefusedError(
        f"{order.path} is there already, and it is not what vmboot made",
        hint="vmboot never overwrites: see whose it is, move it away, then apply again",
    )


def _held(order: Copying, holders: Sequence[str]) -> RefusedError:
    return RefusedError(
        f"{order.path} is there already, with other bytes, and {', '.join(holders[:5])} has it",
        hint="take that disk out of it and move it away, then apply again",
    )


def _untold(order: Copying, unreadable: Sequence[str]) -> RefusedError:
    named = ", ".join(unreadable[:5])
    return RefusedError(
        f"{order.path} is there already, half made, and whether {named} has it cannot be read",
        hint="bring that machine back or remove it from the inventory, then apply again",
    )
