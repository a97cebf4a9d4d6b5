"""Media and where they go: one ISO that machines share, one BDM disk for each machine."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vmboot.errors import NotFoundError, RefusedError
from vmboot.fleet.decide import BdmWish, IsoWish
from vmboot.fleet.homes import Home, home_of, needs_copy
from vmboot.fleet.media import FleetMedia, Medium
from vmboot.fleet.place import place_iso
from vmboot.fleet.plan import MachinePlan, Problem, Upload, Verdict
from vmboot.model import BootMethod
from vmboot.vsphere.disks import same_disk
from vmboot.vsphere.hashcache import HashCache
from vmboot.vsphere.holders import file_name
from vmboot.vsphere.machine import CdBacking, Machine
from vmboot.vsphere.placement import AUTO, DatastoreChoice, choice_of
from vmboot.vsphere.storage import Datastore, Storage
from vmboot.vsphere.transfer import holds

if TYPE_CHECKING:
    from vmboot.fleet.spec import Fleet
    from vmboot.vsphere.session import Session


@dataclass(frozen=True)
class Placed:
    """What machines are to boot from, all by managed object id.

    :param uploads: the ISOs, and whether they are there
    :param refused: why, for machines that what they need does not reach
    """

    isos: Mapping[str, IsoWish] = field(default_factory=dict)
    disks: Mapping[str, BdmWish] = field(default_factory=dict)
    refused: Mapping[str, Problem] = field(default_factory=dict)
    uploads: tuple[Upload, ...] = ()
    warnings: tuple[str, ...] = ()


def place_isos(
    fleet: Fleet,
    session: Session,
    media: FleetMedia,
    machines: Sequence[Machine],
    storage: Storage,
) -> Placed:
    """The boot ISOs, on the one datastore that all machines reach, else most of them.

    :param machines: those of method ``iso``
    :raises NotFoundError: no datastore has the name that the document gives
    :raises RefusedError: a file there was changed, or no machine reaches any datastore
    """
    mediums = {m.moid: media.for_machine(BootMethod.ISO, m) for m in machines}
    distinct = {medium.file_name: medium for medium in mediums.values()}
    wanted = fleet.media.iso
    try:
        place = place_iso(
            storage,
            machines,
            wanted=wanted.datastore,
            size=sum(len(medium.data) for medium in distinct.values()),
            file_name=next(iter(distinct)),
        )
    except (NotFoundError, RefusedError) as error:
        if wanted.datastore != AUTO:
            error.place = fleet.place("media", "iso", "datastore")
        raise
    store = place.datastore
    uploads = {
        name: _iso_upload(session, store, f"{wanted.folder}/{name}", medium)
        for name, medium in distinct.items()
    }
    insecure = {name: media.insecure(medium, machines) for name, medium in distinct.items()}
    return Placed(
        isos={
            moid: _iso_wish(medium, uploads[medium.file_name], insecure[medium.file_name])
            for moid, medium in mediums.items()
        },
        refused=place.refused,
        uploads=tuple(uploads.values()),
        warnings=store.notes if wanted.datastore == AUTO else (),
    )


def _iso_upload(session: Session, store: DatastoreChoice, file: str, medium: Medium) -> Upload:
    size, sha256 = len(medium.data), medium.sha256
    present = holds(
        session, datastore=store, path=file, size=size, sha256=sha256, cache=HashCache()
    )
    return Upload(store.name, store.path(file), size, sha256, present, store.moid)


def _iso_wish(medium: Medium, upload: Upload, insecure: Problem | None) -> IsoWish:
    return IsoWish(
        backing=CdBacking("iso", path=upload.path, datastore=upload.moid),
        firmwares=medium.firmwares,
        secure=medium.secure,
        insecure=insecure,
        image=medium.chain is None,
    )


def place_disks(
    fleet: Fleet, media: FleetMedia, machines: Sequence[Machine], storage: Storage
) -> Placed:
    """A copy of the BDM disk in the folder of each machine.

    :param machines: those of method ``bdm``
    """
    wishes: dict[str, BdmWish] = {}
    refused: dict[str, Problem] = {}
    insecure: dict[str, Problem | None] = {}
    for machine in machines:
        home = home_of(storage, machine)
        if isinstance(home, Problem):
            refused[machine.moid] = home
            continue
        medium = media.for_machine(BootMethod.BDM, machine)
        if home.path(medium.file_name) == _master_path(fleet, home.datastore, medium):
            refused[machine.moid] = _among_masters(fleet, home)
            continue
        if medium.file_name not in insecure:
            insecure[medium.file_name] = media.insecure(medium, machines)
        wishes[machine.moid] = BdmWish(
            file=home.path(medium.file_name),
            datastore=home.datastore.moid,
            media=medium.label,
            firmwares=medium.firmwares,
            secure=medium.secure,
            insecure=insecure[medium.file_name],
            image=medium.chain is None,
            disk_next=medium.work,
        )
    return Placed(disks=wishes, refused=refused)


def _master_path(fleet: Fleet, store: Datastore, medium: Medium) -> str:
    return choice_of(store).path(f"{fleet.media.bdm.folder}/{medium.file_name}")


def _among_masters(fleet: Fleet, home: Home) -> Problem:
    """Its copy would be the master that the copies of all others are made of."""
    return Problem(
        f"its folder {home.folder} is the one of the masters of BDM disks",
        hint=f"set media.bdm.folder to another folder than {fleet.media.bdm.folder}",
    )


def masters_for(
    fleet: Fleet,
    session: Session,
    media: FleetMedia,
    planned: Iterable[MachinePlan],
    storage: Storage,
) -> tuple[Upload, ...]:
    """The masters that copies have to be made of, one per datastore and BDM disk.

    :raises RefusedError: a master's file was changed
    """
    mediums = media.made(BootMethod.BDM)
    stores = {store.moid: choice_of(store) for store in storage.datastores}
    return tuple(
        _master(session, stores[moid], fleet.media.bdm.folder, mediums[name])
        for moid, name in sorted(_copied(planned))
    )


def _master(session: Session, store: DatastoreChoice, folder: str, medium: Medium) -> Upload:
    file, size = f"{folder}/{medium.file_name}", len(medium.data)
    present = has_master(session, store, file, size=size, sha256=medium.sha256)
    return Upload(
        datastore=store.name,
        path=store.path(file),
        size=size,
        sha256=medium.sha256,
        present=present,
        moid=store.moid,
        kind="bdm",
    )


def has_master(
    session: Session, store: DatastoreChoice, file: str, *, size: int, sha256: str
) -> bool:
    """True if a master is there. One that cannot be read counts: it got its name when it was whole.

    :raises RefusedError: a disk of this name is there, with other bytes
    """
    try:
        same = same_disk(
            session, datastore=store, path=file, size=size, sha256=sha256, cache=HashCache()
        )
    except NotFoundError:
        return False
    if same is False:
        raise RefusedError(
            f"{store.path(file)} is there already, but it is another disk",
            hint="somebody changed it; vmboot never overwrites: move it away, then run again",
        )
    return True


def used(uploads: Iterable[Upload], planned: Collection[MachinePlan]) -> tuple[Upload, ...]:
    """Those ISOs that a machine is to hold which is not refused."""
    held = {plan.iso for plan in planned if plan.verdict is not Verdict.REFUSED}
    return tuple(upload for upload in uploads if upload.path in held)


def still_needed(masters: Iterable[Upload], planned: Iterable[MachinePlan]) -> tuple[Upload, ...]:
    """Those masters that a machine is to get a copy of which is not refused after all."""
    wanted = _copied(planned)
    return tuple(one for one in masters if (one.moid, file_name(one.path)) in wanted)


def _copied(planned: Iterable[MachinePlan]) -> set[tuple[str, str]]:
    """Datastore and file name of the BDM disks that machines are to get copies of."""
    disks = (needs_copy(plan) for plan in planned if plan.verdict is not Verdict.REFUSED)
    return {(disk.datastore, file_name(disk.file)) for disk in disks if disk is not None}
