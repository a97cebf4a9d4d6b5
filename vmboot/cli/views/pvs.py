"""A PVS site's own files on the screen: imported media, server lists, target devices."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.text import Text

from vmboot.cli.text import plural, printable, size
from vmboot.cli.views.media import facts
from vmboot.cli.views.table import heading, line, stack, table

if TYPE_CHECKING:
    from vmboot.fleet.pvsdevices import DeviceMatch, DeviceReport
    from vmboot.media.importing import ImportedMedia
    from vmboot.media.pvsfiles import VendorFile
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
        _for_fleet(document["fleet"]),
    )


def program_view(file: str, program: VendorFile, fleet: Mapping[str, Any]) -> RenderableType:
    """A boot program of the vendor."""
    return stack(
        facts(
            ("file", file),
            ("is", program.words),
            ("for", f"{program.firmware.name}, {program.arch}"),
            ("authority", ", ".join(program.authorities) or "-"),
            ("size", size(program.size)),
            ("sha256", program.sha256),
        ),
        _for_fleet(fleet) if fleet else None,
    )


def servers_view(servers: Sequence[BootServer]) -> RenderableType:
    """A ``boot_servers`` block, to be pasted into a fleet document."""
    return line("\n".join(["boot_servers:", *map(_server, servers)]))


def devices_view(report: DeviceReport, *, everything: bool = False) -> RenderableType:
    """Devices with something to look into, or all of them; VMs of the fleet without a device."""
    shown = [each for each in report.devices if everything or each.problems]
    rows = [
        (each.device.name or "-", each.device.mac, _below(each.paths or ("-",)), _why(each))
        for each in shown
    ]
    return stack(
        heading(f"PVS devices and machines on {report.vcenter}"),
        table(("device", "MAC", "machine", "to look into"), rows, whole=frozenset({1}))
        if rows
        else None,
        _lines("no device record has a MAC of", report.without, "yellow"),
        line(_sum(report), "bold"),
    )


def _why(match: DeviceMatch) -> Text:
    return _below(match.problems, "yellow")


def _below(texts: Sequence[str], style: str = "") -> Text:
    return Text("\n".join(printable(each) for each in texts), style=style)


def _sum(report: DeviceReport) -> str:
    problems = sum(bool(each.problems) for each in report.devices)
    stale = f", {len(report.stale)} with an old BDM" if report.changed_since else ""
    return (
        f"{plural(len(report.devices), 'device')}: {problems} to look into{stale}; "
        f"{plural(len(report.without), 'VM')} of the fleet without a device."
    )


def _server(server: BootServer) -> str:
    name = f"name: {_scalar(server.name)}, " if server.name else ""
    return f"  - {{{name}address: {server.address}}}"


def _for_fleet(fleet: Mapping[str, Mapping[str, Mapping[str, str]]]) -> RenderableType:
    """Lines for ``fleet.yml``, in block style, so that a long path still has its own line."""
    lines = ["for fleet.yml:"]
    for section, entries in fleet.items():
        lines.append(f"{section}:")
        for name, values in entries.items():
            lines.append(f"  {name}:")
            lines += [f"    {key}: {_scalar(value)}" for key, value in values.items()]
    return line("\n".join(lines))


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
