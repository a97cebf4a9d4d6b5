"""The fleet document: what a person wishes, read from ``fleet.yml`` and never changed."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vmboot.errors import InputError, Place
from vmboot.fleet.specerrors import explain, refuse_early
from vmboot.fleet.specmodels import (
    BootstrapFile,
    BootstrapFiles,
    Document,
    Media,
    NetworkSection,
    Rollout,
    Server,
    Target,
    Vcenter,
)
from vmboot.fleet.specyaml import MAX_BYTES, WHERE_TO_START, Located, read_yaml
from vmboot.model import BootConfig, BootMethod, BootServer, Bootstrap, Firmware, Network

__all__ = ["Fleet", "json_schema", "load_fleet", "parse_fleet"]


@dataclass(frozen=True)
class Fleet:
    """A fleet document that has been checked.

    :param file: absolute path of the document
    :param sha256: hex digest of its bytes, for the journal
    :param snippet: iPXE commands of the user's own, read from their file if it is one
    """

    file: Path
    sha256: str
    vcenter: Vcenter
    boot_servers: tuple[Server, ...]
    bootstrap: BootstrapFiles
    network: NetworkSection
    media: Media
    targets: tuple[Target, ...]
    templates: tuple[Target, ...]
    rollout: Rollout
    snippet: str = ""
    located: Located = field(default_factory=lambda: Located(""), repr=False, compare=False)

    @property
    def uses_iso(self) -> bool:
        return any(entry.method is BootMethod.ISO for entry in self.targets + self.templates)

    @property
    def ca_file(self) -> Path | None:
        """``vcenter.ca_file``, resolved against the document's folder."""
        given = self.vcenter.ca_file
        return self.file.parent / Path(given).expanduser() if given else None

    def place(self, *path: str | int) -> Place:
        """Where a value stands in the document."""
        return self.located.place(path)

    def bootstraps(self) -> Mapping[Firmware, Bootstrap]:
        """The bootstrap of each firmware that has one."""
        given = {Firmware.BIOS: self.bootstrap.bios, Firmware.UEFI: self.bootstrap.uefi}
        return {firmware: _bootstrap(file) for firmware, file in given.items() if file}

    def boot_config(self) -> BootConfig:
        """What the boot ISO carries."""
        iso = self.media.iso
        return BootConfig(
            servers=tuple(BootServer(s.address, s.name) for s in self.boot_servers),
            bootstrap=self.bootstraps(),
            network=Network(**dict(self.network)),
            server_timeout=iso.server_timeout,
            retry_pause=iso.retry_pause,
            random_start=iso.random_start,
            snippet=self.snippet,
        )


def _bootstrap(file: BootstrapFile) -> Bootstrap:
    return Bootstrap(file.file.lstrip("/"), file.protocol, file.sha256)


def load_fleet(path: str | Path) -> Fleet:
    """Read and check a fleet document.

    :raises InputError: unreadable, or something in it cannot be meant; with file, line and column
    """
    file = Path(path)
    try:
        with file.open("rb") as stream:
            text = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(
            f"cannot read {file}: {error.strerror}",
            hint=WHERE_TO_START,
        ) from None
    return parse_fleet(text, file=file)


def parse_fleet(text: bytes, *, file: str | Path = "fleet.yml") -> Fleet:
    """The same for a document that is already in memory; ``file`` is what errors call it."""
    located = read_yaml(text, file=str(file))
    refuse_early(located)
    try:
        document = Document.model_validate(located.data)
    except ValidationError as error:
        raise explain(error, located) from None
    _check_whole(document, located)
    return Fleet(
        file=Path(file).absolute(),
        sha256=hashlib.sha256(text).hexdigest(),
        snippet=_snippet(document.media.iso.snippet, Path(file).parent, located),
        located=located,
        **{name: getattr(document, name) for name in Document.model_fields if name != "version"},
    )


def _check_whole(document: Document, located: Located) -> None:
    """What no single section can know."""
    entries = document.targets + document.templates
    if not entries:
        raise InputError(
            "the fleet has no machines",
            place=located.place(("targets",)),
            hint="add an entry such as '- {vms: \"/DC1/vm/PVS/**\", method: iso}' under targets",
        )
    if any(entry.method is BootMethod.ISO for entry in entries):
        _check_iso(document, located)
    twice = [a for a, n in Counter(s.address for s in document.boot_servers).items() if n > 1]
    if twice:
        raise InputError(
            f"boot server {twice[0]} is listed twice",
            place=located.place(("boot_servers",)),
            hint="a second entry only makes the failover slower",
        )


def _check_iso(document: Document, located: Located) -> None:
    if not document.boot_servers:
        raise InputError(
            "method iso needs boot_servers",
            place=located.place(("boot_servers",)),
            hint="add 'boot_servers: [{address: 10.0.0.11}]'",
        )
    if not (document.bootstrap.bios or document.bootstrap.uefi):
        raise InputError(
            "method iso needs a bootstrap for bios, uefi or both",
            place=located.place(("bootstrap",)),
            hint="add e.g. 'bootstrap: {bios: {file: ARDBP32.BIN}}'",
        )


def _snippet(given: str, folder: Path, located: Located) -> str:
    """The snippet itself: commands as they are, or the text of the file they name."""
    if not given or "\n" in given.strip() or " " in given.strip():
        return given
    file = folder / Path(given).expanduser()
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise InputError(
            f"media.iso.snippet: cannot read {file}: {why}",
            place=located.place(("media", "iso", "snippet")),
            hint="name a file beside this document, or write the commands after 'snippet: |'",
        ) from None


def json_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of a fleet document."""
    schema = Document.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "vmboot fleet document",
        **{key: value for key, value in schema.items() if key != "title"},
    }
