"""The lab on the screen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import RenderableType

from vmboot.cli.views.media import facts
from vmboot.cli.views.table import line, stack

if TYPE_CHECKING:
    from vmboot.lab.state import LabStatus


def lab_view(status: LabStatus, *, login: str) -> RenderableType:
    """Where the lab is and how to use it.

    :param login: the file to source; the password is in a file beside it
    """
    lab = status.vcenter
    return stack(
        facts(
            ("URL", lab.url),
            ("user", lab.user),
            ("password", f"in {Path(login).with_name('password')}"),
            ("login", f"source {login}"),
            ("thumbprint", lab.thumbprint),
            ("process", lab.pid),
            ("machines", status.vms),
        ),
        line("use it:  source <(vmboot lab env)\nend it:  vmboot lab down"),
    )


def no_lab_view() -> RenderableType:
    return line("No lab is up; start one with: vmboot lab up")
