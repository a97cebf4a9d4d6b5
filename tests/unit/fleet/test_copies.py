"""Which machines have all the copies that they need."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from tests.unit.fleet.test_journal import start
from vmboot.errors import RemoteError
from vmboot.fleet.copies import Copies
from vmboot.fleet.journal import Copying

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session

MASTER = "[shared-01] vmboot/vmboot-boot-0123456789ab.vmdk"
FULL = RemoteError("no space", fault="NoDiskSpace")


def order(moid: str, number: int) -> Copying:
    return Copying(moid, MASTER, f"[shared-01] {moid}/disk-{number}.vmdk", "datastore-1")


@pytest.mark.parametrize(
    ("errors", "ready"),
    [
        ((None,), set()),
        ((None, None), {"vm-1"}),
        ((None, FULL), set()),
        ((FULL, None), set()),
    ],
)
def test_a_machine_of_two_copies_is_ready_when_both_are_there(
    tmp_path: Path, errors: tuple[RemoteError | None, ...], ready: set[str]
) -> None:
    orders = [order("vm-1", 0), order("vm-1", 1), order("vm-2", 0)]
    with start(tmp_path) as journal:
        copies = Copies(cast("Session", None), journal, orders)  # how writes end needs no vCenter
        for one, error in zip(orders, errors, strict=False):
            copies.end(one, error)
    assert copies.made.ready == ready
    assert (copies.made.errors == {"vm-1": FULL}) is (FULL in errors)
