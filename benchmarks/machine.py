"""The machine the figures come from, without its name."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path


def describe() -> str:
    """One paragraph: processor, memory, system and the versions that matter."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    python = ".".join(map(str, sys.version_info[:3]))
    return (
        f"{_commit()}, measured on {os.cpu_count()} cores ({_processor()}), "
        f"{memory_gib:.0f} GiB of memory, {_system()}, Linux {platform.release().split('-')[0]}, "
        f"Python {python}, pyvmomi {version('pyvmomi')}; client and vCenter on the same machine, "
        "sharing its cores."
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _system() -> str:
    return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")


def _commit() -> str:
    result = subprocess.run(
        ["git", "log", "-1", "--format=%h of %cs"], capture_output=True, text=True, check=False
    )
    name = f"vmboot {version('vmboot')}"
    return f"{name} ({result.stdout.strip()})" if result.returncode == 0 else name
