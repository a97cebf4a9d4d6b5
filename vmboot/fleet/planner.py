"""Planning: look at the vCenter, then decide machine by machine what would change.

Reads only. What it looks at is what the decision needs: the inventory once, devices of the selected
machines, hosts and datastores once, the files of boot media.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from vmboot.errors import NotFoundError
from vmboot.events import Event, Sink, ignore
from vmboot.fleet import enrol
from vmboot.fleet.decide import Wanted, plan_machine
from vmboot.fleet.homes import refuse_without_room
from vmboot.fleet.inflight import await_quiet, unsettled
from vmboot.fleet.media import TITLES, FleetMedia
from vmboot.fleet.placed import (
    Placed,
    masters_for,
    place_disks,
    place_isos,
    still_needed,
    used,
)
from vmboot.fleet.plan import MachinePlan, Plan, PowerPolicy
from vmboot.fleet.prepare import warned_of_deaf
from vmboot.fleet.repair import were_templates
from vmboot.fleet.resolve import Wish, limited, resolve
from vmboot.fleet.rights import (
    check_datastores,
    check_homes,
    check_imports,
    refuse_without_privileges,
)
from vmboot.fleet.securewords import secure_warnings
from vmboot.fleet.serverwords import server_warnings
from vmboot.fleet.unfinished import concerning, foreign_warnings, unfinished_or_busy
from vmboot.model import BootMethod, NetworkMode
from vmboot.vsphere.inventory import read_index, read_machines
from vmboot.vsphere.machine import Machine
from vmboot.vsphere.placement import AUTO
from vmboot.vsphere.storage import Storage, read_storage

if TYPE_CHECKING:
    from vmboot.fleet.spec import Fleet
    from vmboot.vsphere.session import Session


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
    media = FleetMedia(fleet, loader_dirs=loader_dirs)
    found = enrol.with_settings(session, media, wishes, found)
    machines = [found[wish.entry.moid] for wish in wishes]
    boots = any(wish.method is not BootMethod.PXE for wish in placing)
    storage = read_storage(session) if boots else Storage()
    placed = _placed(
        fleet,
        session,
        media,
        storage,
        isos=[(w, found[w.entry.moid]) for w in placing if w.method is BootMethod.ISO],
        disks=[(w, found[w.entry.moid]) for w in wishes if w.method is BootMethod.BDM],
    )
    enrolling = enrol.look(session, media, storage, zip(wishes, machines, strict=True))
    planned = tuple(
        plan_machine(machine, _wanted(wish, machine, placed, enrolling), power=power)
        for wish, machine in zip(wishes, machines, strict=True)
    )
    masters = masters_for(fleet, session, media, planned, storage)
    planned = refuse_without_room(planned, masters, storage)
    planned = refuse_without_privileges(session, planned, power=power)
    planned = warned_of_deaf(session, planned)
    masters = still_needed(masters, planned)
    uploads = (*used(placed.uploads, planned), *masters)
    check_datastores(session, storage, uploads)
    check_homes(session, enrol.stores(planned, storage))
    check_imports(session, storage, masters, way=fleet.media.bdm.way)
    return Plan(
        fleet=fleet.file.name,
        vcenter=session.host,
        uploads=uploads,
        machines=planned,
        warnings=(*busy, *foreign, *_warnings(fleet, media, placed, planned)),
        unfinished=tuple(run.id for run in left),
    )


def _wanted(wish: Wish, machine: Machine, placed: Placed, enrolling: enrol.Enrolling) -> Wanted:
    moid = machine.moid
    return Wanted(
        method=wish.method,
        iso=placed.isos.get(moid) if wish.method is BootMethod.ISO else None,
        bdm=placed.disks.get(moid) if wish.method is BootMethod.BDM else None,
        nic=wish.nic,
        group=wish.group,
        make_template=wish.is_template and not machine.is_template,
        problem=wish.problem or placed.refused.get(moid) or enrolling.refused.get(moid),
        certificate=enrolling.file if moid in enrolling.moids else "",
        certificate_missing=moid in enrolling.missing,
    )


def _placed(
    fleet: Fleet,
    session: Session,
    media: FleetMedia,
    storage: Storage,
    *,
    isos: Sequence[tuple[Wish, Machine]],
    disks: Sequence[tuple[Wish, Machine]],
) -> Placed:
    with_iso = [machine for wish, machine in isos if wish.problem is None]
    with_disk = [machine for wish, machine in disks if wish.problem is None]
    one = place_isos(fleet, session, media, with_iso, storage) if with_iso else Placed()
    two = place_disks(fleet, media, with_disk, storage)
    return Placed(one.isos, two.disks, {**one.refused, **two.refused}, one.uploads, one.warnings)


def _warnings(
    fleet: Fleet, media: FleetMedia, placed: Placed, planned: Sequence[MachinePlan]
) -> Iterator[str]:
    if placed.isos or placed.disks:
        yield from _login_limit(fleet)
    yield from placed.warnings
    yield from _static_warning(fleet, planned)
    made = (medium for method in TITLES for medium in media.made(method).values())
    yield from (problem.message for problem in server_warnings(fleet, made))
    yield from secure_warnings(fleet, media, planned)


def _login_limit(fleet: Fleet) -> tuple[str, ...]:
    """What the vendor's own BIOS bootstrap can take (PVS documentation, bootstrap file)."""
    bios = fleet.bootstrap.bios
    if bios and bios.file.upper().startswith("ARDBP") and len(fleet.boot_servers) > 4:
        return ("the PVS BIOS bootstrap knows four login servers; the boot media carry more",)
    return ()


def _static_warning(fleet: Fleet, planned: Sequence[MachinePlan]) -> tuple[str, ...]:
    sharing = sum(1 for machine in planned if machine.iso or machine.bdm)
    if fleet.network.mode is not NetworkMode.STATIC or sharing < 2:
        return ()
    what = "one ISO" if not any(machine.bdm for machine in planned) else "boot media"
    return (
        f"{sharing} machines share {what} with the static address {fleet.network.address}: "
        "only one of them can use it at a time",
    )


def narrowed(plan: Plan, only: Iterable[str] | None) -> Plan:
    """The plan for the machines with these inventory paths; all of them for ``None``."""
    if only is None:
        return plan
    paths = frozenset(only)
    return replace(plan, machines=tuple(m for m in plan.machines if m.machine.path in paths))
