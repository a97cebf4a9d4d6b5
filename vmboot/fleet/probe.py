"""Does a boot server serve the bootstrap? Fetched as a loader would, bounded and hashed."""

from __future__ import annotations

import hashlib
import http.client
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from vmboot.clock import Deadline
from vmboot.model import BootServer, Bootstrap, Transport

#: The largest bootstrap is a few MB; a server that sends more is not serving a bootstrap.
MAX_BYTES = 64 << 20
DEADLINE_S = 10.0
_TRY_S = 2
_TRIES = 2
_HTTP_PORT = 80
_TFTP_PORT = 69
_BLOCK = 1 << 16

# tftpy logs each resent packet as a warning, which Python prints to the screen where nobody has
# set up logging. Who has set it up still gets them.
logging.getLogger("tftpy").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Probe:
    """What one server sent for one file.

    :param sha256: hex digest of what it sent; ``""`` if that was nothing
    :param problem: why it cannot be fetched; ``""`` if it was
    """

    server: BootServer
    bootstrap: Bootstrap
    size: int = 0
    sha256: str = ""
    problem: str = ""


class _TooMuchError(Exception):
    """More bytes, or more time, than any bootstrap takes."""


class _Sink:
    """Takes a download, counts and hashes it, and stops what goes on for too long."""

    def __init__(self, deadline: Deadline) -> None:
        self.size = 0
        self._digest = hashlib.sha256()
        self._deadline = deadline

    def write(self, data: bytes) -> int:
        self.size += len(data)
        self._digest.update(data)
        if self.size > MAX_BYTES:
            raise _TooMuchError(f"it sends more than {MAX_BYTES >> 20} MiB")
        if self._deadline.expired:
            raise _TooMuchError(f"it is not sent within {self._deadline.seconds:g} s")
        return len(data)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def probe(server: BootServer, bootstrap: Bootstrap, *, deadline_s: float = DEADLINE_S) -> Probe:
    """Fetch ``bootstrap`` from ``server`` and say what came."""
    sink = _Sink(Deadline.after(deadline_s))
    fetch = _FETCHERS[bootstrap.transport]
    try:
        problem = fetch(server, bootstrap.file, sink)
    except _TooMuchError as error:
        problem = str(error)
    if problem:
        return Probe(server, bootstrap, problem=problem)
    return Probe(server, bootstrap, sink.size, sink.sha256)


def _tftp(server: BootServer, file: str, sink: _Sink) -> str:
    import tftpy

    host, port = _host_and_port(server, _TFTP_PORT)
    try:
        client = tftpy.TftpClient(host, port, options={"blksize": 1428})
        client.download(file, sink, timeout=_TRY_S, retries=_TRIES)
    except tftpy.TftpTimeout:
        return "it does not answer TFTP"
    except (tftpy.TftpException, OSError) as error:
        return f"TFTP: {error or type(error).__name__}"
    return ""


def _http(server: BootServer, file: str, sink: _Sink) -> str:
    host, port = _host_and_port(server, _HTTP_PORT)
    connection = http.client.HTTPConnection(host, port, timeout=_TRY_S * _TRIES)
    try:
        connection.request("GET", f"/{quote(file)}")
        response = connection.getresponse()
        if response.status != http.client.OK:
            return f"HTTP: {response.status} {response.reason}"
        while block := response.read(_BLOCK):
            sink.write(block)
    except TimeoutError:
        return "it does not answer HTTP"
    except (OSError, http.client.HTTPException) as error:
        return f"HTTP: {error or type(error).__name__}"
    finally:
        connection.close()
    return ""


_FETCHERS: dict[Transport, Callable[[BootServer, str, _Sink], str]] = {
    Transport.TFTP: _tftp,
    Transport.HTTP: _http,
}


def _host_and_port(server: BootServer, default: int) -> tuple[str, int]:
    host, colon, port = server.address.partition(":")
    return _resolved(host), int(port) if colon else default


def _resolved(host: str) -> str:
    """An IPv4 address where there is one: loaders ask for nothing else."""
    try:
        return socket.gethostbyname(host)
    except OSError:
        return host  # the connection itself says what is wrong, with the name in it
