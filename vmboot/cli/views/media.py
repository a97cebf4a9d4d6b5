"""Boot media that were built, on the screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from vmboot.cli.text import printable, size
from vmboot.cli.views.table import stack, table


def iso_view(document: Mapping[str, Any]) -> RenderableType:
    """What ``vmboot media iso`` built; ``document`` as it prints with --json."""
    manifest = document["manifest"]
    return stack(
        facts(
            ("file", document["file"]),
            ("size", size(document["size"])),
            ("sha256", document["sha256"]),
        ),
        manifest_view(manifest),
    )


def bdm_view(document: Mapping[str, Any]) -> RenderableType:
    """What ``vmboot media bdm`` built; ``document`` as it prints with --json."""
    manifest = document["manifest"]
    starts = " and ".join(firmware.upper() for firmware in document["starts"])
    return stack(
        facts(
            *(("file", each) for each in document["files"]),
            ("format", document["format"]),
            ("layout", f"{document['layout'].upper()}, starts {starts} machines"),
            ("disk size", size(document["size"])),
            ("sha256 (raw)", document["sha256"]),
            ("asks for work", "first" if manifest.get("work") else "no"),
        ),
        manifest_view(manifest),
    )


def facts(*pairs: tuple[str, object]) -> RenderableType:
    """``name  value`` lines."""
    width = max(len(name) for name, _ in pairs)
    text = Text()
    for name, value in pairs:
        text.append(f"{name:<{width}}  ", style="bold")
        text.append(f"{printable(str(value))}\n")
    text.rstrip()
    return text


def manifest_view(manifest: Mapping[str, Any]) -> RenderableType:
    """Servers in order, bootstraps, network, loaders: what ``/vmboot.json`` on the ISO says."""
    servers = [
        (number, each["address"], each["name"])
        for number, each in enumerate(manifest["servers"], start=1)
    ]
    bootstraps = [
        (firmware, each["file"], each["protocol"])
        for firmware, each in manifest["bootstrap"].items()
    ]
    loaders = [
        (part, each["kind"], each["version"], each["sha256"][:12])
        for part, each in manifest["loaders"].items()
    ]
    network = ", ".join(f"{key} {value}" for key, value in manifest["network"].items())
    return stack(
        table(("order", "boot server", "name"), servers, numbers=frozenset({0})),
        table(("firmware", "bootstrap", "protocol"), bootstraps) if bootstraps else None,
        facts(
            ("network", network),
            ("a dead server costs", f"{manifest['server_timeout']:g} s"),
            ("pause between rounds", f"{manifest['retry_pause']:g} s"),
            ("first server", "random" if manifest["random_start"] else "the first"),
        ),
        table(("program", "kind", "version", "sha256"), loaders) if loaders else None,
    )
