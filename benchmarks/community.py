"""community.vmware as a peer: the collection out of a released ``ansible`` package, in a cache.

Galaxy, where it is published, is one more registry; the package of that name has the same files.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import BenchmarkError
from vmboot.dirs import cache_dir

PINNED = "ansible==11.13.0"  # the last series with the collection; it has 5.10.0
_INSIDE = "ansible_collections/community/vmware/"
_PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")


def environment() -> dict[str, str]:
    """Where ansible-playbook finds the collection and what its modules import.

    :raises BenchmarkError: it is not in the cache and cannot be fetched
    """
    home = cache_dir() / "benchmarks" / "community.vmware"
    if not (home / _INSIDE).is_dir():
        _fetch(home)
    return {
        "ANSIBLE_COLLECTIONS_PATH": str(home),
        "ANSIBLE_LOCALHOST_WARNING": "0",
        "PYTHONPATH": str(home / "python"),
    }


def playbook(file: Path, names: Sequence[str], *, forks: int, home: Path) -> list[str | Path]:
    """The command that runs a playbook for the VMs ``names``, each as a host.

    :param home: gets the inventory
    """
    inventory = home / f"{file.stem}-{len(names)}.ini"
    inventory.write_text("\n".join(["[targets]", *names, ""]), encoding="utf-8")
    interpreter = f"ansible_python_interpreter={sys.executable}"
    return [_PLAYBOOK, "-i", inventory, "-f", str(forks), "-e", interpreter, file]


def _fetch(home: Path) -> None:
    if not _PLAYBOOK.exists():
        raise BenchmarkError("no ansible-playbook beside this Python; run make setup")
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent) as folder:
        part = Path(folder)
        _pip("download", "--no-deps", "--only-binary", ":all:", "--dest", folder, PINNED)
        _pip("install", "--target", str(part / "made" / "python"), "requests")
        with zipfile.ZipFile(next(part.glob("*.whl"))) as wheel:
            wanted = [name for name in wheel.namelist() if name.startswith(_INSIDE)]
            wheel.extractall(part / "made", wanted)
        shutil.move(part / "made", home)


def _pip(*arguments: str) -> None:
    argv = [sys.executable, "-m", "pip", *arguments, "--quiet"]
    result = subprocess.run(argv, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise BenchmarkError(f"pip {arguments[0]} failed:\n{result.stderr[-1000:]}")
