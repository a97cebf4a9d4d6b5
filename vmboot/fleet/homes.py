"""Where copies of the BDM disk go: each beside its machine, on the datastore of its home. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from vmboot.fleet.plan import MachinePlan, Problem, Upload, Verdict
from vmboot.vsphere.changes import AddDisk
from vmboot.vsphere.holders import file_name
from vmboot.vsphere.machine import Machine
from vmboot.vsphere.storage import Datastore, Storage


@dataclass(frozen=True)
class Home:
    """The folder of one machine.

    :param folder: datastore path, ``"[shared-01] pvs-001"``
    """

    datastore: Datastore
    folder: str

    def path(self, file_name: str) -> str:
        """Datastore path of a file in it."""
        return join(self.folder, file_name)


def join(folder: str, name: str) -> str:
    """A datastore path below another; ``folder`` may be the datastore itself, ``"[shared-01]"``."""
    return f"{folder}/{name}" if "] " in f"{folder.rstrip()}" else f"{folder.rstrip()} {name}"


def datastore_name(path: str) -> str:
    """``"shared-01"`` of ``"[shared-01] pvs-001/x.vmdk"``."""
    return path.partition("]")[0].removeprefix("[")


def home_of(storage: Storage, machine: Machine) -> Home | Problem:
    """Where the machine's files are, or why no disk can be put there."""
    if machine.unavailable:
        return Problem(
            f"the vCenter calls it {machine.unavailable}, so it cannot be changed",
            hint="bring back its host or its datastore, or remove it from the inventory",
        )
    name = datastore_name(machine.home)
    named = [ds for ds in storage.datastores if name and ds.name == name]
    mine = [ds for ds in named if machine.path.startswith(f"{ds.datacenter}/")]
    if not mine:
        return Problem(
            f"the datastore {name} of its files cannot be seen"
            if name
            else "the vCenter does not tell where its files are",
            hint="grant System.Read and Datastore.Browse there to the user vmboot logs in with",
        )
    datastore = mine[0]
    if datastore.maintenance != "normal":
        return Problem(
            f"its datastore {name} is in or entering maintenance mode",
            hint="end its maintenance, then plan again",
        )
    return Home(datastore, machine.home)


def needs_copy(plan: MachinePlan) -> AddDisk | None:
    """The change that attaches a copy which has to be made first."""
    found = (c for c in (*plan.now, *plan.later) if isinstance(c, AddDisk) and c.file == plan.bdm)
    return next(found, None)


def refuse_without_room(
    planned: Sequence[MachinePlan], masters: Sequence[Upload], storage: Storage
) -> tuple[MachinePlan, ...]:
    """The same plans; where a datastore cannot hold all copies, its machines are refused.

    All of them and not the last few: which machines get a disk should not hang on their order. A
    copy counts with its whole size, though most datastores need less for one.
    """
    by_store: dict[str, list[MachinePlan]] = defaultdict(list)
    for plan in planned:
        disk = needs_copy(plan)
        if disk is not None and plan.verdict is not Verdict.REFUSED:
            by_store[disk.datastore].append(plan)
    refused: dict[str, Problem] = {}
    for store in storage.datastores:
        mine = by_store.get(store.moid, [])
        problem = _shortage(store, mine, masters) if mine else None
        if problem is not None:
            refused |= {plan.machine.moid: problem for plan in mine}
    return tuple(
        _refused(plan, refused[plan.machine.moid]) if plan.machine.moid in refused else plan
        for plan in planned
    )


def _shortage(
    store: Datastore, plans: Sequence[MachinePlan], masters: Sequence[Upload]
) -> Problem | None:
    sizes = {file_name(master.path): master.size for master in masters}
    missing = [m.size for m in masters if m.moid == store.moid and not m.present]
    needed = sum(sizes.get(file_name(plan.bdm), 0) for plan in plans) + sum(missing)
    if needed <= store.free:
        return None
    copies = "1 copy" if len(plans) == 1 else f"{len(plans)} copies"
    master = " and its master" if missing else ""
    return Problem(
        f"datastore {store.name} has {_mib(store.free)} MiB free, and {copies} of the BDM disk"
        f"{master} need {_mib(needed)} MiB",
        hint="free space there, or take fewer machines at a time with --limit",
    )


def _mib(size: int) -> int:
    return (size + (1 << 20) - 1) >> 20


def _refused(plan: MachinePlan, problem: Problem) -> MachinePlan:
    return replace(plan, verdict=Verdict.REFUSED, now=(), later=(), problems=(problem,))
