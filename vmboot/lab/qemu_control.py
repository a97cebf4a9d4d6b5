"""QEMU's control protocol (QMP), as little of it as a rehearsal needs.

Reference: QEMU documentation, "QEMU Machine Protocol Specification".
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vmboot.clock import Deadline
from vmboot.errors import DeadlineError, RemoteError

_LINE_LIMIT = 1 << 20


class QemuControl:
    """One control connection. Made by :func:`connect`."""

    def __init__(self, link: socket.socket, deadline: Deadline) -> None:
        self._link = link
        self._deadline = deadline
        self._reader = link.makefile("rb")

    def call(self, command: str, **arguments: Any) -> Any:
        """Run ``command`` and return its result.

        :raises RemoteError: QEMU refused it or hung up
        :raises DeadlineError: no answer in time
        """
        request = json.dumps({"execute": command, "arguments": arguments})
        try:
            self._link.settimeout(max(self._deadline.remaining, 0.1))
            self._link.sendall(request.encode() + b"\n")
            return self._answer(command)
        except TimeoutError as error:
            raise DeadlineError(f"QEMU did not answer '{command}' in time") from error
        except OSError as error:
            raise RemoteError(f"QEMU hung up on '{command}'", fault=type(error).__name__) from error

    def _answer(self, command: str) -> Any:
        while line := self._reader.readline(_LINE_LIMIT):
            message = json.loads(line)
            if "return" in message:
                return message["return"]
            if "error" in message:
                said = message["error"]
                raise RemoteError(f"QEMU refused '{command}': {said['desc']}", fault=said["class"])
        raise RemoteError(f"QEMU hung up on '{command}'", fault="EOF")


@contextmanager
def connect(path: Path, *, deadline: Deadline) -> Iterator[QemuControl]:
    """Speak to the QEMU that listens at the Unix socket ``path``.

    :raises RemoteError: nobody listens there: it has not come so far, or has ended
    """
    with socket.socket(socket.AF_UNIX) as link:
        try:
            link.connect(str(path))
        except OSError as error:
            raise RemoteError("QEMU is not running", fault=type(error).__name__) from error
        control = QemuControl(link, deadline)
        control.call("qmp_capabilities")
        yield control
