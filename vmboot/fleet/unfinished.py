"""Which runs ended in the middle, told apart from one that is at work right now."""

from __future__ import annotations

from pathlib import Path

from vmboot.errors import LockedError
from vmboot.fleet.lock import run_lock
from vmboot.fleet.runs import Run, unfinished


def unfinished_or_busy(
    vcenter_uuid: str, fleet: str, *, state: Path | None = None
) -> tuple[tuple[Run, ...], tuple[str, ...]]:
    """Unfinished runs of ``fleet``, the oldest first, and warnings.

    While somebody holds the lock, its run is unfinished of course; then there is only a warning.
    """
    try:
        with run_lock(vcenter_uuid, fleet, state=state):
            return unfinished(vcenter_uuid, fleet, state=state), ()
    except LockedError as error:
        return (), (error.message,)
