"""Which runs belong to one rollout: each carries the rollout's id in its journal."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path

from vmboot.fleet.runs import RunSummary, list_runs

#: Stands for the newest rollout there is.
LAST = "last"


def new_rollout() -> str:
    """An id no other rollout has: ``rollout-20261121-221005-3fa2``."""
    return f"rollout-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def runs_of(rollout: str, *, state: Path | None = None) -> tuple[RunSummary, ...]:
    """Runs of ``rollout`` that can be undone, the newest first.

    :param rollout: its id, or ``"last"`` for the newest rollout that can be undone
    """
    runs = [run for run in list_runs(state=state) if run.rollout and run.undoable]
    if rollout == LAST:
        rollout = runs[0].rollout if runs else ""
    return tuple(run for run in runs if run.rollout == rollout)
