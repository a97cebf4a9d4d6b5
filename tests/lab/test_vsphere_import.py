"""A master onto a datastore: whole or not at all, once, by the way that works, and never over
something else; what a killed import leaves is found and removed without touching a master.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pyVmomi import vim

from tests.lab import sdk
from tests.lab.import_bytes import NAME, PATH, RAW, SHA256, stream
from tests.lab.import_child import DIED
from tests.lab.vsphere_lab import machine, session_on, shared
from vmboot.errors import AuthError, ConnectError, InputError, RefusedError, RemoteError
from vmboot.events import Event, ignore
from vmboot.lab import Vcenter
from vmboot.vsphere import importing, nfcimport
from vmboot.vsphere.disks import (
    delete_disk,
    delete_remains,
    disk_exists,
    move_disk,
    same_disk,
)
from vmboot.vsphere.flatimport import parts_of_disk
from vmboot.vsphere.hashcache import HashCache
from vmboot.vsphere.importing import KEPT, import_disk, leftovers, remove_leftovers
from vmboot.vsphere.importmany import import_disks
from vmboot.vsphere.importplace import import_place
from vmboot.vsphere.inventory import read_index
from vmboot.vsphere.placement import DatastoreChoice
from vmboot.vsphere.session import Session
from vmboot.vsphere.storage import read_storage
from vmboot.vsphere.transfer import list_folder, upload

pytestmark = pytest.mark.lab
WAYS = ("nfc", "flat")


@pytest.fixture
def session(lab: Vcenter) -> Iterator[Session]:
    with session_on(lab) as opened:
        yield opened


@pytest.fixture
def datastore(session: Session, lab: Vcenter) -> Iterator[DatastoreChoice]:
    """Without the master, before and after."""
    chosen = shared(session)
    yield chosen
    lab.clear_faults()
    lab.grant_privileges()
    for name in ("shared-01", "shared-02"):
        there = shared(session, name)
        delete_disk(session, path=there.path(PATH), datacenter=there.datacenter_moid)


def send(session: Session, datastore: DatastoreChoice, **options: Any) -> bool:
    wanted = {"path": PATH, "raw": RAW, "stream": stream, "sha256": SHA256, "way": "nfc"}
    return import_disk(session, datastore=datastore, **{**wanted, **options})


def is_whole(session: Session, datastore: DatastoreChoice) -> bool | None:
    return same_disk(session, datastore=datastore, path=PATH, size=len(RAW), sha256=SHA256)


def files(session: Session, datastore: DatastoreChoice) -> list[str]:
    """What lies in our folder, and whether a shell's folder is left."""
    found = list_folder(session, datastore=datastore, folder="vmboot")
    top = list_folder(session, datastore=datastore, folder="", pattern="vmboot-import-*")
    return [file.path for file in (*found, *top)]


def nothing_is_left(session: Session, datastore: DatastoreChoice) -> bool:
    return files(session, datastore) == [] and leftovers(session) == ()


THE_MASTER = [f"vmboot/{NAME.removesuffix('.vmdk')}-flat.vmdk", PATH]


@pytest.mark.parametrize("way", WAYS)
def test_what_was_imported_holds_the_very_bytes_and_nothing_else_is_left(
    session: Session, datastore: DatastoreChoice, way: str
):
    machines = len(read_index(session).entries)

    assert send(session, datastore, way=way)
    assert is_whole(session, datastore) is True
    assert files(session, datastore) == THE_MASTER
    assert leftovers(session) == ()
    assert len(read_index(session).entries) == machines


@pytest.mark.parametrize("way", WAYS)
def test_a_machine_can_have_what_was_imported(
    session: Session, datastore: DatastoreChoice, lab: Vcenter, way: str
):
    send(session, datastore, way=way)
    with sdk.connect(lab) as client:
        vm = client.vm("pvs-002")
        was_on = vm.runtime.powerState == "poweredOn"
        if was_on:
            client.power(vm, on=False)
        controller = sdk.devices(vm, vim.vm.device.VirtualSCSIController)[0].key
        client.reconfigure(vm, sdk.add(sdk.new_disk(controller, 9, datastore.path(PATH))))
        disk = next(d for d in sdk.devices(vm, vim.vm.device.VirtualDisk) if d.unitNumber == 9)

        assert disk.capacityInBytes == len(RAW)
        client.reconfigure(vm, sdk.remove(disk))


