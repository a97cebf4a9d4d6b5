"""Fixtures of the lab's own tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.sdk import Client, connect
from vmboot.lab import Vcenter


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lab is done in milliseconds where a vCenter takes seconds: it is asked more often."""
    monkeypatch.setattr("vmboot.vsphere.power._EVERY_S", 0.1)
    monkeypatch.setattr("vmboot.vsphere.onetask._EVERY_S", 0.02)
    monkeypatch.setattr("vmboot.vsphere.nfc._READY_EVERY_S", 0.02)


@pytest.fixture(scope="module")
def client(lab: Vcenter) -> Iterator[Client]:
    """A session on the module's lab."""
    with connect(lab) as session:
        yield session
