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
    LoaderSection,
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
    :param snippets: iPXE commands of the user's own by method, read from their files if they are
        in one
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
    snippets: Mapping[BootMethod, str] = field(default_factory=dict)
    located: Located = field(default_factory=lambda: Located(""), repr=False, compare=False)

    @property
    def uses_iso(self) -> bool:
        return self.uses(BootMethod.ISO)

    def uses(self, method: BootMethod) -> bool:
        """True if some machines boot by ``method``."""
        return any(entry.method is method for entry in self.targets + self.templates)

    @property
    def builds(self) -> tuple[BootMethod, ...]:
        """The methods in use whose media vmboot builds, from boot servers and bootstraps."""
        sections = {BootMethod.ISO: self.media.iso, BootMethod.BDM: self.media.bdm}
        return tuple(m for m, section in sections.items() if self.uses(m) and not section.image)

    @property
    def ca_file(self) -> Path | None:
        """``vcenter.ca_file``, resolved against the document's folder."""
        given = self.vcenter.ca_file
        return self.file.parent / Path(given).expanduser() if given else None

    @property
    def certificate(self) -> Path | None:
        """``media.secure_boot.certificate``, resolved against the document's folder."""
        given = self.media.secure_boot.certificate
        return self.file.parent / Path(given).expanduser() if given else None

    def place(self, *path: str | int) -> Place:
        """Where a value stands in the document."""
        return self.located.place(path)

    def bootstraps(self) -> Mapping[Firmware, Bootstrap]:
        """The bootstrap of each firmware that has one."""
        given = {Firmware.BIOS: self.bootstrap.bios, Firmware.UEFI: self.bootstrap.uefi}
        return {firmware: _bootstrap(file) for firmware, file in given.items() if file}

    def boot_config(self, method: BootMethod = BootMethod.ISO) -> BootConfig:
        """What the media of ``method`` carry: the boot ISO, or the BDM disk."""
        bdm = self.media.bdm
        options: LoaderSection = bdm if method is BootMethod.BDM else self.media.iso
        return BootConfig(
            servers=tuple(BootServer(s.address, s.name) for s in self.boot_servers),
            bootstrap=self.bootstraps(),
            network=Network(**dict(self.network)),
            server_timeout=options.server_timeout,
            retry_pause=options.retry_pause,
            random_start=options.random_start,
            snippet=self.snippets.get(method, ""),
            work=method is BootMethod.BDM and bdm.pxe_on_disk,
        )

    def image(self, method: BootMethod) -> Path | None:
        """The site's own image for ``method``, resolved against the document's folder."""
        section: LoaderSection = self.media.bdm if method is BootMethod.BDM else self.media.iso
        return self.file.parent / Path(section.image).expanduser() if section.image else None


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
        snippets={
            method: _snippet(section.snippet, method, Path(file).parent, located)
            for method, section in _sections(document).items()
        },
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
    for method, section in _sections(document).items():
        if any(entry.method is method for entry in entries) and not section.image:
            _check_built(document, method, located)
    twice = [a for a, n in Counter(s.address for s in document.boot_servers).items() if n > 1]
    if twice:
        raise InputError(
            f"boot server {twice[0]} is listed twice",
            place=located.place(("boot_servers",)),
            hint="a second entry only makes the failover slower",
        )


def _sections(document: Document) -> Mapping[BootMethod, LoaderSection]:
    """The methods that boot from media, and where the document speaks of those."""
    return {BootMethod.ISO: document.media.iso, BootMethod.BDM: document.media.bdm}


def _check_built(document: Document, method: BootMethod, located: Located) -> None:
    """What media need that vmboot builds itself."""
    if not document.boot_servers:
        raise InputError(
            f"method {method} needs boot_servers",
            place=located.place(("boot_servers",)),
            hint="add 'boot_servers: [{address: 10.0.0.11}]'",
        )
    asks_for_work = method is BootMethod.BDM and document.media.bdm.pxe_on_disk
    if not (document.bootstrap.bios or document.bootstrap.uefi or asks_for_work):
        raise InputError(
            f"method {method} needs a bootstrap for bios, uefi or both",
            place=located.place(("bootstrap",)),
            hint="add e.g. 'bootstrap: {bios: {file: ARDBP32.BIN}}'",
        )


def _snippet(given: str, method: BootMethod, folder: Path, located: Located) -> str:
    """The snippet itself: commands as they are, or the text of the file they name."""
    if not given or "\n" in given.strip() or " " in given.strip():
        return given
    file = folder / Path(given).expanduser()
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise InputError(
            f"media.{method}.snippet: cannot read {file}: {why}",
            place=located.place(("media", method.value, "snippet")),
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
