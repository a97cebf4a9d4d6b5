"""A directory of loaders appears whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmboot.errors import MediaError
from vmboot.media.store import store


def test_files_are_there_and_nothing_is_left_over(tmp_path: Path) -> None:
    paths = store(tmp_path / "p", "ipxe_1.0", {"a": b"1", "b": b"2"})
    assert [path.read_bytes() for path in paths] == [b"1", b"2"]
    assert [path.name for path in (tmp_path / "p").iterdir()] == ["ipxe_1.0"]


def test_an_earlier_one_is_replaced_whole(tmp_path: Path) -> None:
    store(tmp_path, "x", {"old": b"1"})
    store(tmp_path, "x", {"new": b"2"})
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["new"]


@pytest.mark.parametrize("name", ["../up", "/abs", "a/b"])
def test_a_name_cannot_leave_the_directory(tmp_path: Path, name: str) -> None:
    (path,) = store(tmp_path / "p", name, {"a": b"1"})
    assert path.parent.parent == tmp_path / "p"


def test_nothing_to_store_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no boot program"):
        store(tmp_path, "x", {})


def test_a_directory_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("a file in the way")
    with pytest.raises(MediaError, match="cannot be written"):
        store(tmp_path, "x", {"a": b"1"})
    assert [path.name for path in tmp_path.iterdir()] == ["x"], "no half of it is left"
