"""The lab that outlives its command: whether its process has ended."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vmboot.lab.state import _await_end, _is_zombie

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="this system has no /proc"
)


def test_one_that_ended_and_was_never_asked_how_is_no_longer_up() -> None:
    """As in a container whose first process does not reap at once."""
    grandchild = "import os, time\npid = os.fork()\nif pid: print(pid, flush=True); time.sleep(60)"
    command = [sys.executable, "-c", grandchild]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        try:
            assert parent.stdout is not None
            pid = int(parent.stdout.readline())
            _await_end(pid)
            os.kill(pid, 0)  # it is still listed
        finally:
            parent.kill()


def test_one_that_runs_is_none() -> None:
    assert not _is_zombie(os.getpid())


def test_one_that_nobody_knows_is_none() -> None:
    assert not _is_zombie(2**22 + 1)
