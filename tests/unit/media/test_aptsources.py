"""sources.list and deb822 files say which mirrors this machine trusts."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from vmboot.media.aptsources import AptSource, parse_deb822, parse_one_line, read_sources

ONE_LINE = """\
# a comment
deb http://mirror.example.net/debian bookworm main contrib # trailing
deb [arch=amd64 signed-by=/usr/share/keyrings/k.gpg trusted=yes] https://m.example.net bookworm main
deb-src http://mirror.example.net/debian bookworm main
deb cdrom:[Debian]/ bookworm main
deb file:/srv/mirror ./
"""
DEB822 = """\
# first
Types: deb deb-src
URIs: http://a.example.net/debian http://b.example.net/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Enabled: no
Types: deb
URIs: http://off.example.net/debian
Suites: bookworm
Components: main

Types: deb-src
URIs: http://src.example.net/debian
Suites: bookworm
Components: main

Types: deb
URIs: http://c.example.net/debian
Suites: trixie
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mDMEabc
 -----END PGP PUBLIC KEY BLOCK-----
"""


def test_one_line_entries_are_read() -> None:
    assert list(parse_one_line(ONE_LINE)) == [
        AptSource(("http://mirror.example.net/debian",), ("bookworm",), ("main", "contrib")),
        AptSource(
            ("https://m.example.net",), ("bookworm",), ("main",), "/usr/share/keyrings/k.gpg"
        ),
        AptSource(("file:/srv/mirror",), ("./",), ()),
    ]


def test_stanzas_are_read_and_disabled_ones_left_out() -> None:
    first, second = parse_deb822(DEB822)
    assert first.uris == ("http://a.example.net/debian", "http://b.example.net/debian")
    assert first.suites == ("bookworm", "bookworm-updates")
    assert second.uris == ("http://c.example.net/debian",)


def test_an_embedded_key_is_kept_as_it_is() -> None:
    _, second = parse_deb822(DEB822)
    assert second.signed_by.startswith("-----BEGIN")
    (again,) = parse_deb822(second.deb822())
    assert again == second


def test_trusted_is_never_carried_over() -> None:
    _, source, _ = parse_one_line(ONE_LINE)
    assert "rusted" not in source.deb822()


def test_another_suite_of_the_same_mirror() -> None:
    source = AptSource(("http://m.example.net",), ("bookworm",), ("main",), "/a.gpg")
    newer = source.with_suites(["stable"], signed_by="/b.gpg")
    assert newer.deb822().splitlines() == [
        "Types: deb",
        "URIs: http://m.example.net",
        "Suites: stable",
        "Components: main",
        "Signed-By: /b.gpg",
    ]


def test_all_files_are_read_in_order_and_strange_ones_skipped(tmp_path: Path) -> None:
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (tmp_path / "sources.list").write_text("deb http://one.example.net x main\n")
    (parts / "b.sources").write_text(DEB822)
    (parts / "a.list").write_text("deb http://two.example.net x main\n")
    (parts / "off.list.disabled").write_text("deb http://off.example.net x main\n")
    (parts / "binary.list").write_bytes(b"\xff\xfe\0deb")
    hosts = [source.uris[0].split("/")[2] for source in read_sources(tmp_path)]
    assert hosts == ["one.example.net", "two.example.net", "a.example.net", "c.example.net"]


def test_no_configuration_is_no_sources(tmp_path: Path) -> None:
    assert read_sources(tmp_path / "none") == ()


@given(st.text(max_size=400))
def test_any_text_is_read(text: str) -> None:
    list(parse_one_line(text))
    list(parse_deb822(text))
