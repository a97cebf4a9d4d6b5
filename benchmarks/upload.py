"""Upload a file to a datastore: vmboot's way beside govc, and how memory grows with the file."""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

from benchmarks.govc import find_govc
from benchmarks.lab import Site, site
from benchmarks.measure import Usage, run
from benchmarks.report import Claim, Report, figure

SMALL_MB, LARGE_MB = 1, 100
RUNS = 5
PROVEN = """\
sum=$(sha256sum <"$1")
"$GOVC" datastore.upload "$1" "$2" >/dev/null
test "$sum" = "$("$GOVC" datastore.download "$2" - | sha256sum)"
"""
UPLOAD = (sys.executable, "-m", "benchmarks.upload_once")


def measure() -> Report:
    """100 MB each, without delays: the rate is that of this machine's loopback and disk."""
    with site(vms=4, delay_ms=0, task_ms=0) as place:
        small, large = _file(place, SMALL_MB), _file(place, LARGE_MB)
        base = [_vmboot(place, small, i) for i in range(RUNS)]
        ours = [_vmboot(place, large, i) for i in range(RUNS)]
        theirs = [_govc(place, large, i) for i in range(RUNS)]
        proven = [_govc_proven(place, large, i) for i in range(RUNS)]
    growth = _median(ours, "peak_mb") - _median(base, "peak_mb")
    seconds = _median(ours, "wall_s") - _median(base, "wall_s")
    return Report(
        name="upload",
        title=f"Upload of {LARGE_MB} MB",
        columns=("Way", "wall s", "CPU s", "peak MiB"),
        rows=(
            _row(f"vmboot, {LARGE_MB} MB", ours),
            _row(f"vmboot, {SMALL_MB} MB (process, login, checks)", base),
            _row(f"govc upload, {LARGE_MB} MB", theirs),
            _row(f"govc upload, download, sha256sum, {LARGE_MB} MB", proven),
        ),
        claims=(
            Claim(f"memory added by {LARGE_MB} MB over {SMALL_MB} MB", growth, 8, " MiB"),
            Claim(
                "rate, sent and read back",
                (LARGE_MB - SMALL_MB) / seconds,
                100,
                " MB/s",
                at_most=False,
            ),
        ),
        notes=(
            f"Median of {RUNS}, whole processes. vmboot hashes the file, chooses a datastore that "
            "every host reaches, uploads under a temporary name, reads every byte back, compares "
            "the hash and only then gives the file its name.",
        ),
    )


def _file(place: Site, megabytes: int) -> Path:
    path = place.home / f"{megabytes}mb.iso"
    with path.open("wb") as out:
        for number in range(megabytes):
            out.write(number.to_bytes(4, "little") * 250_000)
    return path


def _vmboot(place: Site, file: Path, number: int) -> Usage:
    name = f"bench/ours-{file.stem}-{number}.iso"
    return run([*UPLOAD, file, "shared-01", name], env=place.environment)


def _govc(place: Site, file: Path, number: int) -> Usage:
    name = f"bench/theirs-{number}.iso"
    return place.govc("datastore.upload", "-ds", "shared-01", str(file), name)


def _govc_proven(place: Site, file: Path, number: int) -> Usage:
    """What govc needs for the same certainty."""
    name = f"bench/proven-{number}.iso"
    env = {**place.environment, "GOVC_DATASTORE": "shared-01", "GOVC": str(find_govc())}
    return run(["sh", "-euc", PROVEN, "sh", file, name], env=env)


def _median(usages: list[Usage], field: str) -> float:
    return statistics.median(getattr(usage, field) for usage in usages)


def _row(name: str, usages: list[Usage]) -> tuple[str, ...]:
    return (name, *(figure(_median(usages, field)) for field in ("wall_s", "cpu_s", "peak_mb")))
