"""Start an embedded vCenter: one process, one inventory, gone when it is no longer needed."""

from __future__ import annotations

import json
import os
import secrets
import select
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from vmboot.clock import Deadline
from vmboot.errors import ConnectError, InputError
from vmboot.events import Sink, ignore
from vmboot.lab.build import VARIABLE, find_or_build
from vmboot.lab.control import Control

USER = "administrator@vsphere.local"
_START_SECONDS = 120.0  # 5,000 VMs take a few seconds; a busy machine takes longer
_END_SECONDS = 10.0


@dataclass(frozen=True)
class Vcenter(Control):
    """A running lab vCenter: where it is, how to log in, and its control API.

    :param url: SOAP endpoint, ``https://127.0.0.1:PORT/sdk``
    :param thumbprint: SHA-256 of its certificate, ``AA:BB:...``
    :param pid: its process, 0 when it was started by somebody else
    :param capabilities: what this build can do; tests skip by them
    """

    url: str
    user: str
    password: str = field(repr=False)
    thumbprint: str = ""
    pid: int = 0
    capabilities: frozenset[str] = frozenset()

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 443

    def environment(self) -> dict[str, str]:
        """The variables with which vmboot finds and logs in to this vCenter."""
        return {
            "VMBOOT_HOST": f"{self.host}:{self.port}",
            "VMBOOT_PORT": str(self.port),
            "VMBOOT_USER": self.user,
            "VMBOOT_PASSWORD": self.password,
            "VMBOOT_THUMBPRINT": self.thumbprint,
        }

    def attach_url(self) -> str:
        """A value for ``$VMBOOT_VCSIM`` with which another process uses this very lab."""
        parts = urlsplit(self.url)
        login = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        more = {"control": self.control, "token": self.token, "thumbprint": self.thumbprint}
        return f"https://{login}@{parts.netloc}{parts.path}#{urlencode(more)}"


@dataclass(frozen=True)
class LabSize:
    """How big and how slow a lab is.

    :param specials: with the machines that a careful client refuses (Secure Boot, snapshot...)
    :param delay_ms: how much longer every API call takes
    :param task_ms: how much longer every task takes
    :param session_timeout: seconds of idleness that end a session
    :param question_ms: how long a question waits for its answer before the task fails
    :param guest_shutdown_ms: how long a guest takes to shut down
    :param lease_timeout: seconds without progress after which an import ends
    :param disks: the machines have disks on every kind of controller, and there are more special
        ones (full controller, RDM, shared disk, linked clone, encryption, fault tolerance...)
    :param refuse_predicted_keys: a boot order may only name devices of before its own call
    """

    vms: int = 40
    templates: int = 4
    specials: bool = True
    delay_ms: int = 0
    task_ms: int = 0
    session_timeout: int = 1800
    question_ms: int = 240_000
    guest_shutdown_ms: int = 300
    lease_timeout: int = 300
    disks: bool = False
    refuse_predicted_keys: bool = False

    def flags(self) -> list[str]:
        """The command line of the Go program."""
        return [
            f"--vms={self.vms}",
            f"--templates={self.templates}",
            f"--specials={'true' if self.specials else 'false'}",
            f"--delay-ms={self.delay_ms}",
            f"--task-ms={self.task_ms}",
            f"--session-timeout={self.session_timeout}",
            f"--question-ms={self.question_ms}",
            f"--guest-shutdown-ms={self.guest_shutdown_ms}",
            f"--lease-timeout={self.lease_timeout}",
            f"--disks={'true' if self.disks else 'false'}",
            f"--refuse-predicted-keys={'true' if self.refuse_predicted_keys else 'false'}",
        ]


