"""HTTPS connections to one vCenter, kept open between requests and shared by threads."""

from __future__ import annotations

import http.client
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_CUT_SHORT = (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError)
_IDLE_S = 30.0  # as in stub.py: shorter than what sits between us and the vCenter


class HttpPool:
    """Hands out connections; whoever breaks one loses it, others go back.

    :param timeout_s: socket timeout, for connecting and between two blocks
    """

    def __init__(
        self, *, host: str, port: int, context: ssl.SSLContext, timeout_s: float, keep: int = 8
    ) -> None:
        self._host = host
        self._port = port
        self._context = context
        self._timeout_s = timeout_s
        self._keep = keep
        self._lock = threading.Lock()
        self._free: list[tuple[float, http.client.HTTPSConnection]] = []

    @contextmanager
    def request(
        self, method: str, target: str, *, body: Any = None, headers: Mapping[str, str]
    ) -> Iterator[http.client.HTTPResponse]:
        """Send one request and give its response; what is left unread costs the connection."""
        connection = self._take()
        reusable = False
        try:
            response = _exchange(connection, method, target, body, headers)
            yield response
            reusable = response.isclosed() and not response.will_close
        finally:
            self._give(connection, reusable)

    def close(self) -> None:
        with self._lock:
            free, self._free = self._free, []
        for _, connection in free:
            connection.close()

    def _take(self) -> http.client.HTTPSConnection:
        with self._lock:
            while self._free:
                since, connection = self._free.pop()
                if time.monotonic() - since < _IDLE_S:
                    return connection
                connection.close()
        return http.client.HTTPSConnection(
            self._host,
            self._port,
            context=self._context,
            timeout=self._timeout_s,
            blocksize=1 << 20,
        )

    def _give(self, connection: http.client.HTTPSConnection, reusable: bool) -> None:
        with self._lock:
            if reusable and len(self._free) < self._keep:
                self._free.append((time.monotonic(), connection))
                return
        connection.close()


def _exchange(
    connection: http.client.HTTPSConnection,
    method: str,
    target: str,
    body: Any,
    headers: Mapping[str, str],
) -> http.client.HTTPResponse:
    """Send and get the response, also one that came before all of the body was sent.

    A server that refuses an upload says so and closes; what is still being sent then breaks, but
    why it was refused can be read.
    """
    try:
        connection.request(method, target, body=body, headers=dict(headers))
    except _CUT_SHORT:
        refusal = _early_reply(connection) if body is not None else None
        if refusal is None:
            raise
        return refusal
    return connection.getresponse()


def _early_reply(connection: http.client.HTTPSConnection) -> http.client.HTTPResponse | None:
    try:
        response = connection.getresponse()
    except (OSError, http.client.HTTPException):
        return None
    return response if response.status >= http.client.BAD_REQUEST else None


class HttpReply:
    """A response whose reads tell a broken connection in the words of ``guard``."""

    def __init__(
        self,
        response: http.client.HTTPResponse,
        guard: Callable[[Callable[[], bytes]], bytes],
    ) -> None:
        self._response = response
        self._guard = guard
        self.status = response.status
        self.reason = response.reason

    def header(self, name: str) -> str:
        """A header's value, ``""`` if it is not there."""
        return self._response.getheader(name) or ""

    def read(self, size: int | None = None) -> bytes:
        """The next ``size`` bytes, or the rest; ``b""`` at the end.

        :raises ConnectError: the connection broke
        """
        return self._guard(lambda: self._response.read(size))
