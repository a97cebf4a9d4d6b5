"""A network of its own for one rehearsal: nothing gets in, nothing gets out, nothing remains.

The network lives in its own namespaces, held by one child process (:mod:`vmboot.lab.netns`).
It needs no root where the kernel lets ordinary users make namespaces. When the child ends, for
whatever reason, the kernel ends every process in it and drops its interfaces.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from vmboot.clock import Deadline
from vmboot.errors import DeadlineError, MissingToolError, RefusedError
from vmboot.lab.firmware import find_program
from vmboot.lab.netns import HUB_PORT, MACHINE_PORT
from vmboot.lab.network_plan import LabPlan

NETDEV = f"socket,id=net0,udp=127.0.0.1:{HUB_PORT},localaddr=127.0.0.1:{MACHINE_PORT}"
_START_SECONDS = 20.0
_END_SECONDS = 5.0
_TUN_HINT = (
    "Load the module (modprobe tun), give the container the device /dev/net/tun, and let this user"
    " read and write it (mode 0666 is usual), or run as root."
)
_NAMESPACE_HINT = (
    "Allow unprivileged user namespaces (sysctl user.max_user_namespaces, on Ubuntu"
    " kernel.apparmor_restrict_unprivileged_userns=0), or run as root; in a container, allow it"
    " the capability SYS_ADMIN."
)


class IsolatedNetwork:
    """A running lab network. Made by :func:`isolated_network`.

    ``namespace`` is the kernel's name for it, e.g. ``net:[4026532000]``.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._buffer = b""
        self._programs = 0
        self.namespace = ""

    def spawn(self, argv: Sequence[str], *, log: Path) -> int:
        """Start a program inside; its output goes to ``log``. The id that ``exit`` events carry.

        :raises RefusedError: the network is gone
        """
        self._programs += 1
        self.send({"id": self._programs, "argv": list(argv), "log": str(log)})
        return self._programs

    def send(self, order: Mapping[str, Any]) -> None:
        """Hand the inside one JSON line."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise RefusedError("the lab network ended by itself") from error

    def events(self, seconds: float) -> list[dict[str, Any]]:
        """What happened inside; waits up to ``seconds`` for the first event.

        :raises EOFError: the inside has ended and everything it said was read
        """
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        if not select.select([descriptor], [], [], seconds)[0]:
            return []
        chunk = os.read(descriptor, 1 << 16)
        if not chunk:
            raise EOFError
        *lines, self._buffer = (self._buffer + chunk).split(b"\n")
        return [json.loads(line) for line in lines]


@contextmanager
def isolated_network(
    plan: LabPlan, *, machine: bytes, root: Path, pcap: Path
) -> Iterator[IsolatedNetwork]:
    """The network of ``plan`` while the context lasts.

    :param machine: MAC address of the machine whose boot is watched, six bytes
    :param root: folder that the live servers serve by TFTP and HTTP; its files must be readable
        by everyone
    :param pcap: file that gets every frame of the machine's link
    :raises MissingToolError: ``unshare``, ``ip``, ``dnsmasq`` or ``/dev/net/tun`` is missing
    :raises RefusedError: this system does not permit it; the message has the system's own words
    """
    command = [*_unshare(), sys.executable, "-m", "vmboot.lab.netns"]
    find_program("ip", package="iproute2 (Fedora: iproute)")
    dnsmasq = find_program("dnsmasq", package="dnsmasq-base (Fedora: dnsmasq)")
    with tempfile.TemporaryDirectory(prefix="vmboot-lab-") as work:
        config = {
            "plan": plan.to_json(),
            "machine": machine.hex(),
            "root": str(root),
            "pcap": str(pcap),
            "work": work,
            "dnsmasq": str(dnsmasq),
        }
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(),
            start_new_session=True,  # Ctrl-C at a terminal reaches us alone, and we clean up
        )
        try:
            network = IsolatedNetwork(process)
            network.namespace = _started(network, process, config)
            yield network
        finally:
            _end(process)
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()


def _unshare() -> list[str]:
    unshare = find_program("unshare", package="util-linux")
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return [str(unshare), *user, "--net", "--pid", "--fork", "--kill-child"]


def _environment() -> dict[str, str]:
    """What the inside needs to find Python modules and programs; nothing of the user's own."""
    package = str(Path(__file__).resolve().parents[2])
    path = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"
    return {"PATH": path, "PYTHONPATH": package, "LC_ALL": "C.UTF-8"}


def _started(
    network: IsolatedNetwork, process: subprocess.Popen[bytes], config: Mapping[str, Any]
) -> str:
    deadline = Deadline.after(_START_SECONDS)
    try:
        network.send(config)
        while not deadline.expired:
            for event in network.events(deadline.remaining):
                if event["event"] == "ready":
                    return str(event["namespace"])
                if event["event"] == "failed":
                    raise _setup_error(event)
    except (EOFError, RefusedError) as error:
        if isinstance(error, RefusedError) and error.hint:
            raise
        raise _start_error(process) from error
    raise DeadlineError(f"the lab network was not up within {_START_SECONDS:g} s")


def _setup_error(event: Mapping[str, Any]) -> MissingToolError | RefusedError:
    reason = str(event["reason"])
    if event.get("file") == "/dev/net/tun":
        return MissingToolError(f"the lab network has no tap device: {reason}", hint=_TUN_HINT)
    return RefusedError(f"the lab network could not be set up: {reason}", hint=_NAMESPACE_HINT)


def _start_error(process: subprocess.Popen[bytes]) -> RefusedError:
    _end(process)
    assert process.stderr is not None
    words = process.stderr.read().decode("utf-8", "replace").strip().splitlines()
    reason = words[-1] if words else f"it ended with status {process.returncode}"
    return RefusedError(f"this system gives no network of its own: {reason}", hint=_NAMESPACE_HINT)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask it to end, then kill it; ``--kill-child`` takes the whole namespace along."""
    assert process.stdin is not None
    with suppress(BrokenPipeError):
        process.stdin.close()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
