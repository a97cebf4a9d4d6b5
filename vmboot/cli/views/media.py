"""A boot ISO on the screen: what was built, or what a file holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.text import Text

from vmboot.cli.text import printable, size
from vmboot.cli.views.table import line, stack, table

if TYPE_CHECKING:
    from vmboot.media.inspection import Boots, Inspection


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
        table(("firmware", "bootstrap", "protocol"), bootstraps),
        facts(
            ("network", network),
            ("a dead server costs", f"{manifest['server_timeout']:g} s"),
            ("pause between rounds", f"{manifest['retry_pause']:g} s"),
            ("first server", "random" if manifest["random_start"] else "the first"),
        ),
        table(("program", "kind", "version", "sha256"), loaders) if loaders else None,
    )


def inspection_view(file: str, inspection: Inspection) -> RenderableType:
    """What an ISO holds: what it boots, entries, programs, servers or addresses, problems."""
    return stack(
        facts(
            ("file", file),
            ("size", size(inspection.size)),
            ("sha256", inspection.sha256),
            ("volume", inspection.volume_id),
            ("made by", inspection.made_by or "somebody else"),
            ("boots", _boots(inspection.boots)),
        ),
        _entries(inspection),
        _programs(inspection),
        _config(inspection),
        _addresses(inspection),
        _lines("problem", inspection.problems, "red"),
        _lines("note", inspection.notes, ""),
    )


def _boots(boots: Boots) -> str:
    names = ("BIOS", boots.bios), ("UEFI", boots.uefi), ("UEFI Secure Boot", boots.secure_boot)
    return ", ".join(name for name, does in names if does) or "nothing"


def _entries(inspection: Inspection) -> RenderableType:
    if not inspection.entries:
        return line("No El Torito boot catalog: no machine starts from this image.", "yellow")
    rows = [
        (each.platform, each.path or f"block {each.block}", size(each.size), each.media)
        for each in inspection.entries
    ]
    return table(("boots", "boot image", "size", "as"), rows, numbers=frozenset({2}))


def _programs(inspection: Inspection) -> RenderableType | None:
    rows = [
        (
            each.path,
            each.identity.kind,
            each.identity.version or "-",
            ", ".join(each.identity.signers) or "nobody",
        )
        for each in inspection.loaders
    ]
    return table(("program", "kind", "version", "signed by"), rows) if rows else None


def _config(inspection: Inspection) -> RenderableType | None:
    config = inspection.config
    if config is None:
        return None
    servers = [
        (number, each.address, each.name) for number, each in enumerate(config.servers, start=1)
    ]
    bootstraps = [
        (firmware.value, each.file, each.transport.value)
        for firmware, each in sorted(config.bootstrap.items())
    ]
    vlan = "" if config.network.vlan is None else f", VLAN {config.network.vlan}"
    address = "" if config.network.address is None else f" {config.network.address}"
    return stack(
        table(("order", "boot server", "name"), servers, numbers=frozenset({0})),
        table(("firmware", "bootstrap", "protocol"), bootstraps),
        facts(
            ("network", f"{config.network.mode.value}{address}{vlan}"),
            ("first server", "random" if config.random_start else "the first"),
        ),
    )


def _addresses(inspection: Inspection) -> RenderableType | None:
    rows = [(file, ", ".join(found)) for file, found in inspection.addresses.items()]
    return table(("config file", "addresses in it"), rows) if rows else None


def _lines(word: str, texts: Sequence[str], style: str) -> RenderableType | None:
    return line("\n".join(f"{word}: {text}" for text in texts), style) if texts else None
