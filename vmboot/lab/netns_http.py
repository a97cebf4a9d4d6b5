"""The HTTP half of the lab's boot servers: one folder, served at every live server's address."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer


class _QuietHandler(SimpleHTTPRequestHandler):
    """Keep-alive, as boot servers do; the wire is watched elsewhere, so nothing is logged."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def server_bind(self) -> None:
        """Bind without the base class's reverse DNS look-up of our own address."""
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]


@contextmanager
def serve_http(addresses: Iterable[tuple[str, int]], *, root: str) -> Iterator[None]:
    """Serve the folder ``root`` at each (address, port) while the context lasts.

    :raises OSError: an address or port cannot be bound
    """
    handler = functools.partial(_QuietHandler, directory=root)
    servers: list[_Server] = []
    try:
        for address in dict.fromkeys(addresses):
            server = _Server(address, handler)
            servers.append(server)
            threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
        yield
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
