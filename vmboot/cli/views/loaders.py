"""What boot loaders there are, what each can and cannot do, and the cure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import RenderableType

from vmboot.cli.text import printable
from vmboot.cli.views.table import cell, heading, line, stack, table

if TYPE_CHECKING:
    from vmboot.media.find import Loader
    from vmboot.media.loaders import FirmwareReport, LoaderReport
    from vmboot.media.secure import SecureOption

_IPXE = ("ipxe-lkrn", "ipxe-efi", "ipxe-snponly-efi")
_WANTED = {"autoexec": "media", "vlan": "VLAN", "https": "HTTPS"}  # ability: what it is good for


def loaders_view(report: LoaderReport, secure: Sequence[SecureOption] = ()) -> RenderableType:
    """First whether media can be built, then every loader found.

    :param secure: the chains for machines with Secure Boot
    """
    return stack(
        *(_verdict(each) for each in report.firmwares),
        *(_verdict(each) for each in report.disks if not _like_iso(each, report)),
        *((_chains(secure),) if secure else ()),
        loaders_table(report.loaders) if report.loaders else line("No boot loader was found."),
    )


def _chains(secure: Sequence[SecureOption]) -> RenderableType:
    """Which chains machines with Secure Boot can have, and how to get the others."""
    ready = [each.chain.value for each in secure if each.ok]
    text = heading("Secure Boot media can be built as " if ready else "no media for Secure Boot")
    text.append(", ".join(ready), style="green")
    for each in secure:
        if not each.ok:
            text.append(f"\n{each.chain.value}: {printable(each.cure)}", style="not bold")
    return text


def _like_iso(disk: FirmwareReport, report: LoaderReport) -> bool:
    """Boot disks for this firmware are made of the same programs as boot ISOs."""
    return any(iso.firmware is disk.firmware and iso.uses == disk.uses for iso in report.firmwares)


def loaders_table(loaders: Sequence[Loader]) -> RenderableType:
    """A table for each folder, so that its long name is there once."""
    folders: dict[tuple[str, str], list[Loader]] = {}
    for each in loaders:
        folders.setdefault((str(Path(each.path).parent), each.source), []).append(each)
    return stack(*(_folder(*key, found) for key, found in folders.items()))


def _folder(folder: str, source: str, loaders: Sequence[Loader]) -> RenderableType:
    versions = sorted({each.version for each in loaders if each.version})
    rows = [
        (
            each.kind,
            each.arch,
            Path(each.path).name,
            _abilities(each),
            ", ".join(each.signers) or "nobody",
        )
        for each in loaders
    ]
    title = f"{folder} ({', '.join([source, *versions])})"
    headings = ("loader", "for", "file", "can", "signed by")
    return table(headings, rows, title=title, whole=frozenset({0, 1}))


def _abilities(loader: Loader) -> str:
    """``"VLAN, not HTTPS"``; only iPXE differs in what it can do."""
    if loader.kind not in _IPXE:
        return "-"
    wanted = {k: v for k, v in _WANTED.items() if k != "autoexec" or loader.kind != "ipxe-lkrn"}
    can = [word for ability, word in wanted.items() if ability in loader.capabilities]
    lacks = [
        f"not {word}" for ability, word in wanted.items() if ability not in loader.capabilities
    ]
    return ", ".join(can + lacks)


def _verdict(report: FirmwareReport) -> RenderableType:
    what = "boot disks" if report.medium == "bdm" else "media"
    if report.ready:
        text = heading(f"{report.firmware.name} {what} can be built with ")
        text.append(", ".join(printable(str(each.path)) for each in report.uses), style="green")
        return text
    text = cell(report.problem)
    text.stylize("red")
    text.append(f"\nhint: {printable(report.cure)}", style="not red")
    return text
