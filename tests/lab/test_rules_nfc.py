"""Imports: leases, their disks, and what ends them."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from pyVmomi import vim, vmodl

from tests.lab.imports import begin, import_spec, imported, send, sha1, shell_of
from tests.lab.sdk import connect, disk_of, refused, remove, until, wait
from tests.lab.streamvmdk import stream

MIB = 1 << 20
SIZE = 4 * MIB
InvalidState = vim.fault.InvalidState
InvalidArgument = vmodl.fault.InvalidArgument


def image(seed: int = 1) -> bytes:
    """4 MiB with data at both ends and holes between."""
    some = random.Random(seed).randbytes
    return (
        some(300_000)
        + bytes(2 * MIB - 300_000)
        + some(70_000)
        + bytes(2 * MIB - 70_512)
        + some(512)
    )


RAW = image()
STREAM = stream(RAW)


@pytest.fixture(scope="module")
def dc(client):
    return client.find("/DC1")


@pytest.fixture(scope="module")
def folder(client):
    return client.find("/DC1/vm")


@pytest.fixture(scope="module")
def pool(client):
    return client.find("/DC1/host/CL-A").resourcePool


def content(client, path, datastore="shared-01"):
    response = client.file("GET", path, datastore=datastore)
    assert response.status == 200, response.content
    return response.content


def error_of(lease, kind):
    assert lease.state == "error"
    assert type(lease.error) is kind, lease.error


def test_import_keeps_the_bytes(lab, client):
    lease = begin(client, "imp-01", SIZE)
    assert lease.state == "ready"
    info = lease.info
    assert (info.leaseTimeout, info.totalDiskCapacityInKB) == (300, SIZE // 1024)
    device = info.deviceUrl[0]
    assert device.disk and device.importKey and device.key != device.importKey
    assert len(device.sslThumbprint.split(":")) == 20  # SHA-1, as hosts send it
    assert send(client, lease, STREAM) == 201
    lease.HttpNfcLeaseProgress(100)
    assert lease.transferProgress == 100
    entry = lease.HttpNfcLeaseGetManifest()[0]
    assert (entry.key, entry.sha1, entry.size) == (device.key, sha1(STREAM), len(STREAM))
    lease.HttpNfcLeaseComplete()
    assert lease.state == "done"
    vm = shell_of(client, "imp-01")
    disk = disk_of(vm)
    assert (disk.unitNumber, disk.key, disk.capacityInBytes) == (0, 2000, SIZE)
    assert disk.backing.fileName == "[shared-01] imp-01/imp-01.vmdk"
    assert content(client, "imp-01/imp-01-flat.vmdk") == RAW
    wait(vm.Destroy_Task())
    assert client.file("HEAD", "imp-01/imp-01.vmdk").status == 404


def test_disk_outlives_its_shell_when_it_was_detached_and_moved(client, dc):
    with imported(client, "imp-02", STREAM, SIZE) as vm:
        client.reconfigure(vm, remove(disk_of(vm)))
        client.content.fileManager.MakeDirectory("[shared-01] kept", dc, False)
        disks = client.content.virtualDiskManager
        source, target = "[shared-01] imp-02/imp-02.vmdk", "[shared-01] kept/boot.vmdk"
        wait(disks.MoveVirtualDisk_Task(source, dc, target, dc))
    assert content(client, "kept/boot-flat.vmdk") == RAW
    assert b'"boot-flat.vmdk"' in content(client, "kept/boot.vmdk")
    assert client.file("HEAD", "imp-02/imp-02.vmx").status == 404


@pytest.mark.parametrize(
    "body",
    [
        b"KDMV",
        RAW,
        STREAM[:-512],
        STREAM[: len(STREAM) // 2],
        stream(RAW, magic=b"COWD"),
        stream(RAW, version=9),
        stream(RAW, flags=1),
        stream(RAW, algorithm=0),
        stream(RAW, kind="monolithicSparse"),
        stream(RAW, newlines=b"\n \n "),
        stream(RAW, footer=False),
        stream(RAW, bad_marker=True),
        stream(RAW, reverse=True),
        stream(RAW + bytes(MIB)),
        STREAM.replace(b"\x78\x9c", b"\x78\x9d", 1),
        STREAM + b"x" * 512,
    ],
    ids=[
        *("four bytes", "raw", "no end", "half", "magic", "version", "flags", "algorithm"),
        *("type", "text mode", "no footer", "marker", "order", "too large", "garbled", "trailer"),
    ],
)
def test_what_is_no_stream_ends_the_import(lab, client, body):
    """nfc-stream: the lease fails and takes its VM with it."""
    before = hits(lab, "nfc-stream")
    lease = begin(client, "imp-bad", SIZE)
    assert send(client, lease, body) == 500
    assert hits(lab, "nfc-stream") == before + 1
    error_of(lease, vim.fault.InvalidDiskFormat)
    until(lambda: shell_of(client, "imp-bad") is None)
    assert client.file("HEAD", "imp-bad/imp-bad.vmdk").status == 404


def hits(lab, rule):
    return next(r.refused for r in lab.rules() if r.name == rule)


def test_stream_may_be_smaller_than_its_disk(client):
    with imported(client, "imp-03", stream(RAW[: 2 * MIB]), SIZE):
        assert content(client, "imp-03/imp-03-flat.vmdk") == RAW[: 2 * MIB] + bytes(2 * MIB)


def test_disk_may_be_sent_again(client):
    """A client whose connection broke sends the whole disk once more."""
    lease = begin(client, "imp-04", SIZE)
    assert send(client, lease, stream(image(2))) == 201
    assert send(client, lease, iter([STREAM]), method="PUT", Overwrite="t") == 201  # chunked
    assert content(client, "imp-04/imp-04-flat.vmdk") == RAW
    lease.HttpNfcLeaseAbort()


def test_lease_locks_its_vm(lab, client):
    lease = begin(client, "imp-05", SIZE)
    vm = shell_of(client, "imp-05")
    for call in (lambda: client.reconfigure(vm, annotation="x"), vm.Destroy_Task):
        with refused(lab, "busy", vim.fault.TaskInProgress):
            call()
    with refused(lab, "nfc-lease", InvalidArgument):
        lease.HttpNfcLeaseProgress(101)
    lease.HttpNfcLeaseAbort()
    error_of(lease, vmodl.fault.RequestCanceled)
    assert shell_of(client, "imp-05") is None


@pytest.mark.parametrize("end", ["HttpNfcLeaseComplete", "HttpNfcLeaseAbort"])
def test_ended_lease_takes_nothing(lab, client, end):
    lease = begin(client, "imp-06", SIZE)
    url = lease.info
    getattr(lease, end)()
    for method, arguments in (
        ("HttpNfcLeaseProgress", [1]),
        ("HttpNfcLeaseComplete", []),
        ("HttpNfcLeaseAbort", []),
        ("HttpNfcLeaseGetManifest", []),
    ):
        with pytest.raises(InvalidState):
            getattr(lease, method)(*arguments)
    assert url.deviceUrl
    assert send(client, lease, STREAM) == 404
    vm = shell_of(client, "imp-06")
    assert (vm is None) == (end == "HttpNfcLeaseAbort")
    if vm:
        wait(vm.Destroy_Task())


def test_lease_without_progress_times_out(small_lab):
    with connect(lab := small_lab(vms=1, lease_timeout=1)) as client:
        lease = begin(client, "imp-07", SIZE)
        assert lease.info.leaseTimeout == 1
        until(lambda: lease.state == "error")
        error_of(lease, vim.fault.Timedout)
        with refused(lab, "nfc-lease", vim.fault.Timedout):
            lease.HttpNfcLeaseProgress(1)
        assert send(client, lease, STREAM) == 404
        until(lambda: shell_of(client, "imp-07") is None)


def test_progress_keeps_a_lease(small_lab):
    with connect(small_lab(vms=1, lease_timeout=1)) as client:
        lease = begin(client, "imp-08", SIZE)
        for _ in range(3):
            time.sleep(0.6)  # less than the timeout, three times more
            lease.HttpNfcLeaseProgress(1)
        assert lease.state == "ready"


def test_lease_ends_with_its_session(lab, client):
    with connect(lab) as other:
        begin(other, "imp-09", SIZE)
        assert shell_of(client, "imp-09") is not None
    until(lambda: shell_of(client, "imp-09") is None)


@pytest.mark.parametrize(
    ("privilege", "entity"),
    [
        ("VApp.Import", "/DC1/host/CL-A/Resources"),
        ("Datastore.AllocateSpace", "/DC1/datastore/shared-01"),
        ("VirtualMachine.Inventory.Create", "/DC1/vm"),
    ],
)
def test_import_privileges(lab, client, pool, folder, privilege, entity):
    lab.withhold_privilege(entity, privilege)
    try:
        with refused(lab, "privilege", vim.fault.NoPermission) as caught:
            pool.ImportVApp(import_spec("imp-10", SIZE), folder)
        assert caught.value.privilegeId == privilege
    finally:
        lab.grant_privileges()


def test_import_spec_is_checked(lab, client, pool, folder):
    """import-spec"""
    with refused(lab, "import-spec", InvalidArgument):
        pool.ImportVApp(import_spec("imp-11", SIZE), None)
    with refused(lab, "import-spec", InvalidArgument):
        pool.ImportVApp(import_spec("imp-11", SIZE), client.find("/DC1/host"))
    with refused(lab, "import-spec", InvalidArgument):
        pool.ImportVApp(import_spec("imp-11", SIZE, datastore="nowhere"), folder)
    with refused(lab, "import-spec", InvalidArgument):
        pool.ImportVApp(import_spec("", SIZE), folder)


def test_import_needs_a_host_that_reaches_the_datastore(lab, client, pool, folder):
    without_drs = client.find("/DC1/host/CL-B").resourcePool
    with refused(lab, "pool-host", InvalidArgument):
        without_drs.ImportVApp(import_spec("imp-12", SIZE), folder)
    with refused(lab, "iso-reachable", vim.fault.InvalidDatastore):
        pool.ImportVApp(import_spec("imp-12", SIZE, datastore="local-solo"), folder)
    host = next(h for h in client.find("/DC1/host/CL-B").host if h.name == "esx-b1.lab")
    lease = without_drs.ImportVApp(import_spec("imp-12", SIZE), folder, host)
    until(lambda: lease.state == "ready")
    assert shell_of(client, "imp-12").runtime.host == host
    lease.HttpNfcLeaseAbort()


def test_name_of_an_import_is_free(lab, client):
    first = begin(client, "imp-13", SIZE)
    with refused(lab, "import-spec", vim.fault.DuplicateName):
        begin(client, "imp-13", SIZE)
    first.HttpNfcLeaseAbort()


def test_full_datastore_ends_the_import(lab, client):
    """space: thick when the VM is made, thin when its bytes come."""
    lab.datastore("shared-02", free_mib=1)
    try:
        error_of(
            begin(client, "imp-14", SIZE, datastore="shared-02", thin=False), vim.fault.NoDiskSpace
        )
        lease = begin(client, "imp-14", SIZE, datastore="shared-02")
        assert send(client, lease, STREAM) == 507
        error_of(lease, vim.fault.NoDiskSpace)
    finally:
        lab.datastore("shared-02", free_mib=1 << 20)


@pytest.mark.parametrize(
    ("kind", "method"),
    [("task-fails", "ImportVApp"), ("disk-full", "ImportVApp"), ("disk-full", "NfcPOST")],
)
def test_injected_faults_end_the_import(lab, client, kind, method):
    lab.fault(kind, method=method)
    lease = begin(client, "imp-15", SIZE)
    if method == "NfcPOST":
        assert send(client, lease, STREAM) == 507
    assert lease.state == "error"
    until(lambda: shell_of(client, "imp-15") is None)


def test_injected_faults_of_calls_and_transfers(lab, client):
    """A lost connection may be tried again; a cut upload shows in the manifest."""
    lease = begin(client, "imp-16", SIZE)
    lab.fault("fault", method="HttpNfcLeaseProgress", vm="imp-16", fault="SystemError")
    with pytest.raises(vmodl.fault.SystemError):
        lease.HttpNfcLeaseProgress(1)
    lab.fault("drop-connection", method="NfcPOST", vm="imp-16", nbytes=1000)
    with pytest.raises(OSError):
        send(client, lease, STREAM)
    lab.fault("truncate-upload", method="NfcPOST", nbytes=100_000)
    assert send(client, lease, STREAM) == 201
    assert lease.HttpNfcLeaseGetManifest()[0].size == 100_000
    assert send(client, lease, STREAM) == 201
    assert lease.HttpNfcLeaseGetManifest()[0].sha1 == sha1(STREAM)
    assert lab.counters().calls["NfcPOST"] >= 4
    lease.HttpNfcLeaseAbort()


GOVC = shutil.which("govc")


@pytest.mark.skipif(
    not (GOVC and shutil.which("qemu-img")), reason="govc and qemu-img are not both here"
)
def test_govc_imports_as_it_always_does(lab, client, tmp_path: Path):
    """Another client: an OVF of its own, qemu-img's VMDK, detach, destroy, move."""
    (tmp_path / "raw").write_bytes(RAW)
    convert = ["qemu-img", "convert", "-O", "vmdk", "-o", "subformat=streamOptimized"]
    subprocess.run([*convert, tmp_path / "raw", tmp_path / "gov.vmdk"], check=True)
    env = {
        **os.environ,
        "GOVC_URL": lab.url,
        "GOVC_USERNAME": lab.user,
        "GOVC_PASSWORD": lab.password,
        "GOVC_INSECURE": "1",
    }
    place = ["-ds", "shared-01", "-pool", "/DC1/host/CL-A/Resources", "-folder", "/DC1/vm"]
    command = [GOVC, "import.vmdk", *place, tmp_path / "gov.vmdk", "target"]
    subprocess.run(command, check=True, env=env, capture_output=True)
    assert content(client, "target/gov-flat.vmdk") == RAW


