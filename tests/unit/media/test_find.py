"""Loaders are found in order of how much the user meant them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.media.synthetic import PROGRAMS, ipxe_efi, isolinux
from vmboot.errors import InputError
from vmboot.media import find
from vmboot.media.find import find_loaders, version_key


def put(folder: Path, **files: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name.replace("_", ".")).write_bytes(data)
    return folder


def test_a_bare_machine_has_none(bare_machine: Path) -> None:
    assert find_loaders() == ()


def test_given_comes_before_environment_imported_fetched_and_system(
    bare_machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = ("1.25.1+git5", "1.24.1+git4", "1.23.1+git3", "1.22.1+git2", "1.21.1+git1")
    places = ("given", "env", "data/vmboot/loaders/x", "cache/loaders/y", "system")
    folders = [
        put(bare_machine / place, ipxe_efi=ipxe_efi(version))
        for place, version in zip(places, reversed(versions), strict=True)
    ]
    monkeypatch.setenv("VMBOOT_LOADERS", str(folders[1]))
    monkeypatch.setattr(find, "SYSTEM_FILES", (str(folders[4] / "ipxe.efi").lstrip("/"),))
    found = find_loaders(dirs=[folders[0]])
    assert [loader.path.parent for loader in found] == folders
    assert [loader.source for loader in found] == ["given", "given", "imported", "cache", "system"]


def test_within_one_place_the_newest_comes_first(bare_machine: Path) -> None:
    for version in ("1.0.0+git-20190125", "2.0.0+git20260306", "1.21.1+git20250501"):
        put(bare_machine / "cache/loaders" / version, ipxe_efi=ipxe_efi(version))
    assert [loader.version[:3] for loader in find_loaders()] == ["2.0", "1.2", "1.0"]


def test_a_link_to_the_same_file_is_one_loader(bare_machine: Path) -> None:
    folder = put(bare_machine / "x", ipxe_efi=ipxe_efi())
    (folder / "other.efi").symlink_to(folder / "ipxe.efi")
    assert len(find_loaders(dirs=[folder])) == 1


def test_a_missing_directory_is_the_users_mistake(bare_machine: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        find_loaders(dirs=[bare_machine / "nowhere"])


def test_files_that_are_no_loaders_are_passed_over(bare_machine: Path) -> None:
    folder = put(bare_machine / "x", a_bin=b"text", b_efi=b"", isolinux_bin=isolinux())
    (folder / "dangling.efi").symlink_to("/nowhere")
    (folder / "folder.efi").mkdir()
    assert [loader.kind for loader in find_loaders(dirs=[folder])] == ["isolinux"]


def test_a_loader_is_json(bare_machine: Path) -> None:
    folder = put(bare_machine / "x", ipxe_lkrn=PROGRAMS["ipxe_lkrn"])
    (loader,) = find_loaders(dirs=[folder])
    document = loader.to_json()
    assert document["kind"] == "ipxe-lkrn"
    assert document["capabilities"] == ["vlan"]
    assert document["firmware"] == "bios"


def test_versions_sort_by_release_and_then_by_date() -> None:
    ordered = [
        "",
        "1.0.0+git-20190125.36a4c85-5.1",
        "1.21.1+git20220113.fbbdc3926-0ubuntu1",
        "1.21.1+git20250501.dad20602+dfsg-1",
        "2.0.0",
    ]
    backwards = ordered[::-1]
    assert sorted(backwards, key=version_key) == ordered