@pytest.mark.parametrize("way", WAYS)
def test_a_second_time_nothing_is_sent(
    session: Session, datastore: DatastoreChoice, lab: Vcenter, way: str
):
    send(session, datastore, way=way)
    lab.reset_counters()

    assert not send(session, datastore, way=way, stream=pytest.fail)
    counters = lab.counters()
    assert counters.total_writes == 0
    assert {"NfcPOST", "FolderPUT"}.isdisjoint(counters.calls)


def test_with_a_cache_it_is_not_even_read_again(
    session: Session, datastore: DatastoreChoice, lab: Vcenter, tmp_path
):
    cache = HashCache(tmp_path / "hashes.json")
    send(session, datastore, cache=cache)
    send(session, datastore, cache=cache)
    lab.reset_counters()

    assert not send(session, datastore, cache=cache)
    assert lab.counters().calls["FolderGET"] == 1  # the descriptor


def test_every_datastore_gets_one_of_its_own(
    session: Session, datastore: DatastoreChoice, lab: Vcenter
):
    other = shared(session, "shared-02")
    lab.reset_counters()
    for there in (datastore, other, datastore, other):
        send(session, there)

    assert lab.counters().calls["NfcPOST"] == 2
    assert is_whole(session, datastore) is True
    assert is_whole(session, other) is True


def test_several_datastores_are_filled_at_once_and_each_failure_is_its_own(
    session: Session, datastore: DatastoreChoice, lab: Vcenter
):
    theirs = RAW[::-1]
    other, taken = shared(session, "shared-02"), shared(session, "pod-ds-01")
    send(session, taken, way="flat", raw=theirs, sha256=hashlib.sha256(theirs).hexdigest())
    send(session, other)
    made: list[bytes] = []

    def streamed() -> bytes:
        made.append(stream())
        return made[-1]

    stores = (datastore, other, taken, shared(session, "local-solo"))
    wish = {"path": PATH, "raw": RAW, "stream": streamed, "sha256": SHA256}
    ends = {end.datastore.name: end for end in import_disks(session, stores, **wish)}

    assert {name for name, end in ends.items() if end.sent} == {"shared-01", "local-solo"}
    assert {name for name, end in ends.items() if end.error} == {"pod-ds-01"}
    assert isinstance(ends["pod-ds-01"].error, RefusedError)
    assert is_whole(session, datastore) is True
    assert len(made) == 1
    assert leftovers(session) == ()
    for there in stores:
        delete_disk(session, path=there.path(PATH), datacenter=there.datacenter_moid)


def test_who_loses_interest_in_many_leaves_nothing_half_done(
    session: Session, datastore: DatastoreChoice
):
    stores = (datastore, shared(session, "shared-02"))
    wish = {"path": PATH, "raw": RAW, "stream": stream, "sha256": SHA256}
    ends = import_disks(session, stores, at_once=1, **wish)
    assert next(ends).datastore == datastore
    ends.close()

    assert is_whole(session, datastore) is True
    assert leftovers(session) == ()


@pytest.mark.parametrize("way", WAYS)
def test_a_disk_of_somebody_else_under_our_name_is_refused_and_kept(
    session: Session, datastore: DatastoreChoice, way: str
):
    theirs = RAW[::-1]
    send(session, datastore, way="flat", raw=theirs, sha256=hashlib.sha256(theirs).hexdigest())
    with pytest.raises(RefusedError, match="another disk"):
        send(session, datastore, way=way)

    assert is_whole(session, datastore) is False
    assert files(session, datastore) == THE_MASTER


def test_a_file_that_is_no_disk_is_refused_and_kept(session: Session, datastore: DatastoreChoice):
    junk = b"not a disk"
    upload(
        session,
        datastore=datastore,
        path=PATH,
        data=junk,
        sha256=hashlib.sha256(junk).hexdigest(),
    )
    with pytest.raises(RefusedError, match="another disk"):
        send(session, datastore)

    assert files(session, datastore) == [PATH]
    delete_remains(session, datastore=datastore, path=PATH)


