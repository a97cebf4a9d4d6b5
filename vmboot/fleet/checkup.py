"""What ``doctor`` looks at on the vCenter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from vmboot.errors import NotFoundError, VmbootError
from vmboot.fleet.checkdisks import DiskCheck
from vmboot.fleet.checkmedia import MediaCheck
from vmboot.fleet.finding import Finding, count, few
from vmboot.fleet.media import TITLES, Medium
from vmboot.fleet.place import Place, place_iso
from vmboot.fleet.repair import were_templates
from vmboot.fleet.resolve import Wish, resolve
from vmboot.fleet.unfinished import unfinished_or_busy
from vmboot.model import BootMethod, Firmware
from vmboot.vsphere import privileges
from vmboot.vsphere.inventory import read_index, read_machines
from vmboot.vsphere.machine import Machine
from vmboot.vsphere.storage import Storage, read_storage
from vmboot.vsphere.templates import root_pools

if TYPE_CHECKING:
    from vmboot.fleet.spec import Fleet
    from vmboot.vsphere.session import Session

#: Beyond this, certificates and journals of the two sides stop making sense together, in seconds.
MAX_SKEW_S = 60
_FOR_ISO = frozenset(
    {
        privileges.SET_CD,
        privileges.CONNECT,
        privileges.ADD_REMOVE,
        privileges.EDIT_DEVICE,
        privileges.SETTINGS,
    }
)


@dataclass
class VcenterCheck:
    """One pass over the vCenter. Later checks use what earlier ones have read."""

    fleet: Fleet
    session: Session
    media: MediaCheck
    state: Path | None = None
    _wishes: tuple[Wish, ...] = ()
    _machines: tuple[Machine, ...] = ()
    _place: Place | None = None
    _disks: DiskCheck | None = None
    _read: Storage | None = None

    def findings(self) -> Iterator[Finding]:
        """All findings; a check that cannot be made is a finding itself."""
        checks: tuple[tuple[str, Callable[[], Iterator[Finding]]], ...] = (
            ("vCenter", self._about),
            ("clock", self._clock),
            ("machines", self._selection),
            ("firmware", self._firmware),
            ("Secure Boot", self._secure_boot),
            ("datastore", self._datastore),
            *self._disk_checks(),
            ("privileges", self._privileges),
            ("runs", self._runs),
        )
        for name, check in checks:
            try:
                yield from check()
            except VmbootError as error:
                yield Finding(name, "fail", str(error), error.hint)

    def _about(self) -> Iterator[Finding]:
        about = self.session.about
        who = f"{about.name} {about.version}, logged in as {self.session.user}"
        if about.is_vcenter:
            yield Finding("vCenter", "ok", who)
        else:
            hint = "connect to the vCenter that manages it"
            yield Finding("vCenter", "fail", f"{who}: this is a single host, not a vCenter", hint)

    def _clock(self) -> Iterator[Finding]:
        root = self.session.ref("ServiceInstance", "ServiceInstance")
        theirs: datetime = self.session.call(root.CurrentTime)
        skew = abs((datetime.now(UTC) - theirs.astimezone(UTC)).total_seconds())
        if skew <= MAX_SKEW_S:
            yield Finding("clock", "ok", "this machine and the vCenter agree on the time")
        else:
            message = f"this machine's clock is {skew:.0f} s off the vCenter's"
            yield Finding("clock", "warn", message, "set up NTP on both")

    def _selection(self) -> Iterator[Finding]:
        left, _ = unfinished_or_busy(
            self.session.about.uuid, str(self.fleet.file), state=self.state
        )
        missing: list[NotFoundError] = []
        index = read_index(self.session, datacenter=self.fleet.vcenter.datacenter)
        self._wishes = resolve(
            self.fleet, index, were_templates=were_templates(left), missing=missing
        )
        self._machines = read_machines(self.session, (w.entry.moid for w in self._wishes))
        for error in missing:
            yield Finding("machines", "fail", str(error), error.hint)
        for wish in self._wishes:
            if wish.problem:
                message = f"{wish.entry.path}: {wish.problem.message}"
                yield Finding("machines", "fail", message, wish.problem.hint)
        templates = sum(wish.is_template for wish in self._wishes)
        message = f"{len(self._wishes) - templates} VMs and {templates} templates are selected"
        yield Finding("machines", "ok", message)

    def _booting(self, method: BootMethod) -> tuple[tuple[Wish, Machine, Medium], ...]:
        """The machines of ``method``, with what they boot from where that can be built."""
        pairs = zip(self._wishes, self._machines, strict=True)
        mine = ((wish, machine) for wish, machine in pairs if wish.method is method)
        found = ((wish, m, self.media.medium_for(method, m)) for wish, m in mine)
        return tuple((wish, m, medium) for wish, m, medium in found if medium is not None)

    def _firmware(self) -> Iterator[Finding]:
        numbers: Counter[tuple[Firmware, BootMethod, bool]] = Counter(
            (machine.firmware, method, machine.firmware in medium.firmwares)
            for method in TITLES
            for _, machine, medium in self._booting(method)
        )
        for (firmware, method, is_booted), number in sorted(numbers.items()):
            what = f"{number} {firmware.name} machine{'s' * (number != 1)}"
            if is_booted:
                yield Finding("firmware", "ok", f"the {TITLES[method]} boots {what}")
            elif self.fleet.image(method) is not None:
                message = f"{what}, which media.{method}.image does not boot"
                yield Finding("firmware", "fail", message, "name an image that does")
            else:
                message = f"{what}, but no bootstrap.{firmware.value}"
                yield Finding("firmware", "fail", message, "add it to the fleet document")

    def _secure_boot(self) -> Iterator[Finding]:
        for method, title in TITLES.items():
            found = self._booting(method)
            secure = [(m, medium) for _, m, medium in found if m.secure_boot]
            refused = [(m, medium) for m, medium in secure if not medium.secure]
            if refused:
                machines, mediums = zip(*refused, strict=True)
                message = f"the loader on the {title} is not signed, so these are refused: "
                hint = self.media.secure_hint(mediums[0], machines)
                named = few([machine.path for machine in machines])
                yield Finding("Secure Boot", "fail", f"{message}{named}", hint)
            if len(secure) > len(refused):
                number = count(len(secure) - len(refused))
                message = f"the loader on the {title} of {number} is signed"
                yield Finding("Secure Boot", "ok", message)

    def _storage(self) -> Storage:
        if self._read is None:
            self._read = read_storage(self.session)
        return self._read

    def _datastore(self) -> Iterator[Finding]:
        found = self._booting(BootMethod.ISO)
        if not found:
            return
        booting = [machine for _, machine, _ in found]
        isos = {medium.file_name: medium for _, _, medium in found}
        self._place = place_iso(
            self._storage(),
            booting,
            wanted=self.fleet.media.iso.datastore,
            size=sum(len(medium.data) for medium in isos.values()),
            file_name=next(iter(isos)),
        )
        refused = self._place.refused
        for problem in dict.fromkeys(refused.values()):
            yield Finding("datastore", "fail", problem.message, problem.hint)
        reach = f"{len(booting) - len(refused)} of {len(booting)} machines"
        message = f"{self._place.datastore.name} is reached by every host of {reach}"
        yield Finding("datastore", "ok", message)
        for note in self._place.datastore.notes:
            yield Finding(
                "datastore", "warn", note, "check it before that host runs machines again"
            )

    def _disk_checks(self) -> tuple[tuple[str, Callable[[], Iterator[Finding]]], ...]:
        """Those for method ``bdm``; the machines are read before the first of them is made."""
        if not self.fleet.uses(BootMethod.BDM):
            return ()
        return (
            ("home", lambda: self._disk_check().homes()),
            ("slot 0:0", lambda: self._disk_check().slots()),
            ("masters", lambda: self._disk_check().masters()),
            ("imports", lambda: self._disk_check().imports()),
        )

    def _disk_check(self) -> DiskCheck:
        if self._disks is None:
            self._disks = DiskCheck(
                fleet=self.fleet,
                session=self.session,
                media=self.media.media,
                chosen=[(wish, machine) for wish, machine, _ in self._booting(BootMethod.BDM)],
                storage=self._storage(),
                state=self.state,
            )
        return self._disks

    def _privileges(self) -> Iterator[Finding]:
        lacking = self._lacking()
        by_set: dict[tuple[str, ...], list[str]] = {}
        for name, missing in lacking.items():
            by_set.setdefault(missing, []).append(name)
        for missing, names in by_set.items():
            message = f"{self.session.user} lacks {', '.join(missing)} on {few(names)}"
            yield Finding("privileges", "fail", message, "grant a role that has them there")
        if not by_set:
            yield Finding("privileges", "ok", f"{self.session.user} has what an apply needs")

    def _lacking(self) -> Mapping[str, tuple[str, ...]]:
        """Missing privileges by the name of the entity."""
        names = {machine.moid: machine.path for machine in self._machines}
        chosen = tuple(zip(self._wishes, self._machines, strict=True))
        needs = {machine.moid: self._needs(wish, machine) for wish, machine in chosen}
        lacking = privileges.missing_privileges(self.session, needs)
        hosts = {machine.host for wish, machine in chosen if wish.is_template}
        pools = dict.fromkeys(
            root_pools(self.session, sorted(hosts)).values(), frozenset({privileges.ASSIGN_POOL})
        )
        lacking |= privileges.missing_privileges(self.session, pools, kind="ResourcePool")
        stores = self._stores()
        names |= {moid: f"datastore {name}" for moid, (name, _) in stores.items()}
        wanted = {moid: needed for moid, (_, needed) in stores.items()}
        lacking |= privileges.missing_privileges(self.session, wanted, kind="Datastore")
        return {names.get(moid, f"resource pool {moid}"): lacks for moid, lacks in lacking.items()}

    def _stores(self) -> Mapping[str, tuple[str, frozenset[str]]]:
        """Name and needed privileges of the datastores that media go to."""
        found: dict[str, tuple[str, frozenset[str]]] = {}
        if self._place is not None:
            store = self._place.datastore
            found[store.moid] = (store.name, privileges.NEEDED_ON_DATASTORE)
        if self.fleet.uses(BootMethod.BDM):
            for moid, name in self._disk_check().stores().items():
                found[moid] = (name, self._disk_check().needs_on_store(moid))
        return found

    def _needs(self, wish: Wish, machine: Machine) -> frozenset[str]:
        if wish.method is BootMethod.BDM:
            return self._disk_check().needs(wish, machine)
        method = _FOR_ISO if wish.method is BootMethod.ISO else frozenset({privileges.SETTINGS})
        return method | (privileges.NEEDED_FOR_TEMPLATE if wish.is_template else frozenset())

    def _runs(self) -> Iterator[Finding]:
        place = self.session.about.uuid, str(self.fleet.file)
        left, busy = unfinished_or_busy(*place, state=self.state)
        for message in busy:
            hint = "wait for the run's end, or look at the journal that is named"
            yield Finding("runs", "warn", message, hint)
        for run in left:
            other = "" if run.started.fleet == place[1] else f" ({run.started.fleet})"
            message = f"run {run.id} of {run.started.started[:16]}{other} ended in the middle"
            hint = f"'vmboot apply' continues it, 'vmboot undo {run.id}' takes it back"
            yield Finding("runs", "warn", message, hint)
        if not (busy or left):
            yield Finding("runs", "ok", "no unfinished run")
