"""Get newer loaders from the distribution itself, without root.

Debian 12's iPXE cannot boot UEFI media, Debian 13's can, and its package holds nothing but files
for target machines. So the mirrors that this machine already trusts are asked for their newest
suite, in a private apt (:mod:`vmboot.media.apt`), and the files go into the cache.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

from vmboot.clock import Deadline
from vmboot.dirs import cache_dir, private_dir
from vmboot.errors import ConnectError, MissingToolError, NotFoundError, VmbootError
from vmboot.events import Event, Sink, ignore
from vmboot.media.apt import PrivateApt, private_apt
from vmboot.media.aptsources import ETC_APT, AptSource, read_sources
from vmboot.media.distro import Distro, read_distro
from vmboot.media.find import Loader, fetched_dir, find_loaders, load
from vmboot.media.imported import import_loaders
from vmboot.media.store import store

__all__ = ["fetch_loaders", "import_loaders"]

SECONDS = 300.0  # about 25 MB of package lists over a slow line
# Suites newer than an old release; apt picks the highest version among those that exist.
NEWER = {"debian": ("stable",), "ubuntu": ("noble", "resolute")}
# package, and the file in it without its suffix
KEYRINGS = {
    "debian": ("debian-archive-keyring", "debian-archive-keyring"),
    "ubuntu": ("ubuntu-keyring", "ubuntu-archive-keyring"),
}
ALIASES = ("stable", "oldstable", "testing", "unstable", "sid")


def fetch_loaders(
    *,
    sink: Sink = ignore,
    seconds: float = SECONDS,
    etc_apt: Path = ETC_APT,
    distro: Distro | None = None,
) -> tuple[Loader, ...]:
    """Fetch the distribution's newest iPXE, and isolinux where it is missing, into the cache.

    :param seconds: deadline for the whole fetch
    :param etc_apt: where this machine's package sources are configured
    :returns: the loaders now in the cache that came from this fetch
    :raises MissingToolError: not a Debian-like system; the hint names what to install
    :raises NotFoundError: no package source of the distribution is configured
    :raises ConnectError: the mirrors do not answer, or a signature does not hold
    :raises DeadlineError: it took longer than ``seconds``
    """
    here = distro or read_distro()
    if not here.has_apt:
        name = here.id or "this system"
        raise MissingToolError(
            f"loaders can be fetched on Debian and Ubuntu only, not on {name}",
            hint=here.install_hint,
        )
    named = own_sources(read_sources(etc_apt), here)
    with tempfile.TemporaryDirectory(prefix="apt-", dir=private_dir(cache_dir())) as root:
        apt = private_apt(Path(root), Deadline.after(seconds))
        complaints = _update(apt, named, here, sink)
        packages = _download(apt, _wanted(), complaints, sink)
        loaders = tuple(loader for package in packages for loader in _keep(apt, package))
    sink(Event("loaders.ready", f"{len(loaders)} loaders are in {fetched_dir()}"))
    return loaders


def own_sources(sources: Iterable[AptSource], distro: Distro) -> tuple[AptSource, ...]:
    """The configured entries that are named like the distribution's own release.

    Others use these names, too: which are its own, :func:`signed_as_own` tells.

    :raises NotFoundError: there are none
    """
    names = {distro.codename, *ALIASES} if distro.id == "debian" else {distro.codename}
    own = []
    for source in sources:
        suites = [suite for suite in source.suites if suite in names]
        if suites and "main" in source.components:
            own.append(source.with_suites(suites))
    if not own:
        raise NotFoundError(
            f"no package source of {distro.id} {distro.codename} is configured in /etc/apt",
            hint="configure one, or use: vmboot loaders import FILE",
        )
    return tuple(own)


def signed_as_own(
    sources: Iterable[AptSource], distro: Distro, origins: Mapping[tuple[str, str], str]
) -> tuple[AptSource, ...]:
    """Those of ``sources`` whose signed Release file names the distribution, or one it is like.

    :param origins: see :meth:`vmboot.media.apt.PrivateApt.origins`
    """
    names = {distro.id, *distro.like}
    return tuple(
        replace(source, uris=(uri,), suites=(suite,))
        for source in sources
        for uri, suite in product(source.uris, source.suites)
        if origins.get((uri.rstrip("/"), suite), "").lower() in names
    )


def with_newer(
    own: Sequence[AptSource], distro: Distro, *, signed_by: str | None = None
) -> tuple[AptSource, ...]:
    """``own`` and, from the first mirror of them, the suites that may hold something newer."""
    family = _family(distro)
    suites = [suite for suite in NEWER[family] if suite not in own[0].suites]
    newer = [own[0].with_suites([suite], signed_by=signed_by) for suite in suites]
    return (*own, *newer)


def _family(distro: Distro) -> str:
    return "ubuntu" if "ubuntu" in {distro.id, *distro.like} else "debian"


def _update(apt: PrivateApt, named: Sequence[AptSource], distro: Distro, sink: Sink) -> str:
    mirrors = ", ".join(sorted({uri for source in named for uri in source.uris}))
    sink(Event("loaders.update", f"reading the package lists of {mirrors}"))
    complaints = apt.update(named)
    own = signed_as_own(named, distro, apt.origins())
    if not own:
        raise _nothing_own(mirrors, complaints, distro)
    complaints = apt.update(with_newer(own, distro))
    if "NO_PUBKEY" not in complaints and "not signed" not in complaints:
        return complaints
    sink(Event("loaders.keyring", "the newer suite has a newer key: fetching the keyring"))
    try:
        keyring = _newer_keyring(apt, distro)
    except ConnectError as error:
        return f"{complaints}\n{error.message}"
    return apt.update(with_newer(own, distro, signed_by=str(keyring)))


def _nothing_own(mirrors: str, complaints: str, distro: Distro) -> VmbootError:
    if complaints:
        return ConnectError(
            f"no package list of {mirrors} could be read: {'; '.join(complaints.splitlines())}",
            hint="check the package sources in /etc/apt and the network",
        )
    return NotFoundError(
        f"{mirrors}: named {distro.codename}, but not signed as {distro.id}'s own",
        hint="configure a package source of the distribution, or use: vmboot loaders import FILE",
    )


def _newer_keyring(apt: PrivateApt, distro: Distro) -> Path:
    """The keyring of the current, already trusted suite, which may know the newer suite's key."""
    package, stem = KEYRINGS[_family(distro)]
    (deb,) = apt.download([package])
    folder = apt.unpack(deb) / "usr/share/keyrings"
    for name in (f"{stem}.pgp", f"{stem}.gpg"):
        if (folder / name).is_file():
            return folder / name
    raise ConnectError(f"{deb.name} holds no keyring")


def _wanted() -> list[str]:
    kinds = {loader.kind for loader in find_loaders()}
    isolinux = [] if "isolinux" in kinds else ["isolinux"]
    ldlinux = [] if "ldlinux" in kinds else ["syslinux-common"]
    return ["ipxe", *isolinux, *ldlinux]


def _download(
    apt: PrivateApt, packages: Sequence[str], complaints: str, sink: Sink
) -> tuple[Path, ...]:
    sink(Event("loaders.download", f"downloading {', '.join(packages)}"))
    try:
        return apt.download(packages)
    except ConnectError as error:
        if not complaints:
            raise
        raise ConnectError(
            f"{error.message}; before that: {'; '.join(complaints.splitlines())}", hint=error.hint
        ) from error


def _keep(apt: PrivateApt, package: Path) -> tuple[Loader, ...]:
    """Copy the loaders of one package into the cache, in a directory of its own."""
    found: dict[str, bytes] = {}
    for path in sorted(apt.unpack(package).rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        loader = load(path, source="cache")
        if loader is not None:
            found[path.name] = path.read_bytes()
    kept = store(fetched_dir(), package.stem, found)
    return tuple(loader for path in kept if (loader := load(path, source="cache")))
