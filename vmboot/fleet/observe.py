"""Reading machines of which some may be gone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from vmboot.vsphere.inventory import read_machines, with_secure_db
from vmboot.vsphere.machine import Machine

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session


def read_present(
    session: Session, moids: Sequence[str], *, secure_db: Collection[str] = ()
) -> Mapping[str, Machine]:
    """The machines among ``moids`` that still exist, by managed object id.

    :param secure_db: those whose settings for Secure Boot's db are needed as well: calls of its own
    """
    if not moids:
        return {}
    found = {m.moid: m for m in read_machines(session, moids, missing_ok=True)}
    asked = [machine for moid, machine in found.items() if moid in secure_db]
    return found | {m.moid: m for m in with_secure_db(session, asked)}
