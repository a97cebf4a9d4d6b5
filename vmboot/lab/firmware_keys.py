"""Firmware variables that trust a site's own certificates, for rehearsals under Secure Boot."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from vmboot.errors import InputError, MissingToolError
from vmboot.lab.firmware import find_firmware
from vmboot.model import Firmware

TOOL = "virt-fw-vars"
_OWNER = "5f3a1c52-6d0e-4f0e-9a43-9b8f0c7e2d11"  # of the entries in db; any GUID will do
_SECONDS = 60


def trusting(certificates: Sequence[Path], *, template: Path | None, out: Path) -> Path:
    """Write a variable store to ``out`` whose db has ``certificates`` beside what it had.

    :param certificates: X.509, PEM or DER
    :param template: a variable store; by default the distribution's, with Microsoft's keys
    :raises MissingToolError: virt-fw-vars or the firmware is not installed
    :raises InputError: ``template`` is no variable store
    """
    source = template or find_firmware(Firmware.UEFI, secure_boot=True).variables
    assert source is not None, "UEFI firmware has variables"
    command = [str(_tool()), "--input", str(source), "--output", str(out)]
    for certificate in certificates:
        command += ["--add-db", _OWNER, str(certificate)]
    out.unlink(missing_ok=True)
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise InputError(f"{TOOL} did not end within {_SECONDS} s on {source}") from None
    if ended.returncode or not out.is_file():
        last = next(iter(reversed(ended.stderr.strip().splitlines())), "without a word")
        raise InputError(
            f"{source} could not be given the certificates: {TOOL} ended with {last!r}",
            hint="give the variables that belong to OVMF, such as OVMF_VARS_4M.ms.fd",
        )
    return out


def _tool() -> Path:
    """On the PATH, or where pip put it beside this Python."""
    found = shutil.which(TOOL) or shutil.which(TOOL, path=str(Path(sys.executable).parent))
    if found is None:
        raise MissingToolError(
            f"{TOOL} is not installed; it puts a certificate into the firmware's db",
            hint="run: pip install virt-firmware (Fedora: dnf install python3-virt-firmware); or "
            "give variables that have it already with --firmware-variables",
        )
    return Path(found)