OVF = """<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1"
 xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
 xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
 xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData">
<References><File ovf:href="x.vmdk" ovf:id="file1"/></References>
<DiskSection><Info/><Disk ovf:capacity="4194304" ovf:capacityAllocationUnits="byte"
 ovf:diskId="d1" ovf:fileRef="file1"/></DiskSection>
<VirtualSystem ovf:id="x"><Info/><Name>x</Name><VirtualHardwareSection><Info/>
<System><vssd:VirtualSystemType>vmx-13</vssd:VirtualSystemType></System>
<Item><rasd:InstanceID>3</rasd:InstanceID><rasd:ResourceSubType>lsilogic</rasd:ResourceSubType>
<rasd:ResourceType>6</rasd:ResourceType></Item>
<Item><rasd:HostResource>ovf:/disk/d1</rasd:HostResource><rasd:InstanceID>9</rasd:InstanceID>
<rasd:Parent>3</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>
</VirtualHardwareSection></VirtualSystem></Envelope>"""


def spec_of(client, pool, text, name="imp-17"):
    store = next(ds for ds in client.find("/DC1").datastore if ds.name == "shared-01")
    parameters = vim.OvfManager.CreateImportSpecParams(
        entityName=name, diskProvisioning="thin", locale="", deploymentOption=""
    )
    return client.content.ovfManager.CreateImportSpec(text, pool, store, parameters)


