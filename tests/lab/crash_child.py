"""An apply in a process of its own that kills itself at a chosen point.

Points are numbered in the order in which the process reaches them: just before and just after every
journal write, every API call and every file transfer. The product knows nothing of this.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vmboot.fleet import journal
from vmboot.fleet.apply import apply_plan
from vmboot.fleet.planner import plan_fleet
from vmboot.fleet.spec import load_fleet
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
    os.environ.update(environment)
    fleet = load_fleet(file)
    with connect(resolve(env=environment, use_keyring=False)) as session:
        plan = plan_fleet(fleet, session, loader_dirs=[loaders])
        fuse = Fuse(burns_at)
        journal._write_all = fuse.around(journal._write_all)
        Session._attempt = fuse.around(Session._attempt)  # type: ignore[method-assign]
        Session.http = fuse.around(Session.http)  # type: ignore[method-assign]
        apply_plan(plan, fleet, session, loader_dirs=[Path(loaders)])
        told.send(fuse.reached)
        sys.stdout.flush()
        os._exit(0)
