"""qemu-img as the independent writer and judge of disk images."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest


def qemu_img(*arguments: str | Path) -> str:
    """Run ``qemu-img``; skips where it is not installed."""
    if not shutil.which("qemu-img"):
        pytest.skip("qemu-img is not installed: apt-get install qemu-utils")
    command = ["qemu-img", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def qemu_info(path: Path) -> dict[str, Any]:
    return json.loads(qemu_img("info", "--output=json", path))


def converted(raw: bytes, folder: Path, kind: str, options: str = "") -> Path:
    """``raw`` as qemu-img writes it: ``kind`` is one of its formats."""
    source, target = folder / "source.raw", folder / f"made-by-qemu.{kind}"
    source.write_bytes(raw)
    more = ["-o", options] if options else []
    qemu_img("convert", "-f", "raw", "-O", kind, *more, source, target)
    return target
