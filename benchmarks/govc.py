"""govc as a peer: from PATH, or built once from its last release that can be built by version."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.measure import BenchmarkError
from vmboot.dirs import cache_dir

# Later releases have a `replace` in govc's own go.mod, which `go install` refuses.
PINNED = "github.com/vmware/govmomi/govc@v0.46.3"


def find_govc() -> Path:
    """The program's path.

    :raises BenchmarkError: none on PATH and it cannot be built
    """
    found = shutil.which("govc")
    if found:
        return Path(found)
    built = cache_dir() / "benchmarks" / "govc"
    if not built.exists():
        _build(built.parent)
    return built


def _build(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    path = os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.executable).parent)])
    go = shutil.which("go", path=path)
    if go is None:
        raise BenchmarkError("no govc on PATH and no Go to build it with; run make setup")
    result = subprocess.run(
        [go, "install", PINNED],
        env={**os.environ, "PATH": path, "GOBIN": str(directory)},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise BenchmarkError(f"{PINNED} could not be built:\n{result.stderr[-1000:]}")


def environment(vcenter: Mapping[str, str], home: Path) -> dict[str, str]:
    """GOVC_* for the lab that ``vcenter`` (VMBOOT_*) describes; sessions are kept in ``home``.

    govc's default of keeping its session saves it a login per command.
    """
    host = vcenter["VMBOOT_HOST"]
    return {
        "GOVC_URL": f"https://{host}/sdk",
        "GOVC_USERNAME": vcenter["VMBOOT_USER"],
        "GOVC_PASSWORD": vcenter["VMBOOT_PASSWORD"],
        "GOVC_INSECURE": "1",
        "GOVC_DATACENTER": "DC1",
        "GOVMOMI_HOME": str(home),
    }
