"""What ``doctor`` looks at for method ``bdm``: where copies go, masters, slots, what imports left.

All of it by the planner's own functions, with every part's problems told instead of the first.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vmboot.errors import RefusedError, VmbootError
from vmboot.fleet.decide import Wanted, obstacles_of, plan_machine
from vmboot.fleet.finding import Finding, count, few
from vmboot.fleet.homes import needs_copy, refuse_without_room
from vmboot.fleet.media import FleetMedia
from vmboot.fleet.placed import Placed, masters_for, place_disks
from vmboot.fleet.plan import MachinePlan, Problem, Verdict
from vmboot.fleet.resolve import Wish
from vmboot.fleet.sweep import Fate, left_by_imports
from vmboot.model import BootMethod
from vmboot.vsphere import privileges
from vmboot.vsphere.files import lacks_namespace
from vmboot.vsphere.importing import import_place, refuse_flat, why_not_nfc
from vmboot.vsphere.importplace import writing_hosts
from vmboot.vsphere.machine import Machine, Power
from vmboot.vsphere.placement import DatastoreChoice, choice_of
from vmboot.vsphere.storage import Datastore, Storage

if TYPE_CHECKING:
    from vmboot.fleet.spec import Fleet
    from vmboot.vsphere.session import Session

_ALWAYS = frozenset(
    {privileges.ADD_DISK, privileges.REMOVE_DISK, privileges.ADVANCED, privileges.SETTINGS}
)
"""To give the disk, and to take it back; moving another one or adding a controller needs more."""
_WAYS = {"nfc": "as an appliance (nfc)", "flat": "by file upload (flat)"}


@dataclass
class DiskCheck:
    """One look at the machines of method ``bdm``.

    :param chosen: those whose BDM disk can be built
    """

    fleet: Fleet
    session: Session
    media: FleetMedia
    chosen: Sequence[tuple[Wish, Machine]]
    storage: Storage
    state: Path | None = None

    @cached_property
    def placed(self) -> Placed:
        """Where each machine's copy goes."""
        machines = [m for wish, m in self.chosen if wish.problem is None]
        return place_disks(self.fleet, self.media, machines, self.storage)

    @cached_property
    def plans(self) -> Mapping[str, MachinePlan]:
        """What an apply would do, as if each machine were off, by managed object id."""
        return {
            machine.moid: plan_machine(machine, self._wanted(wish, machine), power="off")
            for wish, machine in self.chosen
        }

    def _wanted(self, wish: Wish, machine: Machine) -> Wanted:
        moid = machine.moid
        return Wanted(
            method=BootMethod.BDM,
            bdm=self.placed.disks.get(moid),
            make_template=wish.is_template and not machine.is_template,
            problem=wish.problem or self.placed.refused.get(moid),
        )

    def homes(self) -> Iterator[Finding]:
        """Machines beside which no copy can be put."""
        paths = {machine.moid: machine.path for _, machine in self.chosen}
        by_problem: dict[Problem, list[str]] = defaultdict(list)
        for moid, problem in self.placed.refused.items():
            by_problem[problem].append(paths[moid])
        for problem, names in by_problem.items():
            yield Finding("home", "fail", f"{few(names)}: {problem.message}", problem.hint)
        stores = Counter(self._store(wish.datastore).name for wish in self.placed.disks.values())
        if stores:
            where = ", ".join(f"{name} ({number})" for name, number in sorted(stores.items()))
            yield Finding("home", "ok", f"copies of the BDM disk go beside their machines: {where}")

    def slots(self) -> Iterator[Finding]:
        """Machines whose first slot cannot be used; what firmware and place say is told before."""
        refused = [
            machine.path
            for wish, machine in self.chosen
            if self.plans[machine.moid].verdict is Verdict.REFUSED
            and not obstacles_of(machine, self._wanted(wish, machine))
        ]
        if refused:
            message = f"{count(len(refused))} cannot get a BDM disk at 0:0: {few(refused)}"
            yield Finding("slot 0:0", "fail", message, "'vmboot plan' says why, of each")
        fit = sum(plan.verdict is not Verdict.REFUSED for plan in self.plans.values())
        if fit:
            yield Finding("slot 0:0", "ok", f"{count(fit)} can have the BDM disk there")

    def masters(self) -> Iterator[Finding]:
        """Whether masters are there, or how they get to each datastore; and room for copies."""
        by_store: dict[str, list[MachinePlan]] = defaultdict(list)
        for plan in self.plans.values():
            disk = needs_copy(plan)
            if disk is not None and plan.verdict is not Verdict.REFUSED:
                by_store[disk.datastore].append(plan)
        good: dict[str, list[str]] = defaultdict(list)
        for store in map(self._store, by_store):
            try:
                yield from self._room(store, by_store[store.moid], good)
            except VmbootError as error:
                yield Finding("masters", "fail", str(error), error.hint)
        for words, names in good.items():
            yield Finding("masters", "ok", f"{words} {few(names)}")
        if not by_store and self.plans:
            yield Finding("masters", "ok", "no copies are to be made")

    def _room(
        self, store: Datastore, plans: Sequence[MachinePlan], good: dict[str, list[str]]
    ) -> Iterator[Finding]:
        """What is wrong on one datastore.

        :param good: takes its name, by what is to be said of it and of others alike
        """
        masters = masters_for(self.fleet, self.session, self.media, plans, self.storage)
        short = refuse_without_room(plans, masters, self.storage)
        for problem in {plan.problems[0] for plan in short if plan.verdict is Verdict.REFUSED}:
            yield Finding("masters", "fail", problem.message, problem.hint)
        if all(master.present for master in masters):
            good["the master is there on"].append(store.name)
            return
        way, reason = self._way(choice_of(store))
        if not reason:
            good[f"the master will be imported {_WAYS[way]} to"].append(store.name)
            return
        message = f"the master will be imported {_WAYS[way]} to {store.name}: {reason}"
        hint = "grant that, or set media.bdm.import to flat if file upload is meant"
        yield Finding("masters", "warn", message, hint)

    def _way(self, store: DatastoreChoice) -> tuple[Literal["nfc", "flat"], str]:
        """Which way a master goes, and why if that is not the one to wish for.

        :raises RefusedError: no host writes there, or the document's way does not work there
        :raises AuthError: privileges are missing, and there is no other way
        """
        wished = self.fleet.media.bdm.way
        if wished == "flat":
            refuse_flat(store)
            if not writing_hosts(self.storage, store.moid):
                raise RefusedError(
                    f"no connected host can write to datastore {store.name}",
                    hint="bring one of its hosts back",
                )
            return "flat", ""
        place = import_place(self.session, self.storage, store)
        reason = why_not_nfc(wished, datastore=store, lacks=place.lacks)
        return ("flat" if reason else "nfc"), reason

    def needs_on_store(self, moid: str) -> frozenset[str]:
        """The privileges that masters and copies need on a datastore."""
        store = choice_of(self._store(moid))
        folder = self.fleet.media.bdm.folder
        makes_object = lacks_namespace(self.session, datastore=store, folder=folder)
        more = {privileges.CONFIGURE_STORE} if makes_object else set[str]()
        return privileges.NEEDED_FOR_DISKS | more

    def imports(self) -> Iterator[Finding]:
        """Machines that an import left."""
        found = left_by_imports(self.session, state=self.state)
        for shell in found:
            message = f"machine {shell.path} is left of an import"
            hint = f"'vmboot sweep {self.fleet.file.name}' removes it when no run is at work"
            if shell.fate is Fate.KEEP:
                message, hint = f"{message}: {shell.reason}", "see to it in the vSphere client"
            yield Finding("imports", "warn", message, hint)
        if not found:
            yield Finding("imports", "ok", "no import was left in the middle")

    def needs(self, wish: Wish, machine: Machine) -> frozenset[str]:
        """The privileges that an apply and its undo need on a machine."""
        plan = self.plans.get(machine.moid)
        changes = (*plan.now, *plan.later) if plan is not None else ()
        off = self.fleet.rollout.power == "off" and machine.power is Power.ON
        return _ALWAYS | privileges.needed_for(
            changes, is_template=wish.is_template, power_off=off and bool(changes)
        )

    def stores(self) -> Mapping[str, str]:
        """Managed object id and name of the datastores that copies are made on."""
        moids: Iterable[str] = (wish.datastore for wish in self.placed.disks.values())
        return {moid: self._store(moid).name for moid in moids}

    def _store(self, moid: str) -> Datastore:
        return next(store for store in self.storage.datastores if store.moid == moid)