@contextmanager
def start_vcenter(
    *,
    vms: int = 40,
    templates: int = 4,
    specials: bool = True,
    delay_ms: int = 0,
    task_ms: int = 0,
    session_timeout: int = 1800,
    question_ms: int = 240_000,
    guest_shutdown_ms: int = 300,
    lease_timeout: int = 300,
    disks: bool = False,
    refuse_predicted_keys: bool = False,
    binary: Path | None = None,
    sink: Sink = ignore,
) -> Iterator[Vcenter]:
    """A vCenter for the length of a ``with`` block; see :class:`LabSize` for the parameters.

    Where ``$VMBOOT_VCSIM`` is a URL, that vCenter is used as it is and left running.

    :param binary: the program to run; found or built when ``None``
    :raises MissingToolError: there is none and it cannot be built
    :raises ConnectError: it does not start
    """
    address = os.environ.get(VARIABLE, "")
    if binary is None and address.startswith("https://"):
        yield from_url(address)
        return
    size = LabSize(
        vms=vms,
        templates=templates,
        specials=specials,
        delay_ms=delay_ms,
        task_ms=task_ms,
        session_timeout=session_timeout,
        question_ms=question_ms,
        guest_shutdown_ms=guest_shutdown_ms,
        lease_timeout=lease_timeout,
        disks=disks,
        refuse_predicted_keys=refuse_predicted_keys,
    )
    program = binary or find_or_build(sink=sink)
    with tempfile.TemporaryFile() as log:
        process, vcenter = launch(program, size, log=log)
        try:
            yield vcenter
        finally:
            end(process)


def from_url(address: str) -> Vcenter:
    """The vCenter that :meth:`Vcenter.attach_url` described.

    :raises InputError: the URL names no user and password
    """
    parts = urlsplit(address)
    if not parts.username or parts.password is None:
        raise InputError(f"{VARIABLE} is a URL without user and password")
    more = {name: values[0] for name, values in parse_qs(parts.fragment).items()}
    return Vcenter(
        control=more.get("control", ""),
        token=more.get("token", ""),
        url=f"https://{parts.hostname}:{parts.port or 443}{parts.path or '/sdk'}",
        user=unquote(parts.username),
        password=unquote(parts.password),
        thumbprint=more.get("thumbprint", ""),
    )


def launch(
    program: Path, size: LabSize, *, log: IO[bytes], detached: bool = False
) -> tuple[subprocess.Popen[bytes], Vcenter]:
    """Start the program and wait until it serves.

    :param log: takes its standard error; read again for the reason when it does not start
    :param detached: it outlives this process; otherwise it ends when this process does
    """
    password = secrets.token_urlsafe(16)
    command = [str(program), f"--user={USER}", *size.flags()]
    if not detached:
        command.append(f"--parent-pid={os.getpid()}")
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, "VMBOOT_LAB_PASSWORD": password},
            start_new_session=True,
        )
    except OSError as error:
        raise ConnectError(f"{program} does not run: {error}") from error
    try:
        ready = _ready(process, program, log)
    except BaseException:
        end(process)
        raise
    return process, _vcenter(ready, password)


def _vcenter(ready: Mapping[str, Any], password: str) -> Vcenter:
    return Vcenter(
        control=ready["control"],
        token=ready["token"],
        url=ready["url"],
        user=ready["user"],
        password=password,
        thumbprint=ready["thumbprint"],
        pid=ready["pid"],
        capabilities=frozenset(ready["capabilities"]),
    )


def _ready(process: subprocess.Popen[bytes], program: Path, log: IO[bytes]) -> Mapping[str, Any]:
    """The one line that the program prints when it serves."""
    line = _first_line(process, Deadline.after(_START_SECONDS))
    try:
        ready: Mapping[str, Any] = json.loads(line)
        if "control" in ready:
            return ready
    except ValueError:
        pass
    raise ConnectError(
        f"{program} did not start a lab: {_last_words(log) or 'no ready line'}",
        hint=f"{VARIABLE} must be vmboot's own build; govmomi's plain vcsim has no lab in it",
    )


def _first_line(process: subprocess.Popen[bytes], deadline: Deadline) -> bytes:
    assert process.stdout is not None
    descriptor = process.stdout.fileno()
    line = b""
    while not line.endswith(b"\n") and not deadline.expired:
        if select.select([descriptor], [], [], deadline.remaining)[0]:
            chunk = os.read(descriptor, 1 << 16)
            if not chunk:
                break
            line += chunk
    return line


def _last_words(log: IO[bytes]) -> str:
    log.seek(0)
    lines = log.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def end(process: subprocess.Popen[bytes]) -> None:
    """End the program and wait for it; kill it when it does not."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout is not None:
        process.stdout.close()
