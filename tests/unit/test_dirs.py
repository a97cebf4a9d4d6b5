"""Where vmboot keeps its files, and that nobody else can put any there."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from vmboot.dirs import cache_dir, data_dir, private_dir, state_dir, trusted
from vmboot.errors import RefusedError
from vmboot.fleet.lock import run_lock
from vmboot.fleet.runs import list_runs
from vmboot.lab.state import status
from vmboot.media.find import fetched_dir, find_loaders, imported_dir
from vmboot.vsphere.files import FileInfo
from vmboot.vsphere.hashcache import HashCache
from vmboot.vsphere.placement import DatastoreChoice


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VMBOOT_STATE", str(tmp_path / "s" / "vmboot"))
    monkeypatch.setenv("VMBOOT_CACHE", str(tmp_path / "c" / "vmboot"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "d"))
    monkeypatch.delenv("VMBOOT_LOADERS", raising=False)


@pytest.fixture(params=[0, 0o022, 0o777], ids=["000", "022", "777"])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_every_level_made_is_for_its_owner_only(umask: None, tmp_path: Path):
    private_dir(state_dir() / "rehearsals" / "one")
    made = [tmp_path / "s", state_dir(), state_dir() / "rehearsals", state_dir() / "rehearsals/one"]
    assert [oct(mode(path)) for path in made] == ["0o700"] * 4


def test_a_directory_that_is_there_keeps_its_mode(tmp_path: Path):
    state_dir().mkdir(parents=True, mode=0o755)
    before = mode(state_dir())
    private_dir(state_dir() / "runs")
    assert mode(state_dir()) == before


@pytest.mark.parametrize("extra", [0o020, 0o002])
@pytest.mark.parametrize("level", ["", "runs"])
def test_a_directory_that_others_can_write_is_refused(extra: int, level: str):
    private_dir(state_dir() / "runs")
    (state_dir() / level).chmod(0o700 | extra)
    with pytest.raises(RefusedError, match="can be written by others") as caught:
        private_dir(state_dir() / "runs")
    assert f"chmod go-w {state_dir() / level}" in (caught.value.hint or "")


def test_a_directory_of_another_user_is_refused(monkeypatch: pytest.MonkeyPatch):
    private_dir(state_dir())
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(RefusedError, match="belongs to another user") as caught:
        trusted(state_dir())
    assert "VMBOOT_STATE" in (caught.value.hint or "")


def test_a_file_in_the_place_of_a_directory_is_refused(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(RefusedError, match="is no directory"):
        private_dir(tmp_path / "file")


def test_what_is_not_there_yet_is_trusted():
    assert trusted(state_dir() / "runs") == state_dir() / "runs"


def _hash() -> object:
    session = SimpleNamespace(about=SimpleNamespace(uuid="u-1", identity="u-1"), host="vc")
    datastore = DatastoreChoice("shared-01", "datastore-1", "/DC1", "datacenter-1")
    return HashCache().get(session, datastore, FileInfo("x.iso", 5, "2026-11-21T10:00:00Z"))


def _lock() -> object:
    with run_lock("vc", "/fleet.yml"):
        return None


READERS: list[tuple[Callable[[], Path], Callable[[], object]]] = [
    (lambda: state_dir() / "runs", list_runs),
    (lambda: state_dir() / "locks", _lock),
    (lambda: state_dir() / "lab", status),
    (state_dir, _hash),
    (fetched_dir, find_loaders),
    (imported_dir, find_loaders),
    (cache_dir, find_loaders),
    (data_dir, find_loaders),
]


@pytest.mark.parametrize(
    ("place", "read"),
    READERS,
    ids=["journals", "locks", "lab", "hashes", "fetched", "imported", "cache", "data"],
)
def test_nothing_is_believed_that_others_could_have_put_there(place, read):
    path = place()
    path.mkdir(parents=True, mode=0o700)
    read()
    path.chmod(0o777)
    with pytest.raises(RefusedError, match="can be written by others"):
        read()


def test_a_hash_is_remembered_in_a_file_of_ones_own(umask: None):
    session = SimpleNamespace(about=SimpleNamespace(uuid="u-1", identity="u-1"), host="vc")
    datastore = DatastoreChoice("shared-01", "datastore-1", "/DC1", "datacenter-1")
    HashCache().put(session, datastore, FileInfo("x.iso", 5, "2026-11-21T10:00:00Z"), "abc")
    (file,) = state_dir().iterdir()
    assert mode(file) & 0o077 == 0


def test_a_folder_that_cannot_be_made_is_refused_with_the_variable_to_set(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RefusedError, match="cannot be made") as caught:
        private_dir(tmp_path / "file" / "state")
    assert "VMBOOT_STATE" in str(caught.value.hint)