@pytest.mark.parametrize(
    ("way", "method"),
    [
        ("nfc", "ImportVApp"),
        ("nfc", "NfcPOST"),
        ("flat", "CreateVirtualDisk_Task"),
        ("flat", "FolderPUT"),
    ],
)
def test_a_full_datastore_is_told_and_nothing_is_left(
    session: Session, datastore: DatastoreChoice, lab: Vcenter, way: str, method: str
):
    lab.fault("disk-full", method=method)
    with pytest.raises(RemoteError) as full:
        send(session, datastore, way=way)

    assert full.value.fault == "NoDiskSpace", full.value.message
    assert full.value.hint
    assert nothing_is_left(session, datastore)
    assert send(session, datastore, way=way)


@pytest.mark.parametrize("nbytes", [0, 70_000], ids=["before the first byte", "in the middle"])
def test_a_connection_that_breaks_leaves_nothing_and_a_second_run_succeeds(
    session: Session, datastore: DatastoreChoice, lab: Vcenter, nbytes: int
):
    lab.fault("drop-connection", method="NfcPOST", nbytes=nbytes)
    with pytest.raises(ConnectError):
        send(session, datastore)

    assert nothing_is_left(session, datastore)
    assert send(session, datastore)
    assert is_whole(session, datastore) is True


def test_a_broken_flat_upload_is_sent_again(
    session: Session, datastore: DatastoreChoice, lab: Vcenter
):
    lab.fault("drop-connection", method="FolderPUT")

    assert send(session, datastore, way="flat")
    assert is_whole(session, datastore) is True


@pytest.mark.parametrize(("way", "method"), [("nfc", "NfcPOST"), ("flat", "FolderPUT")])
def test_bytes_that_arrive_cut_off_never_become_the_master(
    session: Session, datastore: DatastoreChoice, lab: Vcenter, way: str, method: str
):
    lab.fault("truncate-upload", method=method)
    with pytest.raises(RemoteError) as damaged:
        send(session, datastore, way=way)

    assert damaged.value.fault == "Corrupted"
    assert nothing_is_left(session, datastore)


def test_other_bytes_in_the_disk_than_were_wanted_never_become_the_master(
    session: Session, datastore: DatastoreChoice
):
    """The stream is taken as it is; only the disk that it makes can tell what was in it."""
    from vmboot.media.vmdk import stream_optimized

    with pytest.raises(RemoteError) as damaged:
        send(session, datastore, stream=lambda: stream_optimized(RAW[::-1]))

    assert damaged.value.fault == "Corrupted"
    assert nothing_is_left(session, datastore)


@pytest.mark.parametrize(
    ("way", "method"),
    [
        ("nfc", "ImportVApp"),
        ("nfc", "HttpNfcLeaseComplete"),
        ("nfc", "ReconfigVM_Task"),
        ("nfc", "MoveVirtualDisk_Task"),
        ("flat", "CreateVirtualDisk_Task"),
        ("flat", "DeleteDatastoreFile_Task"),
        ("flat", "MoveVirtualDisk_Task"),
    ],
)
def test_a_fault_at_any_step_leaves_nothing(
    session: Session, datastore: DatastoreChoice, lab: Vcenter, way: str, method: str
):
    lab.fault("fault", method=method, fault="InvalidState")
    with pytest.raises(RemoteError):
        send(session, datastore, way=way)

    assert nothing_is_left(session, datastore)
    assert send(session, datastore, way=way)


@pytest.mark.parametrize("method", ["ReconfigVM_Task", "MoveVirtualDisk_Task", "Destroy_Task"])
def test_a_session_that_expires_after_the_lease_is_renewed(
    session: Session, datastore: DatastoreChoice, lab: Vcenter, method: str
):
    lab.fault("not-authenticated", method=method)

    assert send(session, datastore)
    assert is_whole(session, datastore) is True


def test_a_shell_that_cannot_be_removed_is_told_and_found_again(
    session: Session, datastore: DatastoreChoice, lab: Vcenter
):
    lab.fault("fault", method="Destroy_Task", fault="InvalidState")
    events: list[Event] = []

    assert send(session, datastore, sink=events.append)
    (shell,) = leftovers(session)
    assert [event.subject for event in events if event.kind == "import.left"] == [shell.name]
    assert shell.wanted == datastore.path(PATH)
    assert shell.began is not None
    assert abs(datetime.now(UTC) - shell.began) < timedelta(hours=1)
    assert remove_leftovers(session, (shell,)) == (shell,)
    assert is_whole(session, datastore) is True
    assert files(session, datastore) == THE_MASTER


