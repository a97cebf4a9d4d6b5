"""Fixtures for tests that need the embedded vCenter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from vmboot.errors import MissingToolError
from vmboot.lab import Vcenter, find_or_build, start_vcenter


@pytest.fixture(scope="session")
def lab_binary() -> Path:
    """The lab's vCenter program, built once."""
    try:
        return find_or_build()
    except MissingToolError as missing:
        pytest.skip(f"the lab's vCenter is missing: {missing}; {missing.hint}")


@pytest.fixture(scope="module")
def lab(lab_binary: Path) -> Iterator[Vcenter]:
    """A lab of 40 VMs and 4 templates, fresh for each test module."""
    with start_vcenter(binary=lab_binary) as vcenter:
        yield vcenter


@pytest.fixture
def small_lab(lab_binary: Path) -> Iterator[Callable[..., Vcenter]]:
    """Makes labs with the parameters of ``start_vcenter``; they end with the test."""
    with ExitStack() as labs:

        def make(**options: Any) -> Vcenter:
            return labs.enter_context(
                start_vcenter(**{"vms": 6, "templates": 2, "binary": lab_binary, **options})
            )

        yield make


@pytest.fixture
def needs(lab: Vcenter) -> Callable[[str], None]:
    """Skips a test when this build of the lab lacks a capability."""

    def check(capability: str) -> None:
        if capability not in lab.capabilities:
            pytest.skip(f"this build of the lab has no {capability} (older govmomi)")

    return check
