"""The lab as the benchmarks use it: one size, every VM powered off, an ISO to attach."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import govc
from benchmarks.measure import Usage, run
from vmboot.lab import Vcenter, start_vcenter

DELAY_MS, TASK_MS = 20, 500  # per call and per task, as seen on busy vCenters
RUNNING = ("-runtime.powerState", "poweredOn")
PEER_ISO = "bench/peer.iso"  # on shared-01


@dataclass(frozen=True)
class Site:
    """A running lab and a directory for everything that belongs to one contender.

    :param names: the ordinary VMs, sorted
    """

    vcenter: Vcenter
    home: Path
    names: tuple[str, ...]

    @property
    def environment(self) -> dict[str, str]:
        """Credentials for vmboot and the peers; state of vmboot in a directory of its own."""
        vmboot = dict(self.vcenter.environment())
        return {
            **vmboot,
            **govc.environment(vmboot, self.home / "govc"),
            "VMBOOT_STATE": str(self.home / "state"),
            "NO_COLOR": "1",
        }

    def calls(self) -> int:
        return self.vcenter.counters().total_calls

    def writes(self) -> int:
        return self.vcenter.counters().total_writes

    def govc(self, *arguments: str) -> Usage:
        return run([govc.find_govc(), *arguments], env=self.environment)

    def fleet_file(self, document: str = "") -> Path:
        """A fleet document; by default one that wants the boot ISO on every ordinary VM."""
        path = self.home / "fleet.yml"
        path.write_text(document or FLEET, encoding="utf-8")
        return path


FLEET = """\
version: 1
vcenter: {datacenter: DC1}
boot_servers:
  - {name: pvs1, address: 10.0.0.11}
  - {name: pvs2, address: 10.0.0.12}
bootstrap:
  bios: {file: ARDBP32.BIN}
  uefi: {file: pvsnbpx64.efi}
media:
  iso: {datastore: auto, folder: vmboot}
targets:
  - {vms: "/DC1/vm/PVS/**/pvs-*", method: iso}
"""


@contextmanager
def site(*, vms: int, delay_ms: int = DELAY_MS, task_ms: int = TASK_MS) -> Iterator[Site]:
    """A fresh lab with ``vms`` ordinary VMs, all powered off, and nothing else to change."""
    with (
        tempfile.TemporaryDirectory(prefix="vmboot-bench-") as home,
        start_vcenter(
            vms=vms, templates=0, specials=False, delay_ms=delay_ms, task_ms=task_ms
        ) as vcenter,
    ):
        made = Site(vcenter, Path(home), ())
        paths = made.govc("find", "/DC1/vm/PVS", "-type", "m").out.split()
        running = made.govc("find", "/DC1/vm/PVS", "-type", "m", *RUNNING).out.split()
        for path in running:
            vcenter.edit(path, power="off")
        yield replace(made, names=tuple(sorted(path.rpartition("/")[2] for path in paths)))


def upload_peer_iso(place: Site) -> None:
    """Something for the peers to attach; vmboot builds and uploads its own within its time."""
    file = place.home / "peer.iso"
    file.write_bytes(bytes(4 << 20))
    place.govc("datastore.mkdir", "-ds", "shared-01", "-p", "bench")
    place.govc("datastore.upload", "-ds", "shared-01", str(file), PEER_ISO)