def test_two_runs_at_once_end_with_one_master(
    session: Session, datastore: DatastoreChoice, monkeypatch: pytest.MonkeyPatch
):
    def slower(*args: Any, **kwargs: Any) -> None:
        """Another run gives its disk the name just before this one does."""
        monkeypatch.setattr(nfcimport, "move_disk", move_disk)
        assert send(session, datastore)
        move_disk(*args, **kwargs)

    monkeypatch.setattr(nfcimport, "move_disk", slower)

    assert not send(session, datastore)
    assert files(session, datastore) == THE_MASTER
    assert leftovers(session) == ()


def test_progress_is_told_from_the_first_byte_to_the_last(
    session: Session, datastore: DatastoreChoice
):
    events: list[Event] = []
    send(session, datastore, way="auto", sink=events.append)

    assert [event.data["way"] for event in events if event.kind == "import.way"] == ["nfc"]
    sent = [event.data for event in events if event.kind == "upload.progress"]
    assert [data["bytes"] for data in sent] == sorted(data["bytes"] for data in sent)
    assert sent[-1]["bytes"] == sent[-1]["total"] == len(stream())


@pytest.mark.parametrize("size", [0, 1023, len(RAW) + 1])
def test_what_is_no_whole_disk_is_refused_before_anything_is_asked(
    session: Session, datastore: DatastoreChoice, size: int
):
    with pytest.raises(InputError):
        send(session, datastore, raw=bytes(size))


def test_a_host_under_another_name_is_known_by_the_thumbprint_that_the_vcenter_tells(
    datastore: DatastoreChoice, lab: Vcenter
):
    """The lab's lease names 127.0.0.1; to a session on localhost that is a stranger."""
    with session_on(lab, host="localhost") as session:
        assert send(session, datastore)
        assert is_whole(session, datastore) is True


# -- the lease -----------------------------------------------------------------------------------


def slow(seconds: float) -> Callable[[Event], None]:
    """A listener that holds the upload up once, as a slow line would."""
    waited: list[bool] = []

    def sink(event: Event) -> None:
        if event.kind == "upload.progress" and not waited:
            waited.append(True)
            time.sleep(seconds)

    return sink


def test_a_slow_upload_keeps_its_lease(small_lab: Callable[..., Vcenter]):
    lab = small_lab(lease_timeout=1)
    with session_on(lab) as session:
        datastore = shared(session)

        assert send(session, datastore, sink=slow(2.5))
        assert is_whole(session, datastore) is True
        assert lab.counters().calls["HttpNfcLeaseProgress"] >= 4


def test_a_lease_that_expires_is_told_and_leaves_nothing(small_lab: Callable[..., Vcenter]):
    lab = small_lab(lease_timeout=1)
    lab.fault("fault", method="HttpNfcLeaseProgress", fault="InvalidState", count=-1)
    with session_on(lab) as session:
        datastore = shared(session)
        with pytest.raises((RemoteError, ConnectError)):
            send(session, datastore, sink=slow(2.5))

        assert nothing_is_left(session, datastore)
        assert send(session, datastore)


def test_a_lease_that_ends_in_error_says_why(
    session: Session, datastore: DatastoreChoice, lab: Vcenter
):
    lab.fault("task-fails", method="ImportVApp", fault="HostNotConnected")
    with pytest.raises(RemoteError) as failed:
        send(session, datastore)

    assert failed.value.fault == "HostNotConnected"
    assert nothing_is_left(session, datastore)


# -- which way, and where ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entity", "privilege"),
    [
        ("/DC1/host", "VApp.Import"),
        ("/DC1/datastore", "Datastore.AllocateSpace"),
        ("/DC1/vm", "VirtualMachine.Inventory.Delete"),
    ],
)
def test_without_a_privilege_for_nfc_the_extent_is_replaced(
    session: Session, datastore: DatastoreChoice, lab: Vcenter, entity: str, privilege: str
):
    lab.withhold_privilege(entity, privilege)
    events: list[Event] = []

    assert send(session, datastore, way="auto", sink=events.append)
    (told,) = (event for event in events if event.kind == "import.way")
    assert told.data["way"] == "flat"
    assert privilege in told.message
    assert is_whole(session, datastore) is True


