"""One datastore for the boot ISO, and which machines it leaves out. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeAlias

from vmboot.errors import RefusedError
from vmboot.fleet.plan import Problem
from vmboot.vsphere.machine import Machine
from vmboot.vsphere.placement import AUTO, DatastoreChoice, choose_datastore
from vmboot.vsphere.storage import Storage

_HINT = "mount it there, name another one in media.iso.datastore, or leave these machines out"


@dataclass(frozen=True)
class Place:
    """Where the ISO goes.

    :param refused: why, by managed object id, for machines that may run where it is out of reach
    """

    datastore: DatastoreChoice
    refused: Mapping[str, Problem] = field(default_factory=dict)


def place_iso(
    storage: Storage, machines: Sequence[Machine], *, wanted: str, size: int, file_name: str
) -> Place:
    """The datastore that all machines reach, else the one that most of them reach.

    :param wanted: a datastore or datastore cluster, or ``"auto"``
    :param file_name: of the ISO; a datastore where machines hold it already is preferred
    :raises NotFoundError: nothing is called ``wanted``
    :raises RefusedError: it will do for no machine at all
    """
    prefer = _holding(machines, file_name)

    def choose(some: Sequence[Machine], option: str) -> DatastoreChoice:
        return choose_datastore(storage, some, wanted=option, size=size, prefer=prefer)

    try:
        return Place(choose(machines, wanted))
    except RefusedError as error:
        groups = _by_compute(machines)
        options = [ds.path for ds in storage.datastores] if wanted == AUTO else [wanted]
        kept = max((_fitting(groups, option, choose) for option in options), key=len)
        if not kept:
            raise error from None
    place = choose(kept, wanted)
    left_out = [group for group in groups if group[0] not in kept]
    return Place(place, _refused(left_out, place.name if wanted == AUTO else wanted, choose))


_Choose: TypeAlias = Callable[[Sequence[Machine], str], DatastoreChoice]


def _fitting(groups: Sequence[Sequence[Machine]], option: str, choose: _Choose) -> list[Machine]:
    """The machines of all groups that, each by itself, reach the datastore."""
    kept: list[Machine] = []
    for group in groups:
        with suppress(RefusedError):
            choose(group, option)
            kept += group
    return kept


def _refused(
    groups: Sequence[Sequence[Machine]], option: str, choose: _Choose
) -> dict[str, Problem]:
    """Why these do not reach it, told of each machine."""
    refused: dict[str, Problem] = {}
    for group in groups:
        try:
            choose(group, option)
        except RefusedError as error:
            for machine in group:
                message = error.message.replace(group[0].path, machine.path)
                refused[machine.moid] = Problem(message, _HINT)
    return refused


def _by_compute(machines: Sequence[Machine]) -> list[list[Machine]]:
    groups: dict[str, list[Machine]] = defaultdict(list)
    for machine in machines:
        groups[machine.compute or machine.host].append(machine)
    return list(groups.values())


def _holding(machines: Sequence[Machine], file_name: str) -> frozenset[str]:
    return frozenset(
        device.backing.datastore
        for machine in machines
        for device in machine.hardware.devices
        if device.backing is not None and device.backing.path.endswith(f"/{file_name}")
    )
