"""The package sources this machine is configured with, read as sources.list(5) describes.

Only what is needed to ask the same mirrors for another suite; apt itself fetches and verifies.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

ETC_APT = Path("/etc/apt")
MAX_BYTES = 1024 * 1024
_ONE_LINE = re.compile(r"deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<rest>\S.*)")


@dataclass(frozen=True)
class AptSource:
    """One ``deb`` entry.

    :param signed_by: keyring path, fingerprint or embedded key as configured; ``""`` for apt's own
    """

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str = ""

    def with_suites(self, suites: Iterable[str], *, signed_by: str | None = None) -> AptSource:
        """The same mirror and components for other suites."""
        keys = self.signed_by if signed_by is None else signed_by
        return replace(self, suites=tuple(suites), signed_by=keys)

    def deb822(self) -> str:
        """The entry as a stanza; options that weaken signature checks are not carried over."""
        lines = [
            "Types: deb",
            f"URIs: {' '.join(self.uris)}",
            f"Suites: {' '.join(self.suites)}",
            f"Components: {' '.join(self.components)}",
        ]
        if self.signed_by:
            lines.append(f"Signed-By: {self.signed_by}")
        return "\n".join(lines) + "\n"


def read_sources(etc: Path = ETC_APT) -> tuple[AptSource, ...]:
    """All enabled ``deb`` entries below ``etc``, in apt's order; unreadable files are skipped."""
    parts = etc / "sources.list.d"
    files = [etc / "sources.list", etc / "sources.list.sources"]
    files += sorted(parts.iterdir()) if parts.is_dir() else []
    found: list[AptSource] = []
    for path in files:
        text = _read(path)
        if path.suffix == ".list":
            found += parse_one_line(text)
        elif path.suffix == ".sources":
            found += parse_deb822(text)
    return tuple(found)


def parse_one_line(text: str) -> Iterator[AptSource]:
    """Entries of a ``.list`` file."""
    for line in text.splitlines():
        match = _ONE_LINE.fullmatch(line.partition("#")[0].strip())
        if not match or match["uri"].startswith("cdrom:"):
            continue
        suite, *components = match["rest"].split()
        options = dict(
            option.split("=", 1) for option in (match["options"] or "").split() if "=" in option
        )
        yield AptSource((match["uri"],), (suite,), tuple(components), options.get("signed-by", ""))


def parse_deb822(text: str) -> Iterator[AptSource]:
    """Entries of a ``.sources`` file."""
    for stanza in re.split(r"\n[ \t]*\n", _without_comments(text)):
        fields = dict(_fields(stanza))
        types, enabled = fields.get("types", "").split(), fields.get("enabled", "yes").lower()
        if "deb" not in types or enabled in {"no", "false", "0"}:
            continue
        uris, suites = fields.get("uris", "").split(), fields.get("suites", "").split()
        if uris and suites:
            components = tuple(fields.get("components", "").split())
            yield AptSource(tuple(uris), tuple(suites), components, fields.get("signed-by", ""))


def _without_comments(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("#"))


def _fields(stanza: str) -> Iterator[tuple[str, str]]:
    """Fields with continuation lines kept as they are (an embedded key needs them)."""
    for match in re.finditer(r"^([A-Za-z-]+):((?:.*)(?:\n[ \t].*)*)", stanza, re.MULTILINE):
        yield match[1].lower(), match[2].strip()


def _read(path: Path) -> str:
    try:
        return path.read_bytes()[:MAX_BYTES].decode("utf-8", "replace")
    except OSError:
        return ""
