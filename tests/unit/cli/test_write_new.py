import pytest

from vmboot.cli.files import write_new


def test_a_file_is_replaced_whole(tmp_path):
    file = tmp_path / "plan.json"
    file.write_text("old")
    write_new(file, b"new")
    assert file.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [file]


def test_the_mode_is_the_one_asked_for(tmp_path):
    write_new(tmp_path / "env", b"x", mode=0o600)
    assert (tmp_path / "env").stat().st_mode & 0o777 == 0o600


def test_when_it_cannot_be_written_nothing_is_left(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        write_new(tmp_path / "taken", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
