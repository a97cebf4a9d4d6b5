"""Loaders come from the machine's own mirrors, signatures checked, without root.

The mirror is a directory made here (``file:`` sources), signed with a key made here; apt itself
runs for real.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.unit.media.synthetic import PROGRAMS, ipxe_efi
from vmboot.errors import ConnectError, DeadlineError, MissingToolError, NotFoundError
from vmboot.events import Event
from vmboot.media.aptsources import AptSource
from vmboot.media.distro import Distro
from vmboot.media.fetch import (
    fetch_loaders,
    import_loaders,
    own_sources,
    signed_as_own,
    with_newer,
)
from vmboot.media.find import fetched_dir, find_loaders
from vmboot.media.loaders import select_loaders
from vmboot.model import Firmware

DEBIAN = Distro("debian", frozenset(), "bookworm")
TOOLS = ("apt-get", "dpkg-deb", "gpg")
NEW, OLD = "1.21.1+git20250501", "1.0.0+git-20190125"


@dataclass
class Mirror:
    """A signed package mirror in a directory, and the machine's /etc/apt that names it."""

    root: Path
    etc: Path
    home: Path

    def gpg(self, *arguments: str) -> bytes:
        command = ["gpg", "--homedir", str(self.home), "--batch", "--quiet", *arguments]
        return subprocess.run(command, check=True, capture_output=True).stdout

    def key(self, name: str) -> Path:
        """Make a signing key; its public half as a keyring file."""
        self.gpg("--passphrase", "", "--quick-gen-key", f"{name} <{name}@example.net>", "rsa2048")
        ring = self.root / f"{name}.gpg"
        ring.write_bytes(self.gpg("--export", f"{name}@example.net"))
        return ring

    def suite(self, name: str, signer: str, *packages: Path, origin: str = "Debian") -> None:
        index = b"".join(self._stanza(package) for package in packages)
        folder = self.root / "dists" / name / "main/binary-all"
        lines = []
        for arch in ("all", self.architecture):
            folder = self.root / "dists" / name / f"main/binary-{arch}"
            folder.mkdir(parents=True, exist_ok=True)
            for file, data in (("Packages", index), ("Packages.gz", gzip.compress(index, mtime=0))):
                (folder / file).write_bytes(data)
                digest = hashlib.sha256(data).hexdigest()
                lines.append(f" {digest} {len(data)} main/binary-{arch}/{file}")
        release = self.root / "dists" / name / "Release"
        release.write_text(
            f"Origin: {origin}\nSuite: {name}\nCodename: {name}\nComponents: main\n"
            f"Architectures: all {self.architecture}\nDate: Thu, 01 Jan 2026 00:00:00 UTC\n"
            "SHA256:\n" + "\n".join(lines) + "\n"
        )
        signed = release.with_name("InRelease")
        self.gpg(
            "--yes", "-u", f"{signer}@example.net", "--clearsign", "-o", str(signed), str(release)
        )

    @property
    def architecture(self) -> str:
        command = ["dpkg", "--print-architecture"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def package(self, name: str, version: str, files: dict[str, bytes]) -> Path:
        tree = self.root / "trees" / f"{name}_{version}"
        (tree / "DEBIAN").mkdir(parents=True)
        control = f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: x <x@y>\n"
        (tree / "DEBIAN/control").write_text(f"{control}Description: test\n")
        for path, data in files.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_bytes(data)
        deb = self.root / "pool" / f"{name}_{version}_all.deb"
        deb.parent.mkdir(exist_ok=True)
        command = ["dpkg-deb", "--root-owner-group", "--build", str(tree), str(deb)]
        subprocess.run(command, check=True, capture_output=True)
        return deb

    def ipxe(self, version: str, *, autoexec: bool = True) -> Path:
        files = {
            "usr/lib/ipxe/ipxe.efi": ipxe_efi(version, autoexec=autoexec),
            "usr/lib/ipxe/ipxe.lkrn": PROGRAMS["ipxe_lkrn"],
            "usr/share/doc/ipxe/README": b"text",
        }
        return self.package("ipxe", version, files)

    def configure(self, keyring: Path, suite: str = "bookworm") -> None:
        self.etc.mkdir(exist_ok=True)
        line = f"deb [signed-by={keyring}] file:{self.root} {suite} main\n"
        (self.etc / "sources.list").write_text(line)

    def _stanza(self, deb: Path) -> bytes:
        control = subprocess.run(
            ["dpkg-deb", "--field", str(deb)], check=True, capture_output=True, text=True
        ).stdout
        data = deb.read_bytes()
        place = f"Filename: pool/{deb.name}\nSize: {len(data)}\n"
        return f"{control}{place}SHA256: {hashlib.sha256(data).hexdigest()}\n\n".encode()


@pytest.fixture
def mirror(bare_machine: Path) -> Mirror:
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        pytest.skip(f"no {', '.join(missing)} here: the fetch is for Debian and Ubuntu")
    made = Mirror(bare_machine / "mirror", bare_machine / "etc", bare_machine / "gpg")
    made.root.mkdir()
    made.home.mkdir(mode=0o700)
    yield made
    subprocess.run(["gpgconf", "--homedir", str(made.home), "--kill", "all"], check=False)


def isolinux_packages(mirror: Mirror) -> list[Path]:
    return [
        mirror.package("isolinux", "6.04", {"usr/lib/isolinux.bin": PROGRAMS["isolinux_bin"]}),
        mirror.package("syslinux-common", "6.04", {"usr/lib/ldlinux.c32": PROGRAMS["ldlinux_c32"]}),
    ]


def test_the_newest_ipxe_of_the_mirror_is_fetched(mirror: Mirror) -> None:
    mirror.configure(mirror.key("now"))
    rest = isolinux_packages(mirror)
    mirror.suite("bookworm", "now", mirror.ipxe(OLD, autoexec=False), *rest)
    mirror.suite("stable", "now", mirror.ipxe(NEW))
    events: list[Event] = []
    fetched = fetch_loaders(sink=events.append, etc_apt=mirror.etc, distro=DEBIAN)
    assert {loader.name for loader in fetched} == {
        "ipxe.efi",
        "ipxe.lkrn",
        "isolinux.bin",
        "ldlinux.c32",
    }
    assert {loader.version for loader in fetched if loader.kind == "ipxe-efi"} == {NEW}
    assert [event.kind for event in events] == [
        "loaders.update",
        "loaders.download",
        "loaders.ready",
    ]
    assert select_loaders(list(Firmware)).loaders["ipxe_efi"].source == "cache"


def test_nothing_but_the_loaders_stays_in_the_cache(mirror: Mirror) -> None:
    mirror.configure(mirror.key("now"))
    mirror.suite("bookworm", "now", mirror.ipxe(NEW), *isolinux_packages(mirror))
    fetch_loaders(etc_apt=mirror.etc, distro=DEBIAN)
    assert [path.name for path in fetched_dir().parent.iterdir()] == ["loaders"]
    assert not list(fetched_dir().glob(".new-*"))


def test_fetching_twice_gives_the_same(mirror: Mirror) -> None:
    mirror.configure(mirror.key("now"))
    mirror.suite("bookworm", "now", mirror.ipxe(NEW), *isolinux_packages(mirror))
    first = fetch_loaders(etc_apt=mirror.etc, distro=DEBIAN)
    second = fetch_loaders(etc_apt=mirror.etc, distro=DEBIAN)
    assert {loader.sha256 for loader in second} <= {loader.sha256 for loader in first}
    assert len(find_loaders()) == len(first)


def test_a_newer_key_comes_from_the_keyring_package_of_the_trusted_suite(mirror: Mirror) -> None:
    mirror.configure(mirror.key("now"))
    later = mirror.key("later").read_bytes()
    keys = {
        "usr/share/keyrings/debian-archive-keyring.gpg": later
        + (mirror.root / "now.gpg").read_bytes()
    }
    ring = mirror.package("debian-archive-keyring", "2025.1", keys)
    mirror.suite(
        "bookworm", "now", mirror.ipxe(OLD, autoexec=False), ring, *isolinux_packages(mirror)
    )
    mirror.suite("stable", "later", mirror.ipxe(NEW))
    events: list[Event] = []
    fetched = fetch_loaders(sink=events.append, etc_apt=mirror.etc, distro=DEBIAN)
    assert "loaders.keyring" in [event.kind for event in events]
    assert {loader.version for loader in fetched if loader.kind == "ipxe-efi"} == {NEW}


def test_a_suite_signed_by_a_stranger_is_not_used(mirror: Mirror) -> None:
    mirror.configure(mirror.key("now"))
    mirror.key("stranger")
    mirror.suite("bookworm", "now", mirror.ipxe(OLD, autoexec=False), *isolinux_packages(mirror))
    mirror.suite("stable", "stranger", mirror.ipxe(NEW))
    fetched = fetch_loaders(etc_apt=mirror.etc, distro=DEBIAN)
    assert {loader.version for loader in fetched if loader.kind == "ipxe-efi"} == {OLD}


def test_a_mirror_with_a_bad_signature_only_is_refused(mirror: Mirror) -> None:
    mirror.configure(mirror.key("now"))
    mirror.key("stranger")
    mirror.suite("bookworm", "stranger", mirror.ipxe(NEW))
    with pytest.raises(ConnectError) as caught:
        fetch_loaders(etc_apt=mirror.etc, distro=DEBIAN)
    assert "NO_PUBKEY" in caught.value.message or "not signed" in caught.value.message
    assert not list(fetched_dir().glob("*"))


def test_a_package_changed_after_signing_is_refused(mirror: Mirror) -> None:
    mirror.configure(mirror.key("now"))
    deb = mirror.ipxe(NEW)
    mirror.suite("bookworm", "now", deb, *isolinux_packages(mirror))
    data = bytearray(deb.read_bytes())
    data[-20] ^= 1
    deb.write_bytes(data)
    with pytest.raises(ConnectError, match=r"(?i)hash|size|mismatch"):
        fetch_loaders(etc_apt=mirror.etc, distro=DEBIAN)


def test_a_mirror_that_is_away_is_named_with_the_reason(mirror: Mirror) -> None:
    mirror.configure(mirror.key("now"))
    shutil.rmtree(mirror.root / "dists", ignore_errors=True)
    with pytest.raises(ConnectError) as caught:
        fetch_loaders(etc_apt=mirror.etc, distro=DEBIAN)
    assert str(mirror.root) in caught.value.message


def test_no_configured_source_is_named(bare_machine: Path) -> None:
    with pytest.raises(NotFoundError, match="debian bookworm"):
        fetch_loaders(etc_apt=bare_machine, distro=DEBIAN)


def test_other_distributions_are_told_what_to_install(bare_machine: Path) -> None:
    with pytest.raises(MissingToolError) as caught:
        fetch_loaders(distro=Distro("fedora", frozenset(), ""))
    assert "not on fedora" in caught.value.message
    assert "dnf install" in caught.value.hint


def test_a_deadline_is_kept(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror.configure(mirror.key("now"))
    slow = mirror.root / "bin"
    slow.mkdir()
    (slow / "apt-get").write_text("#!/bin/sh\nexec sleep 30\n")
    (slow / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow}:{os.environ['PATH']}")
    with pytest.raises(DeadlineError, match="apt-get"):
        fetch_loaders(etc_apt=mirror.etc, distro=DEBIAN, seconds=1)


def test_only_the_distributions_own_suites_are_asked() -> None:
    sources = (
        AptSource(("http://other.example.net",), ("nodistro",), ("main",)),
        AptSource(("http://m.example.net",), ("bookworm", "bookworm-updates"), ("main",)),
        AptSource(("http://s.example.net",), ("bookworm-security",), ("main",)),
    )
    own = own_sources(sources, DEBIAN)
    assert [(each.uris, each.suites) for each in own] == [
        (("http://m.example.net",), ("bookworm",))
    ]
    assert [each.suites for each in with_newer(own, DEBIAN)] == [("bookworm",), ("stable",)]


def others(mirror: Mirror, origin: str, suite: str = "bookworm") -> Mirror:
    """Somebody else's repository, which names its suites as the distribution does."""
    other = Mirror(mirror.root.with_name("others"), mirror.etc, mirror.home)
    other.root.mkdir()
    other.suite(suite, "now", other.ipxe("9.9"), origin=origin)
    return other


def test_a_repository_that_only_has_the_distributions_names_is_never_its_own(
    mirror: Mirror,
) -> None:
    keyring = mirror.key("now")
    foreign = others(mirror, "grafana stable", "stable")
    mirror.configure(keyring)
    list_file = mirror.etc / "sources.list"
    own = list_file.read_text()
    list_file.write_text(f"deb [signed-by={keyring}] file:{foreign.root} stable main\n{own}")
    mirror.suite("bookworm", "now", mirror.ipxe(OLD, autoexec=False), *isolinux_packages(mirror))
    mirror.suite("stable", "now", mirror.ipxe(NEW))
    fetched = fetch_loaders(etc_apt=mirror.etc, distro=DEBIAN)
    assert {loader.version for loader in fetched if loader.kind == "ipxe-efi"} == {NEW}


def test_without_a_source_signed_as_the_distributions_own_nothing_is_fetched(
    mirror: Mirror,
) -> None:
    keyring = mirror.key("now")
    others(mirror, "HashiCorp").configure(keyring)
    with pytest.raises(NotFoundError, match="not signed as debian's own"):
        fetch_loaders(etc_apt=mirror.etc, distro=DEBIAN)
    assert not list(fetched_dir().glob("*"))


@pytest.mark.parametrize(
    ("distro", "origin", "is_own"),
    [
        (DEBIAN, "Debian", True),
        (DEBIAN, "HashiCorp", False),
        (DEBIAN, "", False),
        (Distro("linuxmint", frozenset({"ubuntu", "debian"}), "noble"), "Ubuntu", True),
        (Distro("raspbian", frozenset({"debian"}), "bookworm"), "Raspbian", True),
    ],
)
def test_the_origin_in_the_signed_release_file_tells(distro, origin, is_own) -> None:
    source = AptSource(("http://a.example.net/", "http://b.example.net"), ("bookworm",), ("main",))
    found = signed_as_own([source], distro, {("http://a.example.net", "bookworm"): origin})
    assert [each.uris for each in found] == ([("http://a.example.net/",)] if is_own else [])


def test_import_is_offered_beside_fetch() -> None:
    assert callable(import_loaders)
