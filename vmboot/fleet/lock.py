"""One run at a time per vCenter and fleet document, on this machine's state directory.

The kernel drops the lock when its owner dies, however it dies, so a stale one cannot exist.
"""

from __future__ import annotations

import fcntl
import getpass
import hashlib
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from vmboot.clock import Deadline, poll
from vmboot.dirs import private_dir, state_dir
from vmboot.errors import DeadlineError, LockedError, RefusedError

#: Somebody who only looks whether a run is at work holds the lock for an instant.
PATIENCE_S = 0.5
_EVERY_S = 0.02


@contextmanager
def run_lock(vcenter: str, fleet: str, *, state: Path | None = None) -> Iterator[None]:
    """Hold the lock of ``fleet`` on ``vcenter`` for the length of a ``with`` block.

    :param vcenter: what identifies the vCenter, its instance UUID where known
    :param fleet: absolute path of the fleet document
    :raises LockedError: someone else holds it; the message names them
    """
    with (
        _files_lock(vcenter, fcntl.LOCK_SH, state),
        _open(vcenter, fleet, state) as descriptor,
    ):
        _take(descriptor, fleet)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(owner()).encode(), 0)
        yield


@contextmanager
def sweep_lock(vcenter: str, *, state: Path | None = None) -> Iterator[None]:
    """No run of any fleet on ``vcenter`` begins, or is at work, for the length of the block.

    :raises LockedError: one is at work, or another sweep
    """
    with _files_lock(vcenter, fcntl.LOCK_EX, state):
        yield


@contextmanager
def _files_lock(vcenter: str, kind: int, state: Path | None) -> Iterator[None]:
    """The boot ISOs of a vCenter: many runs may use them, one sweep deletes them."""
    name = hashlib.sha256(f"{vcenter}\nfiles".encode()).hexdigest()[:16]
    path = private_dir((state or state_dir()) / "locks") / f"{name}.files"
    descriptor = _opened(path)
    try:
        _take_files(descriptor, kind)
        yield
    finally:
        os.close(descriptor)


def _take_files(descriptor: int, kind: int) -> None:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        raise LockedError(
            "a sweep deletes boot ISOs of this vCenter just now"
            if kind == fcntl.LOCK_SH
            else "a run is at work on this vCenter, and may need what a sweep deletes",
            hint="wait for its end, then run this again",
        ) from None


def check_free(vcenter: str, fleet: str, *, state: Path | None = None) -> None:
    """See that no run is at work on ``fleet``; others may look at the same time.

    :raises LockedError: one is; the message names it
    """
    with _open(vcenter, fleet, state) as descriptor:
        if not _try(descriptor, fcntl.LOCK_SH):
            raise _locked(descriptor, fleet)


@contextmanager
def _open(vcenter: str, fleet: str, state: Path | None) -> Iterator[int]:
    name = hashlib.sha256(f"{vcenter}\n{fleet}".encode()).hexdigest()[:16]
    path = private_dir((state or state_dir()) / "locks") / f"{name}.lock"
    descriptor = _opened(path)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise RefusedError(
            f"the lock {path} cannot be opened: {error.strerror}",
            hint="without it two runs could meet; set VMBOOT_STATE to a place you can write to",
        ) from error


def owner() -> dict[str, str | int]:
    """This process, as others see it: pid, host, user, since (UTC)."""
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "user": _user(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a user id without a name
        return str(os.getuid())


def _take(descriptor: int, fleet: str) -> None:
    try:
        poll(
            lambda: _try(descriptor, fcntl.LOCK_EX) or None,
            deadline=Deadline.after(PATIENCE_S),
            every=_EVERY_S,
            what="the end of another run",
        )
    except DeadlineError:
        raise _locked(descriptor, fleet) from None


def _try(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _locked(descriptor: int, fleet: str) -> LockedError:
    return LockedError(
        f"another run works on {fleet}: {_describe(os.pread(descriptor, 4096, 0))}",
        hint="wait for it, or stop it with Ctrl-C where it runs; it cleans up after itself",
    )


def _describe(text: bytes) -> str:
    try:
        who = json.loads(text)
        return f"pid {who['pid']} on {who['host']}, user {who['user']}, since {who['since']}"
    except (ValueError, KeyError, TypeError):  # it has the lock but not yet written its name
        return "it has only just begun"
