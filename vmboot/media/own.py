"""Media of ours: read the scripts that really boot, and hold the manifest against them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from vmboot.errors import MediaError
from vmboot.media.scriptread import is_ours, parse
from vmboot.model import BootConfig, Firmware

MAX_MANIFEST = 256 * 1024
PATCHED = "isolinux_bin"  # its boot information table is written into it, so its digest changes


@dataclass(frozen=True)
class OwnMedia:
    """What media of ours say of themselves.

    :param config: from the script of the first firmware that has one
    :param problems: where manifest, scripts and loaders do not agree
    """

    manifest: Mapping[str, Any] | None
    config: BootConfig | None
    problems: tuple[str, ...]


def read_own(
    manifest: bytes | None, scripts: Mapping[Firmware, bytes], loaders: Mapping[str, str]
) -> OwnMedia:
    """Cross-check the parts of media of ours.

    :param scripts: the script that each firmware's loader will run
    :param loaders: SHA-256 by the name that the manifest gives the part
    """
    problems: list[str] = []
    document = _manifest(manifest, problems)
    configs = _configs(scripts, problems)
    if len({_comparable(config) for config in configs.values()}) > 1:
        problems.append("the BIOS and the UEFI side of the media carry different scripts")
    if document is not None:
        problems += _against(document, scripts, loaders)
    config = next(iter(configs.values()), None)
    return OwnMedia(document, config, tuple(problems))


def _manifest(raw: bytes | None, problems: list[str]) -> Mapping[str, Any] | None:
    if raw is None:
        problems.append("the manifest vmboot.json is missing")
        return None
    try:
        document = json.loads(raw) if len(raw) <= MAX_MANIFEST else None
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict) and document.get("made_by") == "vmboot":
        return document
    problems.append("the manifest vmboot.json is damaged")
    return None


def _configs(scripts: Mapping[Firmware, bytes], problems: list[str]) -> dict[Firmware, BootConfig]:
    found = {}
    for firmware, raw in scripts.items():
        text = raw.decode("ascii", "replace")
        try:
            found[firmware] = parse(text)
        except MediaError as error:
            where = "is not vmboot's" if not is_ours(text) else f"cannot be read: {error.message}"
            problems.append(f"the {firmware.name} script {where}")
    return found


def _comparable(config: BootConfig) -> str:
    return repr(replace(config, bootstrap=dict(sorted(config.bootstrap.items()))))


def _against(
    manifest: Mapping[str, Any], scripts: Mapping[Firmware, bytes], loaders: Mapping[str, str]
) -> Iterator[str]:
    for firmware, raw in scripts.items():
        if hashlib.sha256(raw).hexdigest() != manifest.get("script_sha256"):
            yield f"the {firmware.name} script is not the one that the manifest was written for"
    named = manifest.get("loaders")
    for part, about in (named if isinstance(named, dict) else {}).items():
        wanted = about.get("sha256") if isinstance(about, dict) else None
        if part != PATCHED and loaders.get(part) != wanted:
            found = "is not the one" if part in loaders else "is missing or damaged, the one"
            yield f"the loader {part} {found} that the manifest names"
