"""Reading machines of which some may be gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from vmboot.vsphere.inventory import read_machines
from vmboot.vsphere.machine import Machine

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session


def read_present(session: Session, moids: Sequence[str]) -> Mapping[str, Machine]:
    """The machines among ``moids`` that still exist, by managed object id."""
    return {m.moid: m for m in read_machines(session, moids, missing_ok=True)} if moids else {}
