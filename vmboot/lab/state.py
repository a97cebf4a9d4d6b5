"""The lab that outlives its command: ``vmboot lab up``, ``status`` and ``down``."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vmboot.clock import Deadline, poll
from vmboot.dirs import private_dir, state_dir, trusted
from vmboot.errors import ConnectError, LockedError, VmbootError
from vmboot.events import Sink, ignore
from vmboot.lab.build import find_or_build
from vmboot.lab.vcenter import LabSize, Vcenter, launch

_END_SECONDS = 15.0


@dataclass(frozen=True)
class LabStatus:
    """A lab that ``up`` started.

    :param vms: virtual machines and templates it holds now
    :param sessions: clients that are logged in
    """

    vcenter: Vcenter
    vms: int
    sessions: int

    def to_json(self) -> dict[str, Any]:
        """What ``vmboot lab up --json`` prints; the password stays in the state file."""
        return {
            "url": self.vcenter.url,
            "host": self.vcenter.host,
            "port": self.vcenter.port,
            "user": self.vcenter.user,
            "pid": self.vcenter.pid,
            "thumbprint": self.vcenter.thumbprint,
            "control": self.vcenter.control,
            "capabilities": sorted(self.vcenter.capabilities),
            "vms": self.vms,
            "sessions": self.sessions,
            "state_file": str(state_file()),
        }


def state_file() -> Path:
    """Where the running lab is recorded, password included; only its owner reads it."""
    return trusted(state_dir() / "lab") / "vcenter.json"


def up(*, size: LabSize | None = None, sink: Sink = ignore) -> LabStatus:
    """Start a lab that goes on after this process.

    :raises LockedError: one is up already
    """
    running = status()
    if running is not None:
        raise LockedError(
            f"a lab is up already at {running.vcenter.url} (process {running.vcenter.pid})",
            hint="'vmboot lab status' shows it, 'vmboot lab down' ends it",
        )
    program = find_or_build(sink=sink)
    directory = private_dir(state_file().parent)
    with _open_private(directory / "vcenter.log").open("w+b") as log:
        _, vcenter = launch(program, size or LabSize(), log=log, detached=True)
    _record(vcenter)
    found = status()
    if found is None:
        raise ConnectError(
            "the lab ended as soon as it was up", hint=f"see {directory}/vcenter.log"
        )
    return found


def status() -> LabStatus | None:
    """The lab that is up, or ``None``; the record of one that is gone is removed."""
    vcenter = _recorded()
    if vcenter is None:
        return None
    try:
        answer = vcenter.lab_status()
    except VmbootError:
        state_file().unlink(missing_ok=True)
        return None
    return LabStatus(vcenter, vms=int(answer["vms"]), sessions=int(answer["sessions"]))


def down() -> bool:
    """End the lab; ``False`` when none is up.

    :raises DeadlineError: it does not end
    """
    running = status()
    if running is None:
        return False
    with suppress(VmbootError):
        running.vcenter.stop()
    try:
        _await_end(running.vcenter.pid)
    except VmbootError:
        with suppress(ProcessLookupError):
            os.kill(running.vcenter.pid, signal.SIGKILL)
        _await_end(running.vcenter.pid)
    state_file().unlink(missing_ok=True)
    return True


def _await_end(pid: int) -> None:
    poll(
        lambda: None if _is_alive(pid) else True,
        deadline=Deadline.after(_END_SECONDS),
        every=0.02,
        what=f"the end of the lab (process {pid})",
    )


def _is_alive(pid: int) -> bool:
    with suppress(ChildProcessError):  # our own child, if this process started it
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Ended, but its parent has not asked how: the first process of a container takes its time.

    proc(5): the state follows the name, which is in brackets and may hold brackets itself.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:  # gone just now, or no Linux
        return False
    return text.rpartition(")")[2].split()[:1] == ["Z"]


def _record(vcenter: Vcenter) -> None:
    """Write the record whole or not at all, for the owner's eyes only."""
    document = {**asdict(vcenter), "capabilities": sorted(vcenter.capabilities)}
    scratch = _open_private(state_file().with_suffix(".new"))
    scratch.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    scratch.replace(state_file())


def _open_private(path: Path) -> Path:
    """``path``, empty and with mode 0600 before anything is written to it."""
    path.unlink(missing_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    return path


def _recorded() -> Vcenter | None:
    try:
        document: Mapping[str, Any] = json.loads(state_file().read_text(encoding="utf-8"))
        fields = {**document, "capabilities": frozenset(document["capabilities"])}
        return Vcenter(**fields)
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None
