"""Object stores: directories are objects with an id, disks have no extents with a path."""

from __future__ import annotations

import re

import pytest
from pyVmomi import vim, vmodl

from tests.lab.imports import imported
from tests.lab.sdk import add, disk_of, new_disk, refusals, refused, remove, since, wait
from tests.lab.streamvmdk import stream
from vmboot.lab import start_vcenter

CannotCreate = vim.fault.CannotCreateFile
MIB = 1 << 20
STORE = "vsan-01"
ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture(scope="module")
def lab(lab_binary):
    """One with an object store, and a machine on it."""
    with start_vcenter(vms=0, templates=0, disks=True, binary=lab_binary) as vcenter:
        if "namespace-manager" not in vcenter.capabilities:
            pytest.skip("this build of the lab has no namespace manager (older govmomi)")
        yield vcenter


@pytest.fixture(scope="module")
def dc(client):
    return client.find("/DC1")


@pytest.fixture(scope="module")
def store(dc):
    return next(ds for ds in dc.datastore if ds.name == STORE)


@pytest.fixture(scope="module")
def files(client):
    return client.content.fileManager


@pytest.fixture(scope="module")
def disks(client):
    return client.content.virtualDiskManager


@pytest.fixture(scope="module")
def make(client, store):
    """Makes a directory at the top; its id."""

    def namespace(name):
        made = client.content.datastoreNamespaceManager.CreateDirectory(store, name)
        return made.rpartition("/")[2]

    return namespace


def listed(store, folder):
    """The names in a folder."""
    task = store.browser.SearchDatastore_Task(f"[{STORE}] {folder}")
    return sorted(file.path for file in wait(task).file)


def test_home_of_a_machine_is_called_by_its_id(client):
    vm = client.vm("object-01")
    home = vm.config.files.vmPathName.partition("] ")[2].partition("/")[0]
    assert ID.fullmatch(home)
    assert disk_of(vm).backing.fileName == f"[{STORE}] {home}/object-01.vmdk"


def test_friendly_name_leads_to_the_same_files(client, store, make):
    home = make("friendly")
    assert client.file("PUT", "friendly/a.txt", body=b"a", datastore=STORE).status == 201
    assert client.file("GET", f"{home}/a.txt", datastore=STORE).content == b"a"
    assert listed(store, "friendly") == listed(store, home) == ["a.txt"]


def test_top_directories_are_the_namespace_manager_s(lab, client, dc, store, files, make):
    """namespace-object"""
    assert store.capability.topLevelDirectoryCreateSupported is False
    for name, parents in (("plain", False), ("plain", True)):
        with refused(lab, "namespace-object", CannotCreate):
            files.MakeDirectory(f"[{STORE}] {name}", dc, parents)
    with refused(lab, "file-missing", vim.fault.FileNotFound):
        files.MakeDirectory(f"[{STORE}] plain/below", dc, True)
    make("mine")
    files.MakeDirectory(f"[{STORE}] mine/below/it", dc, True)
    assert listed(store, "mine") == ["below"]
    with refused(lab, "file-exists", vim.fault.FileAlreadyExists):
        make("mine")
    with refused(lab, "namespace-object", vim.fault.CannotDeleteFile):
        wait(files.DeleteDatastoreFile_Task(f"[{STORE}] mine", dc))


@pytest.mark.parametrize("name", ["", "two/parts"])
def test_name_of_a_top_directory_is_one_word(lab, make, name):
    with refused(lab, "namespace-object", vim.fault.InvalidDatastorePath):
        make(name)


def test_ordinary_datastore_has_no_namespaces(lab, client, dc):
    ordinary = next(ds for ds in dc.datastore if ds.name == "shared-01")
    with refused(lab, "namespace-object", CannotCreate):
        client.content.datastoreNamespaceManager.CreateDirectory(ordinary, "any")


def test_top_directory_needs_its_privilege(lab, make):
    lab.withhold_privilege(f"/DC1/datastore/{STORE}", "Datastore.Config")
    try:
        with refused(lab, "privilege", vim.fault.NoPermission):
            make("not-allowed")
    finally:
        lab.grant_privileges()


