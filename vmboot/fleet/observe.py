"""Reading machines of which some may be gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from vmboot.errors import NotFoundError, RemoteError
from vmboot.vsphere.inventory import read_machines
from vmboot.vsphere.machine import Machine

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session


def read_present(session: Session, moids: Sequence[str]) -> Mapping[str, Machine]:
    """The machines among ``moids`` that still exist, by managed object id.

    The API fails a whole batch when one object is gone, so a failing batch is halved.
    """
    if not moids:
        return {}
    try:
        return {machine.moid: machine for machine in read_machines(session, moids)}
    except NotFoundError:
        pass
    except RemoteError as error:
        if error.fault != "ManagedObjectNotFound":
            raise
    if len(moids) == 1:
        return {}
    middle = len(moids) // 2
    return {**read_present(session, moids[:middle]), **read_present(session, moids[middle:])}