def test_import_of_a_minimal_ovf(client, pool, folder):
    result = spec_of(client, pool, OVF)
    assert not result.error
    lease = pool.ImportVApp(result.importSpec, folder)
    until(lambda: lease.state == "ready")
    assert lease.info.deviceUrl[0].importKey == result.fileItem[0].deviceId
    assert send(client, lease, STREAM) == 201
    lease.HttpNfcLeaseComplete()
    assert content(client, "imp-17/imp-17-flat.vmdk") == RAW
    wait(shell_of(client, "imp-17").Destroy_Task())


@pytest.mark.parametrize(
    "text",
    [
        "no xml",
        "<Envelope/>",
        OVF.replace("<rasd:Parent>3</rasd:Parent>", ""),
        OVF.replace("ovf:/disk/d1", "ovf:/disk/d2"),
        OVF.replace(' ovf:fileRef="file1"', ""),
        OVF.replace("<rasd:ResourceType>6</rasd:ResourceType>", ""),
    ],
    ids=["text", "empty", "no controller", "no disk", "no file", "no type"],
)
def test_import_of_an_ovf_with_holes(lab, client, pool, text):
    with refused(lab, "import-spec", InvalidArgument) as caught:
        spec_of(client, pool, text)
    assert caught.value.invalidProperty == "ovfDescriptor"


def test_import_takes_space_and_gives_it_back(client):
    """space: what the stream holds, and nothing once the disk is gone."""

    def free():
        store = next(ds for ds in client.find("/DC1").datastore if ds.name == "shared-01")
        return store.summary.freeSpace

    before = free()
    with imported(client, "imp-18", STREAM, SIZE):
        assert before - 4 * MIB <= free() < before
    assert free() == before
