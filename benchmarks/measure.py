"""Run a program as a real process and say what it cost."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


class BenchmarkError(Exception):
    """A contender could not do its job, so there is nothing to compare."""


@dataclass(frozen=True)
class Usage:
    """What one process and the children it waited for used.

    :param peak_mb: largest resident set of any of them, MiB
    :param out: what it wrote to standard output
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    out: str


def run(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    stdin: str = "",
    allowed: Sequence[int] = (0,),
) -> Usage:
    """Run ``argv`` with ``env`` added to the environment; CPU and memory come from wait4.

    :raises BenchmarkError: it ended with a status that is not in ``allowed``
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        started = time.monotonic()
        process = subprocess.Popen(
            [str(part) for part in argv],
            env={**os.environ, **env},
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=err,
            text=True,
        )
        assert process.stdin is not None
        process.stdin.write(stdin)
        process.stdin.close()
        _, status, rusage = os.wait4(process.pid, 0)
        wall_s = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode not in allowed:
            tail = err.read()[-1500:] + out.read()[-500:]
            raise BenchmarkError(f"{argv[0]} ended with status {process.returncode}:\n{tail}")
        return Usage(
            wall_s=wall_s,
            cpu_s=rusage.ru_utime + rusage.ru_stime,
            peak_mb=rusage.ru_maxrss / 1024,  # Linux counts it in KiB
            out=out.read(),
        )
