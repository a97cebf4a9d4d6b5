"""``vmboot doctor``: what an apply needs, looked at before it is needed. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from vmboot.events import Event, Sink, ignore
from vmboot.fleet.checkmedia import MediaCheck
from vmboot.fleet.checkup import VcenterCheck
from vmboot.fleet.finding import Finding
from vmboot.fleet.probe import Probe, probe

if TYPE_CHECKING:
    from vmboot.fleet.spec import Fleet
    from vmboot.vsphere.session import Session

__all__ = ["Finding", "check_fleet"]

_PROBES_AT_ONCE = 8


def check_fleet(
    fleet: Fleet,
    session: Session | None,
    *,
    probe_servers: bool = True,
    loader_dirs: Sequence[str | Path] = (),
    state: Path | None = None,
    sink: Sink = ignore,
) -> tuple[Finding, ...]:
    """Check ``fleet``; one finding per thing looked at, problems with the next step as hint.

    :param session: ``None`` leaves out what needs the vCenter
    :param probe_servers: fetch the bootstrap from every boot server and compare
    """
    findings: list[Finding] = []
    media = MediaCheck(fleet, loader_dirs=loader_dirs)
    parts: list[Callable[[], Iterator[Finding]]] = [media.findings]
    if session is not None:
        parts.append(VcenterCheck(fleet, session, media, state).findings)
    if probe_servers and fleet.builds:
        parts.append(lambda: server_findings(fleet))
    for part in parts:
        for finding in part():
            findings.append(finding)
            sink(Event("doctor.finding", finding.message, finding.name, finding.to_json()))
    return tuple(findings)


def server_findings(fleet: Fleet) -> Iterator[Finding]:
    """Whether every boot server serves every bootstrap, and all the same bytes."""
    config = fleet.boot_config()
    pairs = [(s, b) for b in config.bootstrap.values() for s in config.servers]
    with ThreadPoolExecutor(_PROBES_AT_ONCE, thread_name_prefix="vmboot-probe") as pool:
        probes = list(pool.map(lambda pair: probe(*pair), pairs))
    first: dict[str, Probe] = {}
    for one in probes:
        if not one.problem:
            first.setdefault(one.bootstrap.file, one)
        yield _server_finding(one, first.get(one.bootstrap.file))


def _server_finding(one: Probe, first: Probe | None) -> Finding:
    name = f"boot server {one.server.label}"
    file = one.bootstrap.file
    if one.problem:
        hint = f"check that {one.bootstrap.transport.name} serves {file} there, and firewalls"
        return Finding(name, "fail", f"{file}: {one.problem}", hint)
    wanted = one.bootstrap.sha256
    if wanted and wanted.lower() != one.sha256:
        hint = "put the right file there, or correct bootstrap.*.sha256"
        return Finding(name, "fail", f"{file} has SHA-256 {one.sha256}, not {wanted}", hint)
    if first is not None and first.sha256 != one.sha256:
        message = f"{file} is not the same as on {first.server.label}"
        return Finding(name, "warn", message, "put the same file on all boot servers")
    return Finding(name, "ok", f"serves {file}, {one.size} bytes")
