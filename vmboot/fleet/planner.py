"""Planning: look at the vCenter, then decide machine by machine what would change.

Reads only. What it looks at is what the decision needs: the inventory once, devices of the selected
machines, hosts and datastores once, the boot ISO's file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from vmboot.errors import NotFoundError, RefusedError
from vmboot.events import Event, Sink, ignore
from vmboot.fleet.decide import IsoWish, Wanted, plan_machine
from vmboot.fleet.inflight import await_quiet, unsettled
from vmboot.fleet.media import boot_iso, boots_secure, firmwares
from vmboot.fleet.place import Place, place_iso
from vmboot.fleet.plan import MachinePlan, Plan, PowerPolicy, Problem, Upload, Verdict
from vmboot.fleet.repair import were_templates
from vmboot.fleet.resolve import Wish, limited, resolve
from vmboot.fleet.rights import check_datastores, refuse_without_privileges
from vmboot.fleet.unfinished import concerning, foreign_warnings, unfinished_or_busy
from vmboot.media.iso import BootIso
from vmboot.model import BootMethod, NetworkMode
from vmboot.vsphere.hashcache import HashCache
from vmboot.vsphere.inventory import read_index, read_machines
from vmboot.vsphere.machine import CdBacking, Machine
from vmboot.vsphere.placement import AUTO
from vmboot.vsphere.storage import read_storage
from vmboot.vsphere.transfer import holds

if TYPE_CHECKING:
    from vmboot.fleet.spec import Fleet
    from vmboot.vsphere.session import Session


@dataclass(frozen=True)
class _Media:
    """The ISO and where it goes; empty where no machine boots from one."""

    wish: IsoWish | None = None
    uploads: tuple[Upload, ...] = ()
    refused: Mapping[str, Problem] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def plan_fleet(
    fleet: Fleet,
    session: Session,
    *,
    limit: Sequence[str] = (),
    power: PowerPolicy = "leave",
    loader_dirs: Sequence[str | Path] = (),
    state: Path | None = None,
    missing: list[NotFoundError] | None = None,
    sink: Sink = ignore,
) -> Plan:
    """What an apply of ``fleet`` would do now.

    :param limit: patterns that narrow the fleet's selection; a datastore that is chosen
        automatically is still one for the whole fleet, so that a part applied first fits the rest
    :param power: ``off`` plans as if machines could be shut down where a change needs it
    :param missing: takes the errors of patterns that match nothing, instead of raising the first
    :raises NotFoundError: a pattern, datacenter or datastore that does not exist
    :raises AmbiguousError: a bare name of several machines
    :raises InputError: the document contradicts itself
    :raises RefusedError: the ISO's file was changed, or no machine can reach any datastore
    :raises MissingToolError: no loader for a firmware of the fleet
    """
    sink(Event("plan.begin", "reading the inventory", fleet.file.name))
    left, busy = unfinished_or_busy(session.about.uuid, str(fleet.file), state=state)
    templates = were_templates(left)
    index = read_index(session, datacenter=fleet.vcenter.datacenter)
    selected = resolve(fleet, index, were_templates=templates, missing=missing)
    moids = [wish.entry.moid for wish in selected]
    foreign = foreign_warnings(left, str(fleet.file), moids)
    left = concerning(left, str(fleet.file), moids)
    await_quiet(session, (e.moid for e in index.by_moid(unsettled(left))))
    wishes = limited(selected, index, limit) if limit else selected
    placing = selected if fleet.media.iso.datastore == AUTO else wishes
    sink(Event("plan.machines", "reading the machines", data={"count": len(placing)}))
    found = {m.moid: m for m in read_machines(session, [wish.entry.moid for wish in placing])}
    machines = [found[wish.entry.moid] for wish in wishes]
    media = _media(
        fleet, session, placing, [found[wish.entry.moid] for wish in placing], loader_dirs
    )
    planned = tuple(
        plan_machine(machine, _wanted(wish, machine, media), power=power)
        for wish, machine in zip(wishes, machines, strict=True)
    )
    planned = refuse_without_privileges(session, planned, power=power)
    uploads = media.uploads if _boots_iso(planned) else ()
    check_datastores(session, uploads)
    return Plan(
        fleet=fleet.file.name,
        vcenter=session.host,
        uploads=uploads,
        machines=planned,
        warnings=(*busy, *foreign, *media.warnings, *_static_warning(fleet, planned)),
        unfinished=tuple(run.id for run in left),
    )


def _wanted(wish: Wish, machine: Machine, media: _Media) -> Wanted:
    return Wanted(
        method=wish.method,
        iso=media.wish if wish.method is BootMethod.ISO else None,
        nic=wish.nic,
        group=wish.group,
        make_template=wish.is_template and not machine.is_template,
        problem=wish.problem or media.refused.get(machine.moid),
    )


def _media(
    fleet: Fleet,
    session: Session,
    wishes: Sequence[Wish],
    machines: Sequence[Machine],
    loader_dirs: Sequence[str | Path],
) -> _Media:
    booting = [
        machine
        for wish, machine in zip(wishes, machines, strict=True)
        if wish.method is BootMethod.ISO and wish.problem is None
    ]
    if not booting:
        return _Media()
    iso = boot_iso(fleet, loader_dirs=loader_dirs)
    wanted = fleet.media.iso
    try:
        place = place_iso(
            read_storage(session),
            booting,
            wanted=wanted.datastore,
            size=len(iso.data),
            file_name=iso.file_name,
        )
    except (NotFoundError, RefusedError) as error:
        if wanted.datastore != AUTO:
            error.place = fleet.place("media", "iso", "datastore")
        raise
    return _placed(session, iso, place, f"{wanted.folder}/{iso.file_name}", fleet)


def _placed(session: Session, iso: BootIso, place: Place, file: str, fleet: Fleet) -> _Media:
    datastore = place.datastore
    path = datastore.path(file)
    upload = Upload(
        datastore=datastore.name,
        path=path,
        size=len(iso.data),
        sha256=iso.sha256,
        present=holds(
            session,
            datastore=datastore,
            path=file,
            size=len(iso.data),
            sha256=iso.sha256,
            cache=HashCache(),
        ),
        moid=datastore.moid,
    )
    wish = IsoWish(
        backing=CdBacking("iso", path=path, datastore=datastore.moid),
        firmwares=firmwares(iso),
        secure=boots_secure(iso),
    )
    notes = datastore.notes if fleet.media.iso.datastore == AUTO else ()
    return _Media(wish, (upload,), place.refused, (*_login_limit(fleet), *notes))


def _boots_iso(planned: Iterable[MachinePlan]) -> bool:
    return any(m.iso and m.verdict is not Verdict.REFUSED for m in planned)


def _login_limit(fleet: Fleet) -> tuple[str, ...]:
    """What the vendor's own BIOS bootstrap can take (PVS documentation, bootstrap file)."""
    bios = fleet.bootstrap.bios
    if bios and bios.file.upper().startswith("ARDBP") and len(fleet.boot_servers) > 4:
        return ("the PVS BIOS bootstrap knows four login servers; the ISO carries more",)
    return ()


def _static_warning(fleet: Fleet, planned: Sequence[MachinePlan]) -> tuple[str, ...]:
    sharing = sum(1 for machine in planned if machine.iso)
    if fleet.network.mode is not NetworkMode.STATIC or sharing < 2:
        return ()
    return (
        f"{sharing} machines share one ISO with the static address {fleet.network.address}: "
        "only one of them can use it at a time",
    )


def narrowed(plan: Plan, only: Iterable[str] | None) -> Plan:
    """The plan for the machines with these inventory paths; all of them for ``None``."""
    if only is None:
        return plan
    paths = frozenset(only)
    return replace(plan, machines=tuple(m for m in plan.machines if m.machine.path in paths))
