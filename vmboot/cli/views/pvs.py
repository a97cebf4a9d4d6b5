"""A PVS site's own files on the screen: imported media, server lists."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.text import Text

from vmboot.cli.text import printable, size
from vmboot.cli.views.media import facts
from vmboot.cli.views.table import line, stack, table

if TYPE_CHECKING:
    from vmboot.media.importing import ImportedMedia
    from vmboot.model import BootServer

_PLAIN = re.compile(r"[A-Za-z0-9./][A-Za-z0-9._/-]*")


def import_view(file: str, imported: ImportedMedia, document: Mapping[str, Any]) -> RenderableType:
    """What a file is, whether it boots, what was changed, and how a fleet document names it."""
    inspection = imported.inspection
    boots = inspection.boots
    names = ("BIOS", boots.bios), ("UEFI", boots.uefi), ("UEFI Secure Boot", boots.secure_boot)
    vendor = [(path, each.words, each.sha256[:12]) for path, each in imported.vendor.items()]
    return stack(
        facts(
            ("file", file),
            ("is", "a boot ISO" if imported.kind == "iso" else "a boot disk"),
            ("size", size(len(imported.data))),
            ("sha256", imported.sha256),
            ("boots", ", ".join(name for name, does in names if does) or "nothing"),
        ),
        table(("program", "what it is", "sha256"), vendor) if vendor else None,
        _diff(imported.diff) if imported.diff else None,
        _lines("problem", inspection.problems, "red"),
        _lines("note", (*imported.notes, *inspection.notes), ""),
        _lines("written", document["files"], "green"),
        line("for fleet.yml:\n" + _media_block(document["fleet"]["media"])),
    )


def servers_view(servers: Sequence[BootServer]) -> RenderableType:
    """A ``boot_servers`` block, to be pasted into a fleet document."""
    return line("\n".join(["boot_servers:", *map(_server, servers)]))


def _server(server: BootServer) -> str:
    name = f"name: {_scalar(server.name)}, " if server.name else ""
    return f"  - {{{name}address: {server.address}}}"


def _media_block(media: Mapping[str, Mapping[str, str]]) -> str:
    """Block style, so that a long path still has its own line."""
    lines = ["media:"]
    for method, section in media.items():
        lines.append(f"  {method}:")
        lines += [f"    {key}: {_scalar(value)}" for key, value in section.items()]
    return "\n".join(lines)


def _scalar(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else json.dumps(text)


def _diff(diff: str) -> Text:
    styles = {"+": "green", "-": "red", "@": "cyan"}
    shown = Text()
    for each in diff.split("\n"):
        shown.append(f"{printable(each)}\n", style=styles.get(each[:1], ""))
    shown.rstrip()
    return shown


def _lines(word: str, texts: Sequence[str], style: str) -> RenderableType | None:
    return line("\n".join(f"{word}: {text}" for text in texts), style) if texts else None
