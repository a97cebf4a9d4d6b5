"""Hand a password to the processes of a rollout without writing it anywhere.

ansible-runner records the environment and the command line of what it starts, and Ansible writes
module options into a file. So the modules find in ``VMBOOT_PASSWORD_FILE`` the name of a FIFO in a
private folder; a thread here answers everyone who opens it. Nothing is left when it ends.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def served_secret(path: Path, secret: str) -> Iterator[None]:
    """Make a FIFO at ``path`` that gives ``secret`` and a newline to each process that opens it.

    :param path: in a folder that only its owner may enter; nothing exists there yet
    """
    os.mkfifo(path, 0o600)
    ended = threading.Event()
    server = threading.Thread(
        target=_serve, args=(path, secret.encode() + b"\n", ended), name="secret", daemon=True
    )
    server.start()
    try:
        yield
    finally:
        ended.set()
        while server.is_alive():
            _release(path)
            server.join(0.05)
        path.unlink()


def _serve(path: Path, secret: bytes, ended: threading.Event) -> None:
    while True:
        with path.open("wb", buffering=0) as pipe:  # returns when somebody opens it to read
            if ended.is_set():
                return
            _renew(path)
            with suppress(BrokenPipeError):
                pipe.write(secret)


def _renew(path: Path) -> None:
    """Put a fresh FIFO in place, so that one reader never gets the answer for the next."""
    fresh = path.with_name(f"{path.name}.next")
    os.mkfifo(fresh, 0o600)
    fresh.replace(path)


def _release(path: Path) -> None:
    """Open for reading without waiting: that ends the server's own wait for a reader."""
    os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