def test_who_asks_for_nfc_without_the_privilege_is_told_which(
    session: Session, datastore: DatastoreChoice, lab: Vcenter
):
    lab.withhold_privilege("/DC1/host", "VApp.Import")
    with pytest.raises(AuthError, match=r"VApp\.Import on the resource pool"):
        send(session, datastore)

    assert nothing_is_left(session, datastore)


def test_a_refusal_that_no_privilege_list_shows_also_leads_to_the_extent(
    session: Session, datastore: DatastoreChoice, lab: Vcenter
):
    lab.fault("no-permission", method="ImportVApp", privilege="VApp.Import")

    assert send(session, datastore, way="auto")
    assert is_whole(session, datastore) is True


def test_without_the_right_to_files_the_extent_is_no_way_out(
    session: Session, datastore: DatastoreChoice, lab: Vcenter
):
    lab.withhold_privilege("/DC1/datastore", "Datastore.FileManagement")
    with pytest.raises(AuthError) as refused:
        send(session, datastore, way="auto")

    assert refused.value.hint is not None
    assert "Datastore.FileManagement" in refused.value.hint


def test_on_vsan_there_is_no_extent_to_replace(
    session: Session, datastore: DatastoreChoice, lab: Vcenter
):
    vsan = replace(datastore, type="vsan")
    with pytest.raises(RefusedError, match="as objects"):
        send(session, vsan, way="flat")
    lab.withhold_privilege("/DC1/host", "VApp.Import")
    with pytest.raises(AuthError, match=r"VApp\.Import"):
        send(session, vsan, way="auto")


def test_where_nothing_can_be_read_back_nfc_imports_all_the_same_and_says_so(
    session: Session, datastore: DatastoreChoice
):
    events: list[Event] = []
    vsan = replace(datastore, type="vsan")

    assert send(session, vsan, way="auto", sink=events.append)
    assert [event.kind for event in events if event.kind == "import.unread"]
    assert is_whole(session, datastore) is True


@pytest.mark.parametrize(
    ("name", "host"),
    [("shared-01", "esx-a1.lab"), ("local-solo", "esx-solo.lab"), ("local-a1", "esx-a1.lab")],
)
def test_an_import_is_placed_on_a_host_that_reaches_the_datastore(
    session: Session, name: str, host: str
):
    storage = read_storage(session)
    place = import_place(session, storage, shared(session, name))
    found = storage.host(place.host)

    assert found is not None
    assert found.name == host
    assert place.lacks == ()


def test_a_cluster_where_the_login_may_not_import_is_passed_over(
    session: Session, datastore: DatastoreChoice, lab: Vcenter
):
    lab.withhold_privilege("/DC1/host/CL-A", "VApp.Import")
    storage = read_storage(session)
    place = import_place(session, storage, datastore)
    host = storage.host(place.host)

    assert host is not None
    assert host.name == "esx-b1.lab"
    assert send(session, datastore)


def test_a_datastore_that_nobody_writes_to_takes_no_import(
    session: Session, datastore: DatastoreChoice, lab: Vcenter
):
    lab.datastore("local-solo", access_mode="readOnly")
    with pytest.raises(RefusedError, match="no connected host can write"):
        send(session, shared(session, "local-solo"))
    lab.datastore("local-solo", access_mode="readWrite")


def test_a_place_that_was_asked_for_is_taken(
    session: Session, datastore: DatastoreChoice, monkeypatch: pytest.MonkeyPatch
):
    place = import_place(session, read_storage(session), datastore)
    monkeypatch.setattr(importing, "import_place", pytest.fail)

    assert send(session, datastore, pool=place.pool, folder=place.folder, host=place.host)


# -- killed --------------------------------------------------------------------------------------

NFC_STEPS = (
    ("nfcimport", "make_directory"),
    ("nfcimport", "_start"),
    ("nfcimport", "await_lease"),
    ("nfcimport", "send_disk"),
    ("nfcimport", "complete"),
    ("nfcimport", "_send"),
    ("nfcimport", "_detach"),
    ("nfcimport", "_verify"),
    ("nfcimport", "move_disk"),
    ("shells", "read_shell"),
    ("nfcimport", "remove_shell"),
)
FLAT_STEPS = (
    ("flatimport", "make_directory"),
    ("flatimport", "create_disk"),
    ("transfer", "delete"),
    ("transfer", "put"),
    ("transfer", "verify"),
    ("flatimport", "move_disk"),
)


