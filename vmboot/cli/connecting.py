"""Open what most commands need: the fleet document and a session with its vCenter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmboot.cli.options import Connection
from vmboot.cli.terminal import Terminal
from vmboot.events import Sink, ignore

if TYPE_CHECKING:
    from vmboot.fleet.spec import Fleet
    from vmboot.vsphere.session import Session


def credential_keywords(connection: Connection, terminal: Terminal) -> dict[str, Any]:
    """What :func:`vmboot.api.connect` takes besides the fleet."""
    return {
        "host": connection.host,
        "user": connection.user,
        "thumbprint": connection.thumbprint,
        "ca_file": None if connection.ca_file is None else str(connection.ca_file),
        "insecure": connection.insecure,
        "password_from": terminal.password_prompt,
    }


@contextmanager
def session_of(
    fleet: Fleet | None, connection: Connection, terminal: Terminal, *, sink: Sink = ignore
) -> Iterator[Session]:
    """A session with the vCenter of ``fleet``; flags win over the document and the environment."""
    from vmboot import api

    with api.connect(fleet, sink=sink, **credential_keywords(connection, terminal)) as session:
        yield session


@contextmanager
def fleet_and_session(
    file: Path, connection: Connection, terminal: Terminal, *, sink: Sink = ignore
) -> Iterator[tuple[Fleet, Session]]:
    """The fleet document, read first so that its errors need no vCenter, and a session."""
    from vmboot import api

    fleet = api.load_fleet(file)
    with session_of(fleet, connection, terminal, sink=sink) as session:
        yield fleet, session
