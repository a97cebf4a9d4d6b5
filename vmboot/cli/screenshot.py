"""A picture of what a recorded console showed, as one SVG file that asks nothing of the network."""

from __future__ import annotations

import re
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI

from vmboot.cli.files import write_new

_WEB_FONTS = re.compile(r"@font-face\s*\{.*?\}\s*", re.DOTALL)


def write_svg(console: Console, file: Path, *, title: str) -> None:
    """Write what ``console`` recorded; the same record gives the same bytes."""
    svg = console.export_svg(title=title, theme=MONOKAI, unique_id="vmboot")
    write_new(file, _WEB_FONTS.sub("", svg).encode())
