"""What runs that are over say about copies of BDM disks: begun, seen to end, and when."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from vmboot.fleet.runs import Run


@dataclass(frozen=True)
class Earlier:
    """The last run that had begun a copy.

    :param since: when that run began
    :param is_whole: it saw the copy end; what is there now may have been changed since
    """

    since: datetime
    is_whole: bool


def earlier_copies(
    runs: Iterable[Run],
    paths: Collection[str],
    *,
    vcenter_uuid: str,
    dead: Collection[str] = (),
    this: str = "",
) -> Mapping[str, Earlier]:
    """Those of ``paths`` that a run on this vCenter had begun to make. Pure.

    :param runs: the newest first
    :param paths: datastore paths; another vCenter may have the same ones for other files
    :param dead: ids of runs that ended in the middle, whose locks are held; others that did may
        be at work still
    :param this: id of the run that asks
    """
    wanted = frozenset(paths)
    found: dict[str, Earlier] = {}
    for run in runs:
        is_over = run.finished or run.id in dead
        if is_over and run.id != this and run.started.vcenter_uuid == vcenter_uuid:
            since = datetime.fromisoformat(run.started.started)
            for path in wanted & run.copies.keys() - found.keys():
                found[path] = Earlier(since, path in run.copied)
    return found
