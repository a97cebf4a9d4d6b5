"""Fixtures of the lab's own tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.sdk import Client, connect
from vmboot.lab import Vcenter


@pytest.fixture(scope="module")
def client(lab: Vcenter) -> Iterator[Client]:
    """A session on the module's lab."""
    with connect(lab) as session:
        yield session
