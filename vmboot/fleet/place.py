"""One datastore for the boot ISO, and which machines it leaves out. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vmboot.errors import RefusedError
from vmboot.fleet.plan import Problem
from vmboot.vsphere.machine import Machine
from vmboot.vsphere.placement import AUTO, DatastoreChoice, choose_datastore
from vmboot.vsphere.storage import Storage


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
    try:
        return Place(choose_datastore(storage, machines, wanted=wanted, size=size, prefer=prefer))
    except RefusedError as error:
        options = [ds.path for ds in storage.datastores] if wanted == AUTO else [wanted]
        tries = [_Try(storage, machines, option, size, prefer) for option in options]
        best = max(tries, key=lambda each: len(each.kept))  # the first of equals
        if not best.kept:
            raise error from None
    choice = choose_datastore(storage, best.kept, wanted=best.option, size=size, prefer=prefer)
    return Place(choice, best.refused)


class _Try:
    """One datastore, tried for each cluster or host by itself."""

    def __init__(
        self,
        storage: Storage,
        machines: Sequence[Machine],
        option: str,
        size: int,
        prefer: frozenset[str],
    ) -> None:
        self.option = option
        self.kept: list[Machine] = []
        self.refused: dict[str, Problem] = {}
        for group in _by_compute(machines):
            try:
                choose_datastore(storage, group, wanted=option, size=size, prefer=prefer)
                self.kept += group
            except RefusedError as error:
                self.refused |= {m.moid: _problem(error, group[0], m) for m in group}


def _problem(error: RefusedError, named: Machine, machine: Machine) -> Problem:
    """The error of a whole group, told of one of its machines."""
    return Problem(error.message.replace(named.path, machine.path), error.hint)


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
