"""Runs that die by ``kill -9``: children, the points where they die, and the datastores after."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab import crash_child
from tests.lab.fleetlab import Site
from tests.soap import Login, Soap
from vmboot.fleet.runs import list_runs
from vmboot.fleet.spec import Fleet

POINTS = 50
#: How long a call that the lab has received may take until it is carried out.
LATE_S = 0.3


@dataclass(frozen=True)
class Crashes:
    """A small lab, the fleet on it, and children that die.

    :param freshen: removes what an apply would find uploaded already
    """

    site: Site
    fleet: Fleet
    state: Path
    freshen: Callable[[], None]

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which a child finds the lab and the journals."""
        return {**self.site.lab.environment(), "VMBOOT_STATE": str(self.state)}

    def apply(self, burns_at: int) -> int:
        """Run an apply that dies at that point; how many points it reached if it lived."""
        document, loaders = str(self.fleet.file), str(self.site.loaders)
        return self._child(crash_child.run, document, loaders, burns_at)

    def undo(self, run_id: str, burns_at: int) -> int:
        """The same for the undo of a run."""
        return self._child(crash_child.run_undo, run_id, burns_at)

    def _child(self, target: Callable[..., None], *arguments: Any) -> int:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tests.lab.crash_child", "pyVmomi", "pycdlib"])
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=target, args=(self.environment, *arguments, theirs))
        process.start()
        theirs.close()
        process.join(60)
        if process.exitcode == -signal.SIGKILL:
            return 0
        assert process.exitcode == 0, f"the child ended with {process.exitcode}"
        return int(ours.recv())

    def spread(self, count: int = POINTS) -> list[int]:
        """Points spread evenly over an apply, from its first to its last, uploads included."""
        self.freshen()
        total = self.apply(0)
        self.site.undo(list_runs()[0].id)
        return evenly(total, count)


def evenly(total: int, count: int) -> list[int]:
    """``count`` of the numbers 1 to ``total``, the first and the last among them."""
    assert total >= count
    return [1 + number * (total - 1) // (count - 1) for number in range(count)]


def templates(machines: dict[str, dict[str, Any]]) -> set[str]:
    return {path for path, machine in machines.items() if machine["config.template"] == "true"}


class Datastores:
    """The files of a lab's datastores, read on this machine's disk, past everything of the lab."""

    def __init__(self, lab: Login) -> None:
        with Soap(lab.url) as soap:
            soap.login(lab.user, lab.password)
            found = soap.retrieve("Datastore", "name", "summary.url").values()
        self._roots = {p["name"].text or "": Path(p["summary.url"].text or "") for p in found}

    def files(self) -> dict[str, Path]:
        """Every file, by datastore path."""
        return {
            f"[{name}] {file.relative_to(root)}": file
            for name, root in self._roots.items()
            for file in root.rglob("*")
            if file.is_file()
        }

    def disks(self) -> dict[str, str]:
        """SHA-256 of everything that disks are made of: descriptors, extents, deltas."""
        found = self.files().items()
        return {path: _digest(file) for path, file in found if path.endswith(".vmdk")}

    def folders(self) -> set[str]:
        """Every directory, by datastore path."""
        return {
            f"[{name}] {folder.relative_to(root)}"
            for name, root in self._roots.items()
            for folder in root.rglob("*")
            if folder.is_dir()
        }


def _digest(file: Path) -> str:
    """Of size and content; holes are skipped, which are most of an extent of 4 GiB."""
    digest = hashlib.sha256(str(file.stat().st_size).encode())
    for offset, data in _written(file):
        digest.update(b"%d:" % offset + data)
    return digest.hexdigest()


def _written(file: Path) -> Iterator[tuple[int, bytes]]:
    """What is not a hole, in blocks of 64 KiB; blocks of zeros count as holes."""
    block = 1 << 16
    with file.open("rb") as stream:
        size, at = os.fstat(stream.fileno()).st_size, 0
        while at < size:
            try:
                at = os.lseek(stream.fileno(), at, os.SEEK_DATA) // block * block
            except OSError:  # ENXIO: nothing but a hole up to the end
                return
            data = os.pread(stream.fileno(), block, at)
            if data.strip(b"\0"):
                yield at, data
            at += block
