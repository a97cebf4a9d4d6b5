"""An apply, or an undo, in a process of its own that kills itself at a chosen point.

Points are numbered in the order in which the process reaches them: just before and just after every
journal write, every API call and every file transfer. The product knows nothing of this.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vmboot.fleet import journal
from vmboot.fleet.apply import apply_plan
from vmboot.fleet.planner import plan_fleet
from vmboot.fleet.spec import load_fleet
from vmboot.fleet.undo import undo_run
from vmboot.vsphere import nfc
from vmboot.vsphere.credentials import resolve
from vmboot.vsphere.session import Session, connect


class Fuse:
    """Counts points, and kills the process at one of them; 0 only counts."""

    def __init__(self, burns_at: int) -> None:
        self._burns_at = burns_at
        self._lock = threading.Lock()
        self.reached = 0

    def point(self) -> None:
        with self._lock:
            self.reached += 1
            if self.reached == self._burns_at:
                os.kill(os.getpid(), signal.SIGKILL)

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*args: Any, **kwargs: Any) -> Any:
            self.point()
            result = call(*args, **kwargs)
            self.point()
            return result

        return watched


def run(environment: Mapping[str, str], file: str, loaders: str, burns_at: int, told: Any) -> None:
    """Plan, then apply with the fuse lit; ``told`` gets the number of points if it survives."""
    with _session(environment) as session:
        fleet = load_fleet(file)
        plan = plan_fleet(fleet, session, loader_dirs=[loaders])
        fuse = _lit(burns_at)
        apply_plan(plan, fleet, session, loader_dirs=[Path(loaders)])
        _tell(told, fuse)


def run_undo(environment: Mapping[str, str], run_id: str, burns_at: int, told: Any) -> None:
    """The same for the undo of a run."""
    with _session(environment) as session:
        fuse = _lit(burns_at)
        undo_run(run_id, session)
        _tell(told, fuse)


@contextmanager
def _session(environment: Mapping[str, str]) -> Iterator[Session]:
    os.environ.update(environment)
    with connect(resolve(env=environment, use_keyring=False)) as session:
        yield session


def _lit(burns_at: int) -> Fuse:
    fuse = Fuse(burns_at)
    journal._write_all = fuse.around(journal._write_all)
    nfc._post = fuse.around(nfc._post)
    Session._attempt = fuse.around(Session._attempt)  # type: ignore[method-assign]
    Session.http = fuse.around(Session.http)  # type: ignore[method-assign]
    return fuse


def _tell(told: Any, fuse: Fuse) -> None:
    told.send(fuse.reached)
    sys.stdout.flush()
    os._exit(0)
