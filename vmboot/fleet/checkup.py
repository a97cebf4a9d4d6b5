"""What ``doctor`` looks at on the vCenter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vmboot.errors import NotFoundError, VmbootError
from vmboot.fleet.media import boots_secure, firmwares
from vmboot.fleet.place import Place, place_iso
from vmboot.fleet.repair import were_templates
from vmboot.fleet.resolve import Wish, resolve
from vmboot.fleet.unfinished import unfinished_or_busy
from vmboot.media.iso import BootIso
from vmboot.model import BootMethod
from vmboot.vsphere import privileges
from vmboot.vsphere.inventory import read_index, read_machines
from vmboot.vsphere.machine import Machine
from vmboot.vsphere.storage import read_storage
from vmboot.vsphere.templates import root_pools

if TYPE_CHECKING:
    from vmboot.fleet.spec import Fleet
    from vmboot.vsphere.session import Session

#: Beyond this, certificates and journals of the two sides stop making sense together, in seconds.
MAX_SKEW_S = 60
_NAMED = 5
_FOR_ISO = frozenset(
    {
        privileges.SET_CD,
        privileges.CONNECT,
        privileges.ADD_REMOVE,
        privileges.EDIT_DEVICE,
        privileges.SETTINGS,
    }
)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    :param name: what it is about, e.g. ``"privileges"``
    :param state: ``fail``: an apply would not work, or not for every machine
    """

    name: str
    state: Literal["ok", "warn", "fail"]
    message: str
    hint: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "state": self.state,
            "message": self.message,
            "hint": self.hint,
        }


@dataclass
class VcenterCheck:
    """One pass over the vCenter. Later checks use what earlier ones have read."""

    fleet: Fleet
    session: Session
    iso: BootIso | None
    state: Path | None = None
    _wishes: tuple[Wish, ...] = ()
    _machines: tuple[Machine, ...] = ()
    _place: Place | None = None

    def findings(self) -> Iterator[Finding]:
        """All findings; a check that cannot be made is a finding itself."""
        checks: tuple[tuple[str, Callable[[], Iterator[Finding]]], ...] = (
            ("vCenter", self._about),
            ("clock", self._clock),
            ("machines", self._selection),
            ("firmware", self._firmware),
            ("Secure Boot", self._secure_boot),
            ("datastore", self._datastore),
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

    def _booting(self) -> tuple[Machine, ...]:
        """The machines of method ``iso``."""
        pairs = zip(self._wishes, self._machines, strict=True)
        return tuple(m for wish, m in pairs if wish.method is BootMethod.ISO)

    def _firmware(self) -> Iterator[Finding]:
        if self.iso is None:
            return
        booted = firmwares(self.iso)
        for firmware, count in sorted(Counter(m.firmware for m in self._booting()).items()):
            if firmware in booted:
                yield Finding(
                    "firmware", "ok", f"{count} {firmware.name} machines have a bootstrap"
                )
            else:
                message = f"{count} {firmware.name} machines, but no bootstrap.{firmware.value}"
                yield Finding("firmware", "fail", message, "add it to the fleet document")

    def _secure_boot(self) -> Iterator[Finding]:
        secure = [m.path for m in self._booting() if m.secure_boot]
        if not secure or self.iso is None:
            return
        if boots_secure(self.iso):
            message = f"{len(secure)} machines; the loader on the ISO is signed"
            yield Finding("Secure Boot", "ok", message)
        else:
            message = f"the loader on the ISO is not signed, so these are refused: {_few(secure)}"
            yield Finding("Secure Boot", "fail", message, "see 'vmboot loaders status'")

    def _datastore(self) -> Iterator[Finding]:
        booting = self._booting()
        if not booting or self.iso is None:
            return
        self._place = place_iso(
            read_storage(self.session),
            booting,
            wanted=self.fleet.media.iso.datastore,
            size=len(self.iso.data),
            file_name=self.iso.file_name,
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

    def _privileges(self) -> Iterator[Finding]:
        lacking = self._lacking()
        by_set: dict[tuple[str, ...], list[str]] = {}
        for name, missing in lacking.items():
            by_set.setdefault(missing, []).append(name)
        for missing, names in by_set.items():
            message = f"{self.session.user} lacks {', '.join(missing)} on {_few(names)}"
            yield Finding("privileges", "fail", message, "grant a role that has them there")
        if not by_set:
            yield Finding("privileges", "ok", f"{self.session.user} has what an apply needs")

    def _lacking(self) -> Mapping[str, tuple[str, ...]]:
        """Missing privileges by the name of the entity."""
        names = {machine.moid: machine.path for machine in self._machines}
        needs = {wish.entry.moid: _needs(wish) for wish in self._wishes}
        lacking = privileges.missing_privileges(self.session, needs)
        hosts = {m.host for w, m in zip(self._wishes, self._machines, strict=True) if w.is_template}
        pools = dict.fromkeys(
            root_pools(self.session, sorted(hosts)).values(), frozenset({privileges.ASSIGN_POOL})
        )
        lacking |= privileges.missing_privileges(self.session, pools, kind="ResourcePool")
        if self._place is not None:
            store = self._place.datastore
            names[store.moid] = f"datastore {store.name}"
            wanted = {store.moid: privileges.NEEDED_ON_DATASTORE}
            lacking |= privileges.missing_privileges(self.session, wanted, kind="Datastore")
        return {names.get(moid, f"resource pool {moid}"): lacks for moid, lacks in lacking.items()}

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


def _needs(wish: Wish) -> frozenset[str]:
    method = _FOR_ISO if wish.method is BootMethod.ISO else frozenset({privileges.SETTINGS})
    return method | (privileges.NEEDED_FOR_TEMPLATE if wish.is_template else frozenset())


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
