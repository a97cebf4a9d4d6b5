"""What boots need: a network of their own. Its absence skips with the system's reason.

Boots are bounded by the wire and the console, never by guesses: a generous deadline, and an end
as soon as nothing more can come.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.boot.bootlab import PVS1, BootLab, DiskLab
from vmboot.errors import MissingToolError, RefusedError
from vmboot.lab.network import isolated_network
from vmboot.lab.network_plan import plan_network
from vmboot.lab.rehearsal_report import RehearsalReport


@pytest.fixture(scope="session")
def network_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skips where the system gives no isolated network."""
    folder = tmp_path_factory.mktemp("probe")
    plan = plan_network([PVS1])
    try:
        with isolated_network(plan, machine=bytes(6), root=folder, pcap=folder / "wire.pcap"):
            return
    except (MissingToolError, RefusedError) as error:
        pytest.skip(f"{error} ({error.hint})")


@pytest.fixture
def boot(network_of_its_own: None, tmp_path: Path) -> Callable[..., RehearsalReport]:
    """Builds an ISO and boots it in an isolated network; see :meth:`BootLab.boot`."""
    return BootLab(tmp_path).boot


@pytest.fixture
def boot_disk(network_of_its_own: None, tmp_path: Path) -> Callable[..., RehearsalReport]:
    """Builds a boot disk and boots it in an isolated network; see :meth:`DiskLab.boot`."""
    return DiskLab(tmp_path).boot
