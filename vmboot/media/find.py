"""The boot programs on this machine: find them, say what they can do, choose those for media.

vmboot ships none (licences, freshness). It looks, in this order, in directories given by the
caller, in ``$VMBOOT_LOADERS``, among what a person imported, in the cache that ``vmboot loaders
fetch`` fills, and where Debian, Ubuntu and Fedora install them.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from vmboot.dirs import cache_dir, data_dir, trusted
from vmboot.errors import InputError, MediaError
from vmboot.media.distro import SYSTEM_FILES
from vmboot.media.identify import Identity, identify
from vmboot.model import Firmware

Source = Literal["given", "imported", "cache", "system"]

ENVIRONMENT = "VMBOOT_LOADERS"
MAX_LOADER = 16 * 1024 * 1024  # the largest known, a GRUB with all modules, has 4 MiB
MAX_FILES = 2000  # looked at in one directory tree
_KNOWN: dict[bytes, Identity | None] = {}  # by digest: distributions have the same file twice
_CANDIDATE = re.compile(r".*\.(efi|efi\.signed|lkrn|bin|c32)", re.IGNORECASE)


@dataclass(frozen=True)
class Loader:
    """One boot program file on this machine.

    :param kind: see :class:`vmboot.media.identify.Identity`
    :param version: as the program itself says, ``""`` when it does not
    :param capabilities: e.g. ``{"autoexec", "vlan", "https"}``
    :param signers: common names of the certificates that signed it, empty when unsigned
    :param authorities: common names of their issuers
    :param source: where it was found: ``given``, ``imported``, ``cache`` or ``system``
    :param fingerprints: SHA-256 of the certificates that signed it
    """

    name: str
    path: Path
    kind: str
    firmware: Firmware
    arch: str
    version: str
    capabilities: frozenset[str]
    signers: tuple[str, ...]
    authorities: tuple[str, ...]
    sha256: str
    size: int
    source: Source
    fingerprints: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The loader as a JSON object with stable keys."""
        return {
            "name": self.name,
            "path": str(self.path),
            "kind": self.kind,
            "firmware": self.firmware.value,
            "arch": self.arch,
            "version": self.version,
            "capabilities": sorted(self.capabilities),
            "signers": list(self.signers),
            "authorities": list(self.authorities),
            "fingerprints": list(self.fingerprints),
            "sha256": self.sha256,
            "size": self.size,
            "source": self.source,
        }


def imported_dir() -> Path:
    """Where :func:`vmboot.media.imported.import_loaders` puts files."""
    return data_dir() / "loaders"


def fetched_dir() -> Path:
    """Where :func:`vmboot.media.fetch.fetch_loaders` puts files."""
    return cache_dir() / "loaders"


def find_loaders(*, dirs: Sequence[str | Path] = ()) -> tuple[Loader, ...]:
    """Every boot program found, in search order; within one place the newest version first.

    :param dirs: directories to search before all others, with their subdirectories
    :raises InputError: a given directory, or one in ``$VMBOOT_LOADERS``, does not exist
    :raises RefusedError: others can write where imported or fetched ones are kept
    """
    places: list[tuple[Source, Iterable[Path]]] = [("given", _tree(path)) for path in _given(dirs)]
    places += [("imported", _tree(trusted(imported_dir())))]
    places += [("cache", _tree(trusted(fetched_dir())))]
    places += [("system", (Path("/", name) for name in SYSTEM_FILES))]
    found: dict[Path, Loader] = {}
    for source, paths in places:
        here = [loader for path in paths if (loader := load(path, source=source))]
        for loader in sorted(here, key=lambda each: version_key(each.version), reverse=True):
            found.setdefault(loader.path.resolve(), loader)
    return tuple(found.values())


def load(path: Path, *, source: Source) -> Loader | None:
    """The loader in the file ``path``; ``None`` when there is none, or none that vmboot knows."""
    try:
        status = path.stat()
    except OSError:
        return None
    if not 0 < status.st_size <= MAX_LOADER or not path.is_file():
        return None
    identity = _identify_file(path, status.st_size, status.st_mtime_ns)
    return _loader(path, identity, source) if identity else None


def version_key(version: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Sort key: the release number first, then every other number, e.g. the date of a snapshot."""
    release, _, rest = version.partition("+")
    return _numbers(release), _numbers(rest)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(digits[:18]) for digits in re.findall(r"(?<![a-f])[0-9]+(?![a-f])", text))


def _given(dirs: Sequence[str | Path]) -> list[Path]:
    named = [part for part in os.environ.get(ENVIRONMENT, "").split(os.pathsep) if part]
    paths = [Path(each) for each in (*dirs, *named)]
    for path in paths:
        if not path.is_dir():
            raise InputError(
                f"the loader directory {path} does not exist",
                hint=f"check the option and ${ENVIRONMENT}",
            )
    return paths


def _tree(top: Path) -> Iterator[Path]:
    """Candidate files below ``top`` in a fixed order, not following links to directories."""
    seen = 0
    for folder, folders, names in os.walk(top):
        folders.sort()
        for name in sorted(names):
            seen += 1
            if seen > MAX_FILES:
                return
            if _CANDIDATE.fullmatch(name):
                yield Path(folder, name)


@lru_cache(maxsize=256)
def _identify_file(path: Path, _size: int, _mtime: int) -> Identity | None:
    try:
        data = path.read_bytes()
        digest = hashlib.sha256(data).digest()
        if digest not in _KNOWN:
            _KNOWN[digest] = identify(data)
    except (OSError, MediaError):
        return None
    return _KNOWN[digest]


def _loader(path: Path, identity: Identity, source: Source) -> Loader:
    return Loader(
        name=path.name,
        path=path,
        kind=identity.kind,
        firmware=identity.firmware,
        arch=identity.arch,
        version=identity.version,
        capabilities=identity.capabilities,
        signers=identity.signers,
        authorities=identity.authorities,
        sha256=identity.sha256,
        size=identity.size,
        source=source,
        fingerprints=identity.fingerprints,
    )
