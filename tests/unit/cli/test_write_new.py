import errno
import resource
from pathlib import Path

import pytest

from vmboot.cli.files import check_new, write_new, write_once
from vmboot.errors import InputError, RefusedError


def test_a_file_is_replaced_whole(tmp_path):
    file = tmp_path / "plan.json"
    file.write_text("old")
    write_new(file, b"new")
    assert file.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [file]


def test_the_mode_is_the_one_asked_for(tmp_path):
    write_new(tmp_path / "env", b"x", mode=0o600)
    assert (tmp_path / "env").stat().st_mode & 0o777 == 0o600


def test_when_it_cannot_be_written_nothing_is_left(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(InputError) as caught:
        write_new(tmp_path / "plan.json", b"x")
    assert caught.value.message == f"cannot write {tmp_path}/plan.json: No space left on device"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("place", "why"),
    [("gone/plan.json", "there is no folder"), ("taken", "it is a folder")],
)
def test_a_place_that_will_not_do_is_named_as_it_was_given(tmp_path, place, why):
    (tmp_path / "taken").mkdir()
    with pytest.raises(InputError) as caught:
        check_new(tmp_path / place)
    assert caught.value.message.startswith(f"cannot write {tmp_path / place}: {why}")
    assert caught.value.hint


def test_a_file_that_is_there_is_not_replaced_by_other_content(tmp_path):
    (tmp_path / "b").write_bytes(b"old")
    with pytest.raises(RefusedError, match="is there already, with other content"):
        write_once({tmp_path / "a": b"new", tmp_path / "b": b"new"})
    assert [file.name for file in tmp_path.iterdir()] == ["b"], "none is written"
    assert (tmp_path / "b").read_bytes() == b"old"


def test_a_file_that_holds_the_same_already_is_left_alone(tmp_path):
    (tmp_path / "elsewhere").write_bytes(b"same")
    (tmp_path / "b").symlink_to(tmp_path / "elsewhere")
    for _ in range(2):
        write_once({tmp_path / "a": b"same", tmp_path / "b": b"same"})
    assert (tmp_path / "a").read_bytes() == b"same"
    assert (tmp_path / "b").is_symlink()


def test_a_link_that_leads_nowhere_is_not_replaced(tmp_path):
    (tmp_path / "a").symlink_to("gone")
    with pytest.raises(RefusedError):
        write_once({tmp_path / "a": b"new"})
    assert (tmp_path / "a").is_symlink()


@pytest.mark.parametrize("limit", [0, 1000])
def test_when_the_disk_is_full_no_half_is_left(tmp_path, limit):
    """A limit on the size of files fails as a full disk does."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(InputError, match=r"cannot write .*b: File too large"):
            write_once({tmp_path / "a": b"x" * limit, tmp_path / "b": b"x" * 10_000})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (_soft, hard))
    assert list(tmp_path.iterdir()) == []
