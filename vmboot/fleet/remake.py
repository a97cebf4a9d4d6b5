"""What an undo needs before it changes machines: BDM disks that are gone, made again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING

from vmboot.errors import RemoteError, VmbootError
from vmboot.fleet.chain import Chain
from vmboot.fleet.journal import Copying, Removing
from vmboot.fleet.result import Done, MachineOutcome
from vmboot.fleet.runs import load_all
from vmboot.fleet.steps import Step
from vmboot.vsphere.changes import AddDisk
from vmboot.vsphere.disks import disk_exists, relative
from vmboot.vsphere.files import MISSING
from vmboot.vsphere.placement import choice_of
from vmboot.vsphere.storage import read_storage

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session


def remakes(
    session: Session, steps: Sequence[Step], chain: Chain, *, state: Path | None
) -> tuple[Copying, ...]:
    """The copies that have to be made so that ``steps`` can attach them.

    One that is there still is not among them, unless it may be half a copy, or half deleted; one
    that no journal knows cannot be made.
    """
    wanted = [(step, disk) for step in steps for disk in step.added_disks]
    if not wanted:
        return ()
    stores = {store.moid: choice_of(store) for store in read_storage(session).datastores}
    sources = dict(chain.sources())
    unknown = {disk.file for _, disk in wanted} - sources.keys()
    if unknown:
        sources |= _from_all_runs(unknown, state)
    doubtful = _doubtful(chain)
    orders = []
    for step, disk in wanted:
        source, store = sources.get(disk.file), stores.get(disk.datastore)
        if source is None or store is None:
            continue
        if disk.file in doubtful or not disk_exists(
            session, datastore=store, path=relative(disk.file)
        ):
            orders.append(_order(step, disk, source))
    return tuple(orders)


def _doubtful(chain: Chain) -> set[str]:
    """Paths of disks that one of these runs deleted, or that the last one to make it left half."""
    runs = (*chain.runs, *chain.undos)
    half: set[str] = set()
    for run in runs:
        half = (half | run.copies.keys()) - run.copied
    return half.union(*(run.removed for run in runs))


def _order(step: Step, disk: AddDisk, source: Copying | Removing) -> Copying:
    return Copying(
        moid=step.moid,
        source=source.source,
        path=disk.file,
        datastore=disk.datastore,
        size=source.size,
        sha256=source.sha256,
    )


def failed_remake(step: Step, error: VmbootError) -> MachineOutcome:
    """The outcome of a machine whose BDM disk could not be made again; it is as it was."""
    message, hint = error.message, error.hint
    if isinstance(error, RemoteError) and error.fault in MISSING:
        message = f"its BDM disk is gone, and so is the master to make it again: {message}"
        hint = "apply the fleet document of that time instead; it makes both again"
    return MachineOutcome(step.machine.path, step.moid, Done.FAILED, message, hint)


def _from_all_runs(paths: Set[str], state: Path | None) -> Mapping[str, Copying | Removing]:
    """Where those of ``paths`` came from that any run on this machine made or deleted."""
    known: dict[str, Copying | Removing] = {}
    for run in load_all(state=state):  # the newest first, which wins
        records: dict[str, Copying | Removing] = {**run.copies, **run.removed}
        for path in paths & records.keys() - known.keys():
            known[path] = records[path]
    return known
