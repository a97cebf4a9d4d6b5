"""The verbs of vmboot as functions. The CLI and the Ansible modules are thin over these.

Everything returns values and raises :class:`~vmboot.errors.VmbootError`; nothing prints, prompts or
exits. Progress goes to ``sink``. Heavy libraries are loaded by the first call that needs them.

>>> fleet = load_fleet("fleet.yml")                                     # doctest: +SKIP
>>> with connect(fleet) as session:                                     # doctest: +SKIP
...     result = apply(plan(fleet, session), fleet, session)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmboot.events import Sink, ignore

if TYPE_CHECKING:
    import threading
    from datetime import datetime

    from vmboot.fleet.finding import Finding
    from vmboot.fleet.mediaedit import EditPlan, EditResult
    from vmboot.fleet.plan import Plan, PowerPolicy
    from vmboot.fleet.pvsdevices import DeviceReport
    from vmboot.fleet.result import RunResult
    from vmboot.fleet.rollout_result import RolloutResult
    from vmboot.fleet.runs import RunSummary
    from vmboot.fleet.spec import Fleet
    from vmboot.fleet.stale import StaleReport
    from vmboot.fleet.status import Status
    from vmboot.fleet.sweep import SweepPlan, SweepResult
    from vmboot.fleet.undo import UndoPlan
    from vmboot.fleet.waves import Budget
    from vmboot.lab.rehearsal_report import RehearsalReport
    from vmboot.media.bdm import BootDisk
    from vmboot.media.diskinspection import DiskInspection
    from vmboot.media.find import Loader
    from vmboot.media.importing import ImportedMedia
    from vmboot.media.inspection import Inspection
    from vmboot.media.iso import BootIso
    from vmboot.media.pvsdevicelist import PvsDevice
    from vmboot.media.pvsfiles import VendorFile
    from vmboot.media.pvsservers import Kind, ServerList
    from vmboot.model import BootConfig
    from vmboot.vsphere.credentials import Credentials
    from vmboot.vsphere.session import Session

__all__ = [
    "apply",
    "build_bdm",
    "build_iso",
    "check_devices",
    "connect",
    "credentials",
    "doctor",
    "edit_servers",
    "fetch_loaders",
    "find_loaders",
    "identify",
    "import_media",
    "inspect",
    "load_fleet",
    "plan",
    "plan_edit",
    "plan_sweep",
    "plan_undo",
    "read_servers",
    "rehearse",
    "rollout",
    "runs",
    "sign_loader",
    "stale",
    "status",
    "sweep",
    "undo",
]


def load_fleet(path: str | Path) -> Fleet:
    """Read and check a fleet document.

    :raises InputError: unreadable, or something in it cannot be meant; with file, line and column
    """
    from vmboot.fleet.spec import load_fleet as load

    return load(path)


def credentials(
    fleet: Fleet | None = None,
    *,
    host: str | None = None,
    user: str | None = None,
    thumbprint: str | None = None,
    ca_file: str | None = None,
    insecure: bool | None = None,
    password_from: Callable[[str], str] | None = None,
) -> Credentials:
    """How to log in: arguments win over the document, the document over the environment.

    :param host: ``name`` or ``name:port``
    :param password_from: asked with ``"user@host"`` when the password is nowhere else
    :raises InputError: host, user or password is nowhere to be found
    """
    from vmboot.fleet.login import credentials_for

    return credentials_for(
        fleet,
        host=host,
        user=user,
        thumbprint=thumbprint,
        ca_file=ca_file,
        insecure=insecure,
        password_from=password_from,
    )


def connect(
    fleet: Fleet | None = None,
    *,
    host: str | None = None,
    user: str | None = None,
    thumbprint: str | None = None,
    ca_file: str | None = None,
    insecure: bool | None = None,
    password_from: Callable[[str], str] | None = None,
    sink: Sink = ignore,
) -> Session:
    """Log in to the vCenter of ``fleet``. The session is a context manager that logs out.

    :raises ConnectError: unreachable, or not the vCenter that was pinned
    :raises AuthError: the login was refused
    :raises InputError: host, user or password is nowhere to be found
    """
    from vmboot.vsphere.session import connect as open_session

    found = credentials(
        fleet,
        host=host,
        user=user,
        thumbprint=thumbprint,
        ca_file=ca_file,
        insecure=insecure,
        password_from=password_from,
    )
    return open_session(found, sink=sink)


def plan(
    fleet: Fleet,
    session: Session,
    *,
    limit: Sequence[str] = (),
    power: PowerPolicy = "leave",
    loader_dirs: Sequence[str | Path] = (),
    sink: Sink = ignore,
) -> Plan:
    """What an apply would do now. See :func:`vmboot.fleet.planner.plan_fleet`."""
    from vmboot.fleet.planner import plan_fleet

    return plan_fleet(fleet, session, limit=limit, power=power, loader_dirs=loader_dirs, sink=sink)


def apply(
    plan: Plan,
    fleet: Fleet,
    session: Session,
    *,
    power: PowerPolicy = "leave",
    hard_power_off: bool = False,
    window: int = 32,
    only: Iterable[str] | None = None,
    max_failures: Budget | str | int | None = None,
    loader_dirs: Sequence[str | Path] = (),
    rollout: str = "",
    wave: str = "",
    stop: threading.Event | None = None,
    sink: Sink = ignore,
) -> RunResult:
    """Carry out ``plan``. See :func:`vmboot.fleet.apply.apply_plan`."""
    from vmboot.fleet.apply import apply_plan

    return apply_plan(
        plan,
        fleet,
        session,
        power=power,
        hard_power_off=hard_power_off,
        window=window,
        only=only,
        max_failures=max_failures,
        loader_dirs=loader_dirs,
        rollout=rollout,
        wave=wave,
        stop=stop,
        sink=sink,
    )


def plan_undo(
    run_id: str,
    session: Session,
    *,
    limit: Sequence[str] = (),
    force: bool = False,
    power: PowerPolicy = "leave",
) -> UndoPlan:
    """What an undo would do now. See :func:`vmboot.fleet.undo.plan_undo`.

    :param run_id: a run's or a rollout's, or ``"last"``: the newest apply or rollout not undone
    """
    from vmboot.fleet import undo as fleet_undo
    from vmboot.fleet.whichrun import find_runs

    found = find_runs(run_id, runs())
    return fleet_undo.plan_undo(found.id, session, limit=limit, force=force, power=power)


def undo(
    run_id: str,
    session: Session,
    *,
    limit: Sequence[str] = (),
    force: bool = False,
    power: PowerPolicy = "leave",
    hard_power_off: bool = False,
    stop: threading.Event | None = None,
    sink: Sink = ignore,
) -> RunResult:
    """Take a run back. See :func:`vmboot.fleet.undo.undo_run`.

    :param run_id: a run's or a rollout's, or ``"last"``: the newest apply or rollout not undone
    """
    from vmboot.fleet.undo import undo_run
    from vmboot.fleet.whichrun import find_runs

    found = find_runs(run_id, runs())
    return undo_run(
        found.id,
        session,
        limit=limit,
        force=force,
        power=power,
        hard_power_off=hard_power_off,
        stop=stop,
        sink=sink,
    )


def status(
    fleet: Fleet,
    session: Session,
    *,
    limit: Sequence[str] = (),
    loader_dirs: Sequence[str | Path] = (),
    sink: Sink = ignore,
) -> Status:
    """Compare every machine with the document. See :func:`vmboot.fleet.status.read_status`."""
    from vmboot.fleet.status import read_status

    return read_status(fleet, session, limit=limit, loader_dirs=loader_dirs, sink=sink)


def runs() -> tuple[RunSummary, ...]:
    """All runs on this machine, the newest first."""
    from vmboot.fleet.runs import list_runs

    return list_runs()


def plan_sweep(
    fleet: Fleet, session: Session, *, keep_days: float = 30, everything: bool = False
) -> SweepPlan:
    """Which boot media nothing needs any more. See :func:`vmboot.fleet.sweep.plan_sweep`."""
    from vmboot.fleet import sweep as fleet_sweep

    return fleet_sweep.plan_sweep(fleet, session, keep_days=keep_days, everything=everything)


def sweep(
    fleet: Fleet,
    session: Session,
    *,
    keep_days: float = 30,
    everything: bool = False,
    sink: Sink = ignore,
) -> SweepResult:
    """Remove boot media that nothing needs any more. See :func:`vmboot.fleet.sweep.sweep`."""
    from vmboot.fleet import sweep as fleet_sweep

    return fleet_sweep.sweep(fleet, session, keep_days=keep_days, everything=everything, sink=sink)


def plan_edit(
    file: str | Path,
    session: Session,
    servers: Sequence[str],
    *,
    limit: Sequence[str] = (),
    power: PowerPolicy = "leave",
    loader_dirs: Sequence[str | Path] = (),
    sink: Sink = ignore,
) -> EditPlan:
    """What another boot server list would change. See :func:`vmboot.fleet.mediaedit.plan_edit`.

    :param file: the fleet document
    """
    from vmboot.fleet import mediaedit

    return mediaedit.plan_edit(
        file, session, servers, limit=limit, power=power, loader_dirs=loader_dirs, sink=sink
    )


def edit_servers(
    planned: EditPlan,
    session: Session,
    *,
    power: PowerPolicy = "leave",
    hard_power_off: bool = False,
    window: int = 32,
    loader_dirs: Sequence[str | Path] = (),
    stop: threading.Event | None = None,
    sink: Sink = ignore,
) -> EditResult:
    """Change the document and its machines. See :func:`vmboot.fleet.mediaedit.apply_edit`."""
    from vmboot.fleet.mediaedit import apply_edit

    return apply_edit(
        planned,
        session,
        power=power,
        hard_power_off=hard_power_off,
        window=window,
        loader_dirs=loader_dirs,
        stop=stop,
        sink=sink,
    )


def stale(
    fleet: Fleet,
    session: Session,
    *,
    limit: Sequence[str] = (),
    loader_dirs: Sequence[str | Path] = (),
    sink: Sink = ignore,
) -> StaleReport:
    """Which machines carry which boot server list. See :func:`vmboot.fleet.stale.read_stale`."""
    from vmboot.fleet.stale import read_stale

    return read_stale(fleet, session, limit=limit, loader_dirs=loader_dirs, sink=sink)


def doctor(
    fleet: Fleet,
    session: Session | None,
    *,
    probe_servers: bool = True,
    loader_dirs: Sequence[str | Path] = (),
    sink: Sink = ignore,
) -> tuple[Finding, ...]:
    """Check what an apply needs. See :func:`vmboot.fleet.doctor.check_fleet`."""
    from vmboot.fleet.doctor import check_fleet

    return check_fleet(
        fleet, session, probe_servers=probe_servers, loader_dirs=loader_dirs, sink=sink
    )


def rehearse(
    fleet: Fleet,
    session: Session,
    vm: str,
    *,
    dead: Sequence[str] | None = None,
    files: Mapping[str, Path] | None = None,
    out: Path | None = None,
    deadline_s: float | None = None,
    db: Sequence[str | Path] = (),
    firmware_variables: str | Path | None = None,
    sink: Sink = ignore,
) -> RehearsalReport:
    """Boot in QEMU exactly what the vCenter holds for one machine.

    :param vm: name or inventory path
    :param dead: boot servers, by name or address, that do not answer; ``None``: the first of
        several
    :param files: what the boot servers serve, by the name the machine asks for
    :param out: folder for the evidence; ``None`` makes one in the state directory
    :param db: X.509 certificates that a machine with Secure Boot trusts beside Microsoft's
    :param firmware_variables: OVMF's variables to begin with, instead of the distribution's
    :raises InputError: ``dead`` names no boot server, or keys are given that do not fit
    :raises MissingToolError: QEMU, firmware or (for ``db``) virt-fw-vars is not installed
    """
    from vmboot.fleet.rehearse import machine_for
    from vmboot.lab.rehearsal import rehearse as boot
    from vmboot.media.sign import read_certificate
    from vmboot.rehearsals import dead_servers, rehearsal_folder, rehearsal_machine, with_keys

    for certificate in db:
        read_certificate(certificate)
    subject = machine_for(fleet, session, vm)
    folder = out or rehearsal_folder(subject.machine.name)
    machine = rehearsal_machine(subject, folder=folder)
    return boot(
        with_keys(machine, db=db, variables=firmware_variables, folder=folder),
        servers=subject.config.servers,
        bootstrap=subject.config.bootstrap,
        network=subject.config.network,
        work=subject.config.work,
        dead=None if dead is None else dead_servers(subject.config.servers, dead),
        files=files,
        out=folder,
        deadline_s=deadline_s,
        sink=sink,
    )


def rollout(
    fleet: Fleet,
    *,
    inventory: str | Path | None = None,
    limit: Sequence[str] = (),
    power: PowerPolicy | None = None,
    check: bool = False,
    loader_dirs: Sequence[str | Path] = (),
    sink: Sink = ignore,
    **login: Any,
) -> RolloutResult:
    """Roll out in waves through Ansible. See :func:`vmboot.fleet.rollout.run_rollout`.

    :param login: as for :func:`credentials`
    """
    from vmboot.fleet.rollout import run_rollout

    return run_rollout(
        fleet.file,
        credentials(fleet, **login),
        inventory=inventory,
        limit=limit,
        power=power,
        check=check,
        loader_dirs=loader_dirs,
        sink=sink,
    )


def build_bdm(
    config: BootConfig | Fleet,
    *,
    name: str | None = None,
    layout: str | None = None,
    size: int | None = None,
    chain: str = "ipxe",
    loader_dirs: Sequence[str | Path] = (),
) -> BootDisk:
    """Build a boot disk, from a config or from what a fleet asks for. Same input, same bytes.

    :param name: part of the file name; the fleet's, or ``boot``, where ``None``
    :param layout: ``auto``, ``mbr`` or ``gpt``; the fleet's, or ``auto``, where ``None``
    :param size: bytes, whole MiB; the fleet's, or what is needed, where ``None``
    :param chain: how UEFI machines start, see :class:`vmboot.media.chain.Chain`
    :raises MissingToolError: no loader for a firmware that has a bootstrap
    :raises InputError: the loaders do not fit ``size``, or the layout starts no BIOS machine
    """
    from vmboot.media.bdm import Layout, firmwares_for
    from vmboot.media.bdm import build_bdm as build
    from vmboot.media.chain import Chain
    from vmboot.media.iso import needs
    from vmboot.media.loaders import select_loaders
    from vmboot.model import BootConfig, BootMethod

    if not isinstance(config, BootConfig):
        section, config = config.media.bdm, config.boot_config(BootMethod.BDM)
        name, layout, size = name or section.name, layout or section.layout, size or section.size
    kind = Layout(layout or Layout.AUTO)
    way = Chain(chain)
    loaders = select_loaders(
        firmwares_for(config, kind), dirs=loader_dirs, needs=needs(config), medium="bdm", chain=way
    )
    return build(config, loaders, name=name or "boot", layout=kind, size=size, chain=way)


def build_iso(
    config: BootConfig | Fleet,
    *,
    name: str | None = None,
    chain: str = "ipxe",
    loader_dirs: Sequence[str | Path] = (),
) -> BootIso:
    """Build a boot ISO, from a config or from what a fleet asks for. Same input, same bytes.

    :param name: part of the file name; the fleet's, or ``boot``, where ``None``
    :param chain: how UEFI machines start, see :class:`vmboot.media.chain.Chain`
    :raises MissingToolError: no loader for a firmware that has a bootstrap
    """
    from vmboot.media.chain import Chain
    from vmboot.media.iso import build_iso as build
    from vmboot.media.iso import needs
    from vmboot.media.loaders import select_loaders
    from vmboot.model import BootConfig

    if not isinstance(config, BootConfig):
        name, config = name or config.media.iso.name, config.boot_config()
    way = Chain(chain)
    loaders = select_loaders(config.bootstrap, dirs=loader_dirs, needs=needs(config), chain=way)
    return build(config, loaders, name=name or "boot", chain=way)


def inspect(target: bytes | str | Path) -> Inspection | DiskInspection:
    """What an ISO or disk image holds and can boot. See :func:`vmboot.media.inspect.inspect`."""
    from vmboot.media.inspect import inspect as look

    return look(target)


def import_media(
    target: bytes | str | Path,
    *,
    name: str = "pvs",
    rename_bootx64: bool = False,
    replace: Sequence[tuple[str, str]] = (),
    replace_all: bool = False,
) -> ImportedMedia:
    """Take over a PVS site's own boot ISO or disk. See
    :func:`vmboot.media.importing.import_media`.
    """
    from vmboot.media.importing import import_media as take

    return take(
        target,
        name=name,
        rename_bootx64=rename_bootx64,
        replace=replace,
        replace_all=replace_all,
    )


def identify(path: str | Path) -> VendorFile | None:
    """What a boot program of a PVS site is; ``None`` for any other file. See
    :func:`vmboot.media.pvsfiles.identify_file`.
    """
    from vmboot.media.pvsfiles import identify_file

    return identify_file(path)


def read_servers(path: str | Path, *, kind: Kind = "auto", bios: bool = False) -> ServerList:
    """The server list in a file of a PVS site. See :func:`vmboot.media.pvsservers.read_servers`."""
    from vmboot.media.pvsservers import read_servers as read

    return read(path, kind=kind, bios=bios)


def check_devices(
    fleet: Fleet,
    session: Session,
    devices: str | Path | Sequence[PvsDevice],
    *,
    changed_since: datetime | None = None,
    sink: Sink = ignore,
) -> DeviceReport:
    """Hold an export of Get-PvsDevice against the vCenter. See
    :func:`vmboot.fleet.pvsdevices.check_devices`.
    """
    from vmboot.fleet.pvsdevices import check_devices as check

    return check(fleet, session, devices, changed_since=changed_since, sink=sink)


def find_loaders(*, dirs: Sequence[str | Path] = ()) -> tuple[Loader, ...]:
    """Every boot loader on this machine. See :func:`vmboot.media.find.find_loaders`."""
    from vmboot.media.find import find_loaders as find

    return find(dirs=dirs)


def fetch_loaders(*, sink: Sink = ignore) -> tuple[Loader, ...]:
    """Fetch the distribution's newest iPXE into the cache, without root."""
    from vmboot.media.fetch import fetch_loaders as fetch

    return fetch(sink=sink)


def sign_loader(
    file: str | Path | None = None,
    *,
    key: str | Path,
    certificate: str | Path,
    passphrase: str | None = None,
    out: str | Path | None = None,
    loader_dirs: Sequence[str | Path] = (),
) -> Loader:
    """Sign a UEFI program with a site's own key. See :func:`vmboot.media.sign.sign_loader`.

    :param file: what to sign; by default the iPXE that UEFI media are built with
    """
    from vmboot.media.sign import sign_loader as sign

    return sign(
        file,
        key=key,
        certificate=certificate,
        passphrase=passphrase,
        out=out,
        dirs=loader_dirs,
    )
