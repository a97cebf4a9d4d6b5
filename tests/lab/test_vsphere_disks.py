"""Disk files: copied by the vCenter, never over anything, and compared byte by byte."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.lab.vsphere_lab import machine, session_on, shared
from vmboot.errors import NotFoundError, RemoteError
from vmboot.lab import Vcenter
from vmboot.vsphere.disks import (
    copy_disk_job,
    create_disk,
    delete_disk,
    delete_disk_job,
    delete_remains,
    disk_exists,
    disk_size,
    move_disk,
    read_descriptor,
    same_disk,
)
from vmboot.vsphere.flatimport import import_flat
from vmboot.vsphere.hashcache import HashCache
from vmboot.vsphere.jobs import Outcome
from vmboot.vsphere.placement import DatastoreChoice
from vmboot.vsphere.session import Session
from vmboot.vsphere.tasks import run_window
from vmboot.vsphere.transfer import delete, list_folder, make_directory

pytestmark = pytest.mark.lab
MIB = 1 << 20
RAW = (bytes(range(256)) * 4096).ljust(2 * MIB, b"\0")
SHA256 = hashlib.sha256(RAW).hexdigest()
MASTER = "vmboot/vmboot-boot-0123456789ab.vmdk"
COPY = "copies/vmboot-boot-0123456789ab.vmdk"


@pytest.fixture(scope="module")
def session(lab: Vcenter) -> Iterator[Session]:
    with session_on(lab) as opened:
        yield opened


@pytest.fixture(scope="module")
def datastore(session: Session) -> DatastoreChoice:
    """With the master on it, and a folder for copies."""
    chosen = shared(session)
    import_flat(session, datastore=chosen, path=MASTER, raw=RAW, sha256=SHA256)
    make_directory(session, datastore=chosen, folder="copies")
    return chosen


@pytest.fixture(autouse=True)
def _no_copy_is_left(session: Session, datastore: DatastoreChoice, lab: Vcenter) -> Iterator[None]:
    yield
    lab.clear_faults()
    where = datastore.datacenter_moid
    delete_disk(session, path=datastore.path(COPY), datacenter=where)


def copy(
    session: Session, datastore: DatastoreChoice, *, source: str = MASTER, target: str = COPY
) -> Outcome:
    job = copy_disk_job(
        "pvs-001",
        source=datastore.path(source),
        source_datacenter=datastore.datacenter_moid,
        target=datastore.path(target),
        target_datacenter=datastore.datacenter_moid,
    )
    (outcome,) = run_window(session, [job])
    return outcome


def is_same(session: Session, datastore: DatastoreChoice, path: str = COPY, **other) -> bool | None:
    wanted = {"size": len(RAW), "sha256": SHA256, **other}
    return same_disk(session, datastore=datastore, path=path, **wanted)


def test_a_copy_holds_the_same_bytes(session: Session, datastore: DatastoreChoice):
    assert copy(session, datastore).ok

    assert is_same(session, datastore) is True
    assert disk_size(session, datastore=datastore, path=COPY) == len(RAW)


def test_a_copy_onto_another_datastore_holds_them_too(session: Session, datastore: DatastoreChoice):
    other = shared(session, "shared-02")
    make_directory(session, datastore=other, folder="copies")
    job = copy_disk_job(
        "pvs-001",
        source=datastore.path(MASTER),
        source_datacenter=datastore.datacenter_moid,
        target=other.path(COPY),
        target_datacenter=other.datacenter_moid,
    )
    (outcome,) = run_window(session, [job])

    assert outcome.ok
    assert is_same(session, other) is True


def test_a_copy_never_overwrites_and_names_what_is_in_its_way(
    session: Session, datastore: DatastoreChoice
):
    copy(session, datastore)
    second = copy(session, datastore)

    assert isinstance(second.error, RemoteError)
    assert second.error.fault == "FileAlreadyExists"
    assert datastore.path(COPY) in second.error.message
    assert second.error.hint is not None
    assert "never overwrites" in second.error.hint


def test_a_full_datastore_is_named(session: Session, datastore: DatastoreChoice, lab: Vcenter):
    lab.fault("disk-full", method="CopyVirtualDisk_Task")
    full = copy(session, datastore)

    assert isinstance(full.error, RemoteError)
    assert full.error.fault == "NoDiskSpace"
    assert "shared-01 has no space" in full.error.message
    assert full.error.hint is not None
    assert "free space" in full.error.hint
    assert not disk_exists(session, datastore=datastore, path=COPY)


@pytest.mark.parametrize(
    ("source", "target"),
    [("vmboot/gone.vmdk", COPY), (MASTER, "nowhere/vmboot-boot-0123456789ab.vmdk")],
    ids=["no source", "no folder"],
)
def test_what_is_missing_is_named(
    session: Session, datastore: DatastoreChoice, source: str, target: str
):
    missing = copy(session, datastore, source=source, target=target)

    assert isinstance(missing.error, RemoteError)
    assert missing.error.fault == "FileNotFound"
    assert datastore.path(source) in missing.error.message
    assert datastore.path(target) in missing.error.message
    assert missing.error.hint


def test_many_are_copied_at_once_and_each_failure_is_its_own(
    session: Session, datastore: DatastoreChoice
):
    jobs = [
        copy_disk_job(
            f"{number}",
            source=datastore.path(MASTER),
            source_datacenter=datastore.datacenter_moid,
            target=datastore.path(f"copies/many-{number % 10}.vmdk"),
            target_datacenter=datastore.datacenter_moid,
        )
        for number in range(11)
    ]
    outcomes = {outcome.subject: outcome for outcome in run_window(session, jobs)}

    assert sum(outcome.ok for outcome in outcomes.values()) == 10
    paths = [file.path for file in list_folder(session, datastore=datastore, folder="copies")]
    assert [path for path in paths if not path.endswith("-flat.vmdk")] == [
        f"copies/many-{number}.vmdk" for number in range(10)
    ]


@pytest.mark.parametrize(
    "other",
    [{"sha256": "0" * 64}, {"size": len(RAW) + 512}],
    ids=["other bytes", "other size"],
)
def test_a_disk_with_other_bytes_is_not_the_same(
    session: Session, datastore: DatastoreChoice, other: dict
):
    assert is_same(session, datastore, MASTER, **other) is False


def test_what_is_no_disk_at_all_is_not_the_same(session: Session, datastore: DatastoreChoice):
    assert is_same(session, datastore, "iso/other-tools.iso") is False


def test_a_disk_that_is_not_there_cannot_be_compared(session: Session, datastore: DatastoreChoice):
    with pytest.raises(NotFoundError, match=r"copies/none\.vmdk"):
        is_same(session, datastore, "copies/none.vmdk")

    assert disk_size(session, datastore=datastore, path="copies/none.vmdk") is None
    assert not disk_exists(session, datastore=datastore, path="copies/none.vmdk")


def test_where_disks_are_objects_only_the_size_is_compared(
    session: Session, datastore: DatastoreChoice
):
    vsan = replace(datastore, type="vsan")

    assert is_same(session, vsan, MASTER) is None
    assert is_same(session, vsan, MASTER, size=len(RAW) + 512) is False


def test_what_was_read_once_is_not_read_again(
    session: Session, datastore: DatastoreChoice, lab: Vcenter, tmp_path_factory
):
    cache = HashCache(tmp_path_factory.mktemp("cache") / "hashes.json")
    assert is_same(session, datastore, MASTER, cache=cache) is True
    lab.reset_counters()

    assert is_same(session, datastore, MASTER, cache=cache) is True
    assert lab.counters().calls["FolderGET"] == 1  # the descriptor


def test_a_disk_is_deleted_once_and_wholly(session: Session, datastore: DatastoreChoice):
    copy(session, datastore)
    where = datastore.datacenter_moid

    assert delete_disk(session, path=datastore.path(COPY), datacenter=where)
    assert not delete_disk(session, path=datastore.path(COPY), datacenter=where)
    assert list_folder(session, datastore=datastore, folder="copies", pattern="vmboot-*") == ()


@pytest.mark.parametrize("gone", ["", "-flat"], ids=["no descriptor", "no extent"])
def test_of_a_broken_disk_all_that_is_left_is_deleted(
    session: Session, datastore: DatastoreChoice, gone: str
):
    copy(session, datastore)
    delete(session, datastore=datastore, path=COPY.replace(".vmdk", f"{gone}.vmdk"))
    delete_remains(session, datastore=datastore, path=COPY)

    assert list_folder(session, datastore=datastore, folder="copies", pattern="vmboot-*") == ()


def test_deleting_many_does_not_mind_those_that_are_gone(
    session: Session, datastore: DatastoreChoice
):
    copy(session, datastore)
    where = datastore.datacenter_moid
    jobs = [
        delete_disk_job(path, path=datastore.path(path), datacenter=where)
        for path in (COPY, "copies/never-was.vmdk")
    ]

    assert all(outcome.ok for outcome in run_window(session, jobs))
    assert not disk_exists(session, datastore=datastore, path=COPY)


def test_a_disk_whose_datastore_has_another_name_by_now_does_not_count_as_deleted(
    session: Session, datastore: DatastoreChoice, lab: Vcenter
):
    copy(session, datastore)
    where = datastore.datacenter_moid
    lab.fault("task-fails", method="DeleteVirtualDisk_Task", fault="InvalidDatastorePath", count=-1)
    job = delete_disk_job("copy", path=datastore.path(COPY), datacenter=where)
    (outcome,) = run_window(session, [job])

    assert "no datastore has the name in" in str(outcome.error)
    with pytest.raises(RemoteError, match="no datastore has the name in"):
        delete_disk(session, path=datastore.path(COPY), datacenter=where)


def test_a_disk_of_a_running_machine_is_not_deleted(session: Session, lab: Vcenter):
    lab.edit("pvs-001", power="on")
    running = machine(session, "/DC1/vm/PVS/**/pvs-001")
    disk = next(device.file for device in running.hardware.devices if device.file)
    where = shared(session).datacenter_moid
    with pytest.raises(RemoteError) as refused:
        delete_disk(session, path=disk, datacenter=where)

    assert refused.value.fault == "FileLocked"


def test_a_moved_disk_keeps_its_bytes_and_never_takes_anothers_place(
    session: Session, datastore: DatastoreChoice
):
    copy(session, datastore)
    source, target = datastore.path(COPY), datastore.path("copies/moved.vmdk")
    move_disk(session, source=source, target=target, datacenter=datastore.datacenter_moid)

    assert is_same(session, datastore, "copies/moved.vmdk") is True
    copy(session, datastore)
    with pytest.raises(RemoteError) as refused:
        move_disk(session, source=source, target=target, datacenter=datastore.datacenter_moid)
    assert refused.value.fault == "FileAlreadyExists"
    assert is_same(session, datastore) is True


def test_a_new_disk_is_empty_and_has_the_wanted_size(session: Session, datastore: DatastoreChoice):
    where = datastore.datacenter_moid
    create_disk(session, path=datastore.path(COPY), datacenter=where, size=3 * MIB)

    found = read_descriptor(session, datastore=datastore, path=COPY)
    assert found is not None
    assert found.size == 3 * MIB
    nothing = hashlib.sha256(bytes(3 * MIB)).hexdigest()
    assert is_same(session, datastore, size=3 * MIB, sha256=nothing) is True