def test_no_file_lies_at_the_top(lab, client, dc, disks, make):
    spec = vim.VirtualDiskManager.FileBackedVirtualDiskSpec(
        diskType="thin", adapterType="lsiLogic", capacityKb=64
    )
    with refused(lab, "namespace-object", CannotCreate):
        wait(disks.CreateVirtualDisk_Task(f"[{STORE}] x.vmdk", dc, spec))
    with refused(lab, "namespace-object", CannotCreate):
        change = add(new_disk(1000, 9, f"[{STORE}] x.vmdk", kib=64), "create")
        client.reconfigure(client.vm("object-01"), change)
    before = refusals(lab)
    assert client.file("PUT", "x.iso", body=b"x", datastore=STORE).status == 500
    assert since(lab, before) == {"namespace-object"}


def test_disk_has_no_extent_beside_it(lab, client, dc, store, disks, make):
    make("disks")
    spec = vim.VirtualDiskManager.FileBackedVirtualDiskSpec(
        diskType="thin", adapterType="lsiLogic", capacityKb=8 * 1024
    )
    wait(disks.CreateVirtualDisk_Task(f"[{STORE}] disks/a.vmdk", dc, spec))
    assert listed(store, "disks") == ["a.vmdk"]
    text = client.file("GET", "disks/a.vmdk", datastore=STORE).content
    assert re.search(rb'RW 16384 VMFS "vsan://[0-9a-f]+"', text)
    before = refusals(lab)
    assert client.file("PUT", "disks/a-flat.vmdk", body=b"x", datastore=STORE).status == 404
    assert since(lab, before) == {"flat-addressable"}
    wait(disks.CopyVirtualDisk_Task(f"[{STORE}] disks/a.vmdk", dc, f"[{STORE}] disks/b.vmdk", dc))
    wait(disks.MoveVirtualDisk_Task(f"[{STORE}] disks/b.vmdk", dc, f"[{STORE}] disks/c.vmdk", dc))
    assert listed(store, "disks") == ["a.vmdk", "c.vmdk"]
    wait(disks.DeleteVirtualDisk_Task(f"[{STORE}] disks/c.vmdk", dc))
    assert listed(store, "disks") == ["a.vmdk"]


def test_import_makes_a_home_and_its_disk_can_be_moved_out(lab, client, dc, disks, make):
    raw = b"vsan" * (MIB // 4)
    kept = make("kept")
    free = next(ds for ds in dc.datastore if ds.name == STORE).summary.freeSpace
    with imported(client, "shell-01", stream(raw), MIB, datastore=STORE) as vm:
        disk = disk_of(vm)
        home, _, name = disk.backing.fileName.partition("] ")[2].partition("/")
        assert (bool(ID.fullmatch(home)), name) == (True, "shell-01.vmdk")
        client.reconfigure(vm, remove(disk))
        # By its friendly name, and it is found by its id.
        source, target = f"[{STORE}] shell-01/shell-01.vmdk", f"[{STORE}] kept/boot.vmdk"
        wait(disks.MoveVirtualDisk_Task(source, dc, target, dc))
    found = lab.disks()
    assert not any(home in path for path in found)
    assert found[f"[{STORE}] {kept}/boot.vmdk"].capacity == MIB
    wait(disks.DeleteVirtualDisk_Task(target, dc))
    assert next(ds for ds in dc.datastore if ds.name == STORE).summary.freeSpace == free


def test_attached_disk_is_known_by_either_name(lab, client, dc, disks, make):
    """disk-attached, disk-exclusive: a friendly name is no way round a lock."""
    vm = client.vm("object-01")
    friendly = f"[{STORE}] object-01/object-01.vmdk"
    with refused(lab, "disk-attached", vim.fault.FileLocked):
        wait(disks.DeleteVirtualDisk_Task(friendly, dc))
    client.power(vm, on=True)
    try:
        other = client.vm("iops-01")
        client.reconfigure(other, add(new_disk(1000, 9, friendly)))
        assert disk_of(other, 1).backing.fileName == disk_of(vm).backing.fileName
        with refused(lab, "disk-exclusive", vim.fault.FileLocked):
            client.power(other, on=True)
        client.reconfigure(other, remove(disk_of(other, 1)))
    finally:
        client.power(vm, on=False)


@pytest.mark.parametrize("name", ["DeleteDirectory", "ConvertNamespacePathToUuidPath"])
def test_other_calls_of_the_namespace_manager_are_refused(lab, client, dc, name):
    manager = client.content.datastoreNamespaceManager
    with refused(lab, "spec-known", vmodl.fault.NotSupported):
        getattr(manager, name)(dc, f"/vmfs/volumes/{STORE}/x")
