"""Uploads: whole or not at all, never twice, never over something else."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.lab.vsphere_lab import session_on, shared
from vmboot.errors import AuthError, ConnectError, NotFoundError, RefusedError, RemoteError
from vmboot.events import Event
from vmboot.lab import Vcenter
from vmboot.vsphere.hashcache import HashCache
from vmboot.vsphere.placement import DatastoreChoice
from vmboot.vsphere.session import Session
from vmboot.vsphere.transfer import (
    delete,
    list_folder,
    make_directory,
    parts_of,
    read_bytes,
    sha256_of,
    stat,
    upload,
)

pytestmark = pytest.mark.lab
DATA = bytes(range(256)) * 12_000
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def session(lab: Vcenter) -> Iterator[Session]:
    with session_on(lab) as opened:
        yield opened
    lab.clear_faults()


@pytest.fixture
def datastore(session: Session) -> DatastoreChoice:
    return shared(session)


@pytest.fixture
def path(request: pytest.FixtureRequest) -> str:
    """A folder of its own for each test."""
    return f"{hashlib.sha256(request.node.name.encode()).hexdigest()[:12]}/boot.iso"


def send(session: Session, datastore: DatastoreChoice, path: str, **options) -> bool:
    return upload(
        session, datastore=datastore, path=path, **{"data": DATA, "sha256": SHA256, **options}
    )


def folder_of(session: Session, datastore: DatastoreChoice, path: str) -> list[str]:
    files = list_folder(session, datastore=datastore, folder=path.rpartition("/")[0])
    return [file.path for file in files]


def test_what_was_sent_is_there(session: Session, datastore: DatastoreChoice, path: str):
    assert send(session, datastore, path)

    info = stat(session, datastore=datastore, path=path)
    assert info is not None
    assert info.size == len(DATA)
    assert read_bytes(session, datastore=datastore, path=path) == DATA
    assert folder_of(session, datastore, path) == [path]


def test_a_second_time_nothing_is_sent(
    session: Session, datastore: DatastoreChoice, path: str, lab: Vcenter
):
    send(session, datastore, path)
    lab.reset_counters()

    assert not send(session, datastore, path)
    assert lab.counters().total_writes == 0
    assert lab.counters().folder_puts == 0


def test_with_a_cache_it_is_not_even_read_again(
    session: Session, datastore: DatastoreChoice, path: str, lab: Vcenter
):
    cache = HashCache()
    send(session, datastore, path, cache=cache)
    send(session, datastore, path, cache=cache)
    lab.reset_counters()

    assert not send(session, datastore, path, cache=cache)
    assert "FolderGET" not in lab.counters().calls


@pytest.mark.parametrize("other", [b"x" * len(DATA), b"shorter"], ids=["other bytes", "other size"])
def test_another_file_of_that_name_is_never_overwritten(
    session: Session, datastore: DatastoreChoice, path: str, other: bytes
):
    send(session, datastore, path, data=other, sha256=hashlib.sha256(other).hexdigest())
    with pytest.raises(RefusedError, match="another file"):
        send(session, datastore, path)

    assert read_bytes(session, datastore=datastore, path=path) == other


def test_a_file_on_disk_is_sent_in_constant_memory(
    session: Session, datastore: DatastoreChoice, path: str, tmp_path: Path
):
    file = tmp_path / "big.iso"
    with file.open("wb") as out:
        for _ in range(48):
            out.write(DATA[: 1 << 20])
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    events: list[Event] = []
    tracemalloc.start()
    send(session, datastore, path, data=file, sha256=digest, sink=events.append)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 8 << 20
    progress = [e.data["bytes"] for e in events if e.kind == "upload.progress"]
    assert progress == sorted(progress)
    assert progress[-1] == file.stat().st_size


def test_a_truncated_upload_is_noticed_and_removed(
    session: Session, datastore: DatastoreChoice, path: str, lab: Vcenter
):
    lab.fault("truncate-upload", method="FolderPUT")
    with pytest.raises(RemoteError, match="did not arrive whole") as broken:
        send(session, datastore, path)

    assert broken.value.fault == "Corrupted"
    assert folder_of(session, datastore, path) == []


def test_a_full_datastore_is_named_and_nothing_is_left(
    session: Session, datastore: DatastoreChoice, path: str, lab: Vcenter
):
    lab.fault("disk-full", method="FolderPUT")
    with pytest.raises(RemoteError) as full:
        send(session, datastore, path)

    assert full.value.fault == "NoDiskSpace"
    assert "shared-01" in full.value.message
    assert full.value.hint
    assert folder_of(session, datastore, path) == []


def test_a_connection_that_breaks_once_costs_a_second_try(
    session: Session, datastore: DatastoreChoice, path: str, lab: Vcenter
):
    lab.fault("drop-connection", method="FolderPUT")

    assert send(session, datastore, path)
    assert sha256_of(session, datastore=datastore, path=path) == SHA256
    assert folder_of(session, datastore, path) == [path]


def test_one_that_always_breaks_is_an_error_and_nothing_is_left(
    session: Session, datastore: DatastoreChoice, path: str, lab: Vcenter
):
    lab.fault("drop-connection", method="FolderPUT", count=-1)
    with pytest.raises(ConnectError):
        send(session, datastore, path)
    lab.clear_faults()

    assert folder_of(session, datastore, path) == []


@pytest.mark.parametrize("method", ["FolderPUT", "FolderGET", "MoveDatastoreFile_Task"])
def test_a_session_that_expires_in_the_middle_is_renewed(
    session: Session, datastore: DatastoreChoice, path: str, lab: Vcenter, method: str
):
    lab.fault("not-authenticated", method=method)

    assert send(session, datastore, path)
    assert sha256_of(session, datastore=datastore, path=path) == SHA256


def test_two_runs_at_once_end_with_one_file(
    session: Session, datastore: DatastoreChoice, path: str, monkeypatch: pytest.MonkeyPatch
):
    from vmboot.vsphere import transfer

    rival = transfer.move

    def slower(*args, **kwargs) -> None:
        """Another run gives its file the name just before this one does."""
        monkeypatch.setattr(transfer, "move", rival)
        send(session, datastore, path)
        rival(*args, **kwargs)

    monkeypatch.setattr(transfer, "move", slower)

    assert send(session, datastore, path)
    assert folder_of(session, datastore, path) == [path]


def test_no_permission_is_told(
    session: Session, datastore: DatastoreChoice, path: str, lab: Vcenter
):
    lab.fault("no-permission", method="FolderPUT", privilege="Datastore.FileManagement")
    with pytest.raises(AuthError, match="refuses file access") as refused:
        send(session, datastore, path)

    assert refused.value.hint is not None
    assert "Datastore.FileManagement" in refused.value.hint


def test_what_is_not_there(session: Session, datastore: DatastoreChoice):
    assert stat(session, datastore=datastore, path="nowhere/x.iso") is None
    assert list_folder(session, datastore=datastore, folder="nowhere") == ()
    assert not delete(session, datastore=datastore, path="nowhere/x.iso")
    with pytest.raises(NotFoundError):
        read_bytes(session, datastore=datastore, path="nowhere/x.iso")


def test_a_folder_can_be_made_twice(session: Session, datastore: DatastoreChoice):
    for _ in range(2):
        make_directory(session, datastore=datastore, folder="deep/er")

    assert list_folder(session, datastore=datastore, folder="deep/er") == ()


def test_a_file_is_deleted_once(session: Session, datastore: DatastoreChoice, path: str):
    send(session, datastore, path)

    assert delete(session, datastore=datastore, path=path)
    assert not delete(session, datastore=datastore, path=path)
    assert stat(session, datastore=datastore, path=path) is None


def test_names_with_blanks_and_signs_work(session: Session, datastore: DatastoreChoice):
    assert send(session, datastore, "a folder/boot #1 & ä%.iso")
    assert stat(session, datastore=datastore, path="a folder/boot #1 & ä%.iso") is not None


def test_on_vsan_and_vvol_the_namespace_manager_makes_the_top_folder(
    session: Session, datastore: DatastoreChoice, lab: Vcenter, needs: Callable[[str], None]
):
    needs("namespace-manager")
    # The lab has neither; its namespace manager refuses an ordinary datastore, as a vCenter's does.
    vsan = replace(datastore, makes_directories=False)
    lab.reset_counters()
    with pytest.raises(RemoteError) as refused:
        make_directory(session, datastore=vsan, folder="namespace/below")

    assert refused.value.fault == "CannotCreateFile"
    assert lab.counters().calls["CreateDirectory"] == 1
    assert "MakeDirectory" not in lab.counters().calls


def test_what_a_killed_upload_left_is_found_again(
    session: Session, datastore: DatastoreChoice, path: str, lab: Vcenter
):
    lab.fault("fault", method="DeleteDatastoreFile_Task", fault="FileLocked")
    lab.fault("truncate-upload", method="FolderPUT")
    with pytest.raises(RemoteError):
        send(session, datastore, path)

    left = parts_of(session, datastore=datastore, path=path)

    assert [file.path for file in left] == folder_of(session, datastore, path)
    assert len(left) == 1


def test_without_a_look_first_another_s_file_is_still_never_overwritten(
    session: Session, datastore: DatastoreChoice, path: str
):
    other = b"another file"
    send(session, datastore, path, data=other, sha256=hashlib.sha256(other).hexdigest())

    with pytest.raises(RefusedError):
        send(session, datastore, path, look_first=False)

    assert read_bytes(session, datastore=datastore, path=path) == other
