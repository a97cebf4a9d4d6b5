"""Files that let other commands log in to the lab, for their owner's eyes only."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from vmboot.cli.files import write_new
from vmboot.dirs import private_dir
from vmboot.lab.state import state_file

if TYPE_CHECKING:
    from vmboot.lab import Vcenter


def write_login(vcenter: Vcenter) -> Path:
    """Write the password and, beside it, a file to source; returns the latter (mode 0600)."""
    folder = private_dir(state_file().parent)
    write_new(folder / "password", f"{vcenter.password}\n".encode(), mode=0o600)
    write_new(folder / "env", exports(vcenter).encode(), mode=0o600)
    return folder / "env"


def exports(vcenter: Vcenter) -> str:
    """Shell lines that point vmboot at the lab. The password is named by its file, not said."""
    folder = state_file().parent
    variables = {
        name: value for name, value in vcenter.environment().items() if name != "VMBOOT_PASSWORD"
    }
    variables["VMBOOT_PASSWORD_FILE"] = str(folder / "password")
    lines = [f"export {name}={shlex.quote(value)}" for name, value in sorted(variables.items())]
    return "\n".join(["unset VMBOOT_PASSWORD VMBOOT_CA_FILE VMBOOT_INSECURE", *lines]) + "\n"


def remove_login() -> None:
    """Take away what :func:`write_login` wrote."""
    for name in ("password", "env"):
        (state_file().parent / name).unlink(missing_ok=True)
