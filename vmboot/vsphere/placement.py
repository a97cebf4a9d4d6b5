"""The choice of a datastore that every host of every target reaches. Pure.

DRS moves machines, so all hosts of a target's cluster count. A host that is disconnected or in
maintenance cannot tell just now what it will reach; it does not decide, but it is reported.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from vmboot.errors import NotFoundError, RefusedError
from vmboot.vsphere.machine import Machine
from vmboot.vsphere.storage import Datastore, Host, Storage

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class DatastoreChoice:
    """Where an ISO goes, with all that a transfer needs to know.

    :param datacenter: inventory path, ``"/DC1"``
    :param dc_path: the same as the API spells it, e.g. with ``%25`` for a percent sign
    :param notes: what a person should know, e.g. hosts that could not be asked
    :param type: ``VMFS``, ``NFS``, ``vsan`` ..., as the API spells it
    """

    name: str
    moid: str
    datacenter: str
    datacenter_moid: str
    browser: str = ""
    makes_directories: bool = True
    notes: tuple[str, ...] = ()
    dc_path: str = ""
    type: str = ""

    def path(self, file: str) -> str:
        """Datastore path of a file: ``"[shared-01] vmboot/x.iso"``."""
        return f"[{self.name}] {file}"


@dataclass(frozen=True, slots=True)
class _Obstacle:
    message: str
    hint: str


def choose_datastore(
    storage: Storage,
    machines: Sequence[Machine],
    *,
    wanted: str = AUTO,
    size: int = 0,
    prefer: Collection[str] = (),
) -> DatastoreChoice:
    """The datastore for one ISO that all ``machines`` share.

    Of several that all hosts reach, the choice is the same in every run: one in ``prefer`` (which
    holds the ISO or our folder already), then the one that most hosts reach, then one outside of
    a datastore cluster (whose members come and go with its maintenance), then by name.

    :param wanted: name or path of a datastore or of a datastore cluster, or ``"auto"``
    :param size: bytes it must have free; 0 if the ISO is there already
    :param prefer: managed object ids of datastores
    :raises NotFoundError: nothing is called ``wanted``
    :raises RefusedError: a host of some machine does not reach it; names machine, host, datastore
    """
    candidates = _candidates(storage, wanted)
    hosts = tuple(_hosts(storage, machines))
    rated = [(_obstacle(ds, hosts, storage, size, prefer), ds) for ds in candidates]
    fit = [ds for obstacle, ds in rated if obstacle is None]
    if fit:
        best = min(fit, key=lambda ds: _rank(ds, prefer))
        return _choice(best, storage, machines)
    obstacle, _ = min(rated, key=lambda pair: (-_reach(pair[1]), pair[1].path))
    assert obstacle is not None  # those without one are in fit
    others = f" (nor is any of the {len(rated) - 1} others fit)" if len(rated) > 1 else ""
    raise RefusedError(f"{obstacle.message}{others}", hint=obstacle.hint)


def choice_of(datastore: Datastore, notes: Iterable[str] = ()) -> DatastoreChoice:
    """A datastore as a choice, e.g. to look at files of earlier runs."""
    return DatastoreChoice(
        name=datastore.name,
        moid=datastore.moid,
        datacenter=datastore.datacenter,
        datacenter_moid=datastore.datacenter_moid,
        dc_path=datastore.dc_path,
        browser=datastore.browser,
        makes_directories=datastore.makes_directories,
        notes=tuple(notes),
        type=datastore.type,
    )


def _candidates(storage: Storage, wanted: str) -> tuple[Datastore, ...]:
    if wanted == AUTO:
        if storage.datastores:
            return storage.datastores
        raise NotFoundError("there is no datastore", hint="this user may not see any")
    found = storage.datastore(wanted)
    pods = {moid for moid, path in storage.pods.items() if wanted in (path, _last(path))}
    found = found or tuple(ds for ds in storage.datastores if ds.pod in pods)
    if found:
        return found
    if pods:
        raise NotFoundError(
            f"the datastore cluster {wanted} has no members",
            hint="name a datastore, or another cluster",
        )
    names = [ds.name for ds in storage.datastores] + [_last(path) for path in storage.pods.values()]
    near = ", ".join(get_close_matches(wanted, names, n=3)) or ", ".join(sorted(names)[:8])
    raise NotFoundError(f"no datastore {wanted!r}", hint=f"there are, among others: {near}")


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _hosts(storage: Storage, machines: Sequence[Machine]) -> Iterator[tuple[Host, Machine]]:
    """Every host that some machine may run on, once, with the first such machine."""
    examples: dict[str, Machine] = {}
    for machine in machines:
        examples.setdefault(machine.compute or machine.host, machine)
    for host in storage.hosts:
        example = examples.get(host.compute) or examples.get(host.moid)
        if example is not None:
            yield host, example


def _obstacle(
    ds: Datastore,
    hosts: Sequence[tuple[Host, Machine]],
    storage: Storage,
    size: int,
    prefer: Collection[str],
) -> _Obstacle | None:
    """Why ``ds`` will not do; ``None`` if it will."""
    if ds.maintenance != "normal":
        return _Obstacle(
            f"datastore {ds.name} is in or entering maintenance mode",
            "end its maintenance, or choose another datastore",
        )
    for host, machine in hosts:
        why = None if host.absence else _unreached(ds, host)
        if why:
            return _Obstacle(
                f"{machine.path} may run on host {host.name}, where datastore {ds.name} is out of "
                f"reach: the host {why}",
                _reach_hint(storage, hosts),
            )
    if not any(mount.writable and mount.obstacle is None for mount in ds.mounts):
        return _Obstacle(
            f"no host can write to datastore {ds.name}", "choose a datastore mounted read-write"
        )
    if ds.free < size and ds.moid not in prefer:
        return _Obstacle(
            f"datastore {ds.name} has {_mib(ds.free)} MiB free, the ISO needs {_mib(size)} MiB",
            "free space there, or choose another datastore",
        )
    return None


def _unreached(ds: Datastore, host: Host) -> str | None:
    mount = ds.mount(host.moid)
    return "does not mount it" if mount is None else mount.obstacle


def _reach_hint(storage: Storage, hosts: Sequence[tuple[Host, Machine]]) -> str:
    present = [host for host, _ in hosts if not host.absence]
    common = [
        ds.name
        for ds in storage.datastores
        if ds.maintenance == "normal" and not any(_unreached(ds, host) for host in present)
    ]
    if common:
        return f"all hosts reach {', '.join(common[:5])}: set media.iso.datastore to one of them"
    return "no datastore is reached by all hosts: split the targets into fleets by cluster"


def _rank(ds: Datastore, prefer: Collection[str]) -> tuple[bool, int, bool, str]:
    return (ds.moid not in prefer, -_reach(ds), ds.pod != "", ds.path)


def _reach(ds: Datastore) -> int:
    return sum(mount.obstacle is None for mount in ds.mounts)


def _mib(size: int) -> int:
    return (size + (1 << 20) - 1) >> 20


def _choice(ds: Datastore, storage: Storage, machines: Sequence[Machine]) -> DatastoreChoice:
    """The choice; an absent host where it is mounted all the same is nothing to tell of."""
    absent = ((host, _unreached(ds, host)) for host, _ in _hosts(storage, machines) if host.absence)
    notes = (
        f"host {host.name} {host.absence} and {why}: datastore {ds.name}; when it is back, "
        "machines that DRS moves there have no boot ISO"
        for host, why in absent
        if why
    )
    return choice_of(ds, notes)