def kill(lab: Vcenter, module: str, function: str, way: str) -> None:
    """Import in a process of its own, which dies behind the function."""
    argv = [sys.executable, "-m", "tests.lab.import_child", module, function, way]
    env = {**os.environ, **lab.environment()}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == DIED, done.stderr


@pytest.fixture(scope="module")
def short_leases(lab_binary) -> Iterator[Vcenter]:
    """A vCenter that soon gives up an import whose client is gone."""
    from vmboot.lab import start_vcenter

    with start_vcenter(binary=lab_binary, vms=6, templates=0, lease_timeout=1) as vcenter:
        yield vcenter


def clear(session: Session, datastore: DatastoreChoice) -> None:
    """What a sweep does: shells, then what is left beside the master."""
    sdk.until(lambda: not leftovers(session) or remove_leftovers(session, leftovers(session)))
    sdk.until(lambda: not leftovers(session))
    for part in parts_of_disk(session, datastore=datastore, path=PATH):
        delete_remains(session, datastore=datastore, path=part.path)


@pytest.mark.parametrize(("module", "function"), NFC_STEPS)
def test_killed_behind_any_step_by_nfc_the_next_import_succeeds(
    short_leases: Vcenter, module: str, function: str
):
    killed_and_repeated(short_leases, module, function, "nfc")


@pytest.mark.parametrize(("module", "function"), FLAT_STEPS)
def test_killed_behind_any_step_by_extent_the_next_import_succeeds(
    short_leases: Vcenter, module: str, function: str
):
    killed_and_repeated(short_leases, module, function, "flat")


def killed_and_repeated(lab: Vcenter, module: str, function: str, way: str) -> None:
    with session_on(lab) as session:
        datastore = shared(session)
        machines = {entry.moid for entry in read_index(session).entries}
        kill(lab, module, function, way)
        was_there = disk_exists(session, datastore=datastore, path=PATH)

        assert not was_there or is_whole(session, datastore) is True
        assert send(session, datastore, way=way) is not was_there
        clear(session, datastore)
        assert is_whole(session, datastore) is True
        assert files(session, datastore) == THE_MASTER
        assert {entry.moid for entry in read_index(session).entries} == machines
        delete_disk(session, path=datastore.path(PATH), datacenter=datastore.datacenter_moid)


# -- what is not removed -------------------------------------------------------------------------


@pytest.fixture
def shell(session: Session, datastore: DatastoreChoice, lab: Vcenter) -> Iterator[str]:
    """The name of a shell that an import left; gone after the test."""
    lab.fault("fault", method="Destroy_Task", fault="InvalidState")
    send(session, datastore, sink=ignore)
    (left,) = leftovers(session)
    yield left.name
    lab.clear_faults()
    remove_leftovers(session, leftovers(session))
    assert leftovers(session) == ()


def kept(session: Session) -> str:
    """Why the one shell is not removed."""
    events: list[Event] = []
    assert remove_leftovers(session, leftovers(session), sink=events.append) == ()
    (told,) = (event.message for event in events if event.kind == KEPT)
    return told


def test_a_shell_that_runs_stays(session: Session, lab: Vcenter, shell: str):
    lab.edit(shell, power="on")
    assert "not powered off" in kept(session)
    lab.edit(shell, power="off")


def test_a_shell_that_was_given_the_master_stays_and_so_does_the_master(
    session: Session, datastore: DatastoreChoice, lab: Vcenter, shell: str
):
    with sdk.connect(lab) as client:
        vm = client.find(shell)
        controller = sdk.devices(vm, vim.vm.device.VirtualSCSIController)[0].key
        client.reconfigure(vm, sdk.add(sdk.new_disk(controller, 0, datastore.path(PATH))))

        assert "disk outside of its folder" in kept(session)
        assert is_whole(session, datastore) is True
        client.reconfigure(vm, sdk.remove(sdk.disk_of(vm)))


def test_a_machine_that_only_has_the_name_stays(session: Session, lab: Vcenter):
    lab.edit("pvs-003", name="vmboot-import-01234567")
    assert "mark" in kept(session)
    assert machine(session, "vmboot-import-01234567").hardware.devices
    lab.edit("vmboot-import-01234567", name="pvs-003")
