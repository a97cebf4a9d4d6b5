"""Files and access: what the lab refuses and the simulator would not."""

from __future__ import annotations

import socket
import ssl
from urllib.parse import urlencode

import pytest
from pyVmomi import vim, vmodl

from tests.lab.sdk import OTHER_ISO, cd_of, connect, edit, iso, leaf, refused, trusting, until, wait
from tests.soap import COLLECTOR, Soap, SoapFault

FileLocked = vim.fault.FileLocked
FileExists = vim.fault.FileAlreadyExists
NotFound = vim.fault.FileNotFound


@pytest.fixture(scope="module")
def files(client):
    return client.content.fileManager


@pytest.fixture(scope="module")
def dc(client):
    return client.find("/DC1")


@pytest.fixture(scope="module", autouse=True)
def directory(files, dc):
    files.MakeDirectory("[shared-01] up", dc, False)


def refused_by(lab, rule):
    return next(r.refused for r in lab.rules() if r.name == rule)


@pytest.fixture
def http_refused(lab):
    """Counts the refusals of one rule: HTTP has only statuses."""

    def check(rule, response, status):
        assert response.status == status, response.content
        assert refused_by(lab, rule) > before[rule]

    before = {r.name: r.refused for r in lab.rules()}
    return check


def test_upload_and_download(client):
    body = bytes(range(256)) * 1024
    assert client.file("PUT", "up/a b.iso", body=body).status == 201
    assert client.file("GET", "up/a b.iso").content == body
    part = client.file("GET", "up/a b.iso", headers={"Range": "bytes=256-511"})
    assert (part.status, part.content) == (206, bytes(range(256)))
    assert client.file("PUT", "up/a b.iso", body=b"new").status == 200
    assert client.file("HEAD", "up/a b.iso").getheader("Content-Length") == "3"
    assert client.file("DELETE", "up/a b.iso").status == 204
    assert client.file("GET", "up/a b.iso").status == 404


def test_upload_into_a_missing_directory(client, http_refused):
    http_refused("upload-directory", client.file("PUT", "no/such/a.iso", body=b"x"), 404)


def test_upload_without_a_length(client, http_refused):
    response = client.file("PUT", "up/chunked.iso", body=iter([b"x"]), encode_chunked=True)
    http_refused("upload-length", response, 400)


def test_upload_that_ends_early_leaves_no_file(lab, client):
    before = refused_by(lab, "upload-length")
    query = urlencode({"dcPath": "DC1", "dsName": "shared-01"})
    cookie = client.si._stub.cookie.split(";")[0]
    head = f"PUT /folder/up/short.iso?{query} HTTP/1.1\r\nHost: lab\r\nCookie: {cookie}\r\n"
    with (
        socket.create_connection((lab.host, lab.port), timeout=10) as raw,
        trusting().wrap_socket(raw) as wire,
    ):
        wire.sendall(head.encode() + b"Content-Length: 100000\r\n\r\n" + bytes(5000))
        wire.shutdown(socket.SHUT_WR)
        until(lambda: refused_by(lab, "upload-length") > before)
    assert client.file("HEAD", "up/short.iso").status == 404


def test_folder_needs_a_session(lab, client, http_refused):
    for method in ("GET", "PUT", "DELETE"):
        response = client.file(method, "iso/other-tools.iso", headers={"Cookie": "x=y"})
        http_refused("folder-session", response, 401)
    assert client.file("HEAD", "iso/other-tools.iso").status == 200


@pytest.mark.parametrize("query", ["dcPath=DC2&dsName=shared-01", "dcPath=DC1&dsName=none"])
def test_folder_needs_datacenter_and_datastore(lab, client, query):
    from http.client import HTTPSConnection

    connection = HTTPSConnection(lab.host, lab.port, context=trusting())
    cookie = client.si._stub.cookie.split(";")[0]
    connection.request("GET", f"/folder/x?{query}", headers={"Cookie": cookie})
    assert connection.getresponse().status == 404
    connection.close()


def test_file_in_use_is_left_alone(lab, client, files, dc, http_refused):
    """A running VM holds it; after that one is off it may go."""
    vm = client.vm("pvs-003")
    client.file("PUT", "up/used.iso", body=b"1" * 4096)
    cd = cd_of(vm)
    cd.backing, cd.connectable.connected, cd.connectable.startConnected = (
        iso("[shared-01] up/used.iso"),
        True,
        True,
    )
    client.reconfigure(vm, edit(cd))
    http_refused("file-in-use", client.file("PUT", "up/used.iso", body=b"2"), 500)
    http_refused("file-in-use", client.file("DELETE", "up/used.iso"), 500)
    with refused(lab, "file-in-use", FileLocked):
        wait(files.DeleteDatastoreFile_Task("[shared-01] up/used.iso", dc))
    with refused(lab, "file-in-use", FileLocked):
        wait(files.DeleteDatastoreFile_Task("[shared-01] up", dc))
    with refused(lab, "file-in-use", FileLocked):
        wait(files.MoveDatastoreFile_Task("[shared-01] up/used.iso", dc, "[shared-01] z.iso", dc))
    client.power(vm, on=False)
    assert client.file("PUT", "up/used.iso", body=b"2").status == 200
    client.power(vm, on=True)


def test_disk_of_a_running_vm_is_not_deleted(lab, client, dc):
    with refused(lab, "file-in-use", FileLocked):
        wait(
            client.content.virtualDiskManager.DeleteVirtualDisk_Task(
                "[shared-01] pvs-003/pvs-003.vmdk", dc
            )
        )


def test_move_and_copy(lab, client, files, dc):
    client.file("PUT", "up/one.iso", body=b"one")
    client.file("PUT", "up/two.iso", body=b"two")
    one, two = "[shared-01] up/one.iso", "[shared-01] up/two.iso"
    with refused(lab, "file-exists", FileExists):
        wait(files.MoveDatastoreFile_Task(one, dc, two, dc, False))
    with refused(lab, "file-exists", FileExists):
        wait(files.CopyDatastoreFile_Task(one, dc, two, dc))
    wait(files.MoveDatastoreFile_Task(one, dc, two, dc, True))
    assert client.file("GET", "up/two.iso").content == b"one"
    assert client.file("GET", "up/one.iso").status == 404
    wait(files.CopyDatastoreFile_Task(two, dc, "[shared-02] two.iso", dc))
    assert client.file("GET", "two.iso", datastore="shared-02").content == b"one"


def test_files_must_be_there(lab, files, dc):
    missing = "[shared-01] up/missing.iso"
    with refused(lab, "file-missing", NotFound):
        wait(files.MoveDatastoreFile_Task(missing, dc, "[shared-01] up/x.iso", dc))
    with refused(lab, "file-missing", NotFound):
        wait(files.DeleteDatastoreFile_Task(missing, dc))
    with refused(lab, "file-missing", NotFound):
        files.MakeDirectory("[shared-01] no/parent", dc, False)
    with refused(lab, "file-missing", NotFound):
        wait(files.CopyDatastoreFile_Task(OTHER_ISO, dc, "[shared-01] no/parent/x.iso", dc))
    with refused(lab, "file-missing", vim.fault.InvalidDatastore):
        files.MakeDirectory("[nowhere] x", dc, False)


def test_make_directory(lab, files, dc):
    files.MakeDirectory("[shared-01] deep/er/still", dc, True)
    with refused(lab, "file-exists", FileExists):
        files.MakeDirectory("[shared-01] deep/er", dc, False)


def test_dots_do_not_leave_the_datastore(lab, files, dc):
    with refused(lab, "file-missing", vim.fault.InvalidDatastorePath):
        files.MakeDirectory("[shared-01] ../x", dc, False)


def test_disk_manager_overwrites_nothing(lab, client, dc):
    disks = client.content.virtualDiskManager
    source, target = "[shared-01] pvs-001/pvs-001.vmdk", "[shared-01] pvs-005/pvs-005.vmdk"
    with refused(lab, "disk-new", FileExists):
        wait(disks.CopyVirtualDisk_Task(source, dc, target, dc, None, True))
    with refused(lab, "disk-new", NotFound):
        wait(disks.CopyVirtualDisk_Task(source, dc, "[shared-01] no/x.vmdk", dc, None, False))
    with refused(lab, "disk-new", FileExists):
        spec = vim.VirtualDiskManager.FileBackedVirtualDiskSpec(
            diskType="thin", adapterType="lsiLogic", capacityKb=1024
        )
        wait(disks.CreateVirtualDisk_Task(target, dc, spec))


def test_disk_manager_copies_a_disk(lab, client, dc):
    disks = client.content.virtualDiskManager
    source, target = "[shared-01] pvs-001/pvs-001.vmdk", "[shared-01] up/copy.vmdk"
    wait(disks.CopyVirtualDisk_Task(source, dc, target, dc))
    size = client.file("HEAD", "up/copy-flat.vmdk").getheader("Content-Length")
    assert size == client.file("HEAD", "pvs-001/pvs-001-flat.vmdk").getheader("Content-Length")
    with refused(lab, "spec-known", vmodl.fault.NotImplemented):
        spec = vim.VirtualDiskManager.VirtualDiskSpec(diskType="thin", adapterType="lsiLogic")
        disks.CopyVirtualDisk_Task(source, dc, "[shared-01] up/other.vmdk", dc, spec)
    wait(disks.DeleteVirtualDisk_Task(target, dc))
    assert client.file("HEAD", "up/copy-flat.vmdk").status == 404


@pytest.mark.parametrize("store", ["shared-01", "pod-ds-01"])
def test_datastore_browser_sees_uploads(client, store):
    client.file("PUT", "seen.iso", datastore=store, body=bytes(1234))
    datastore = next(ds for ds in client.find("/DC1").datastore if ds.name == store)
    kind = vim.host.DatastoreBrowser
    spec = kind.SearchSpec(
        matchPattern=["seen.iso"],
        details=kind.FileInfo.Details(fileSize=True, fileType=True, modification=True),
    )
    task = datastore.browser.SearchDatastore_Task(f"[{store}]", spec)
    until(lambda: leaf(client, task, "info.state") == "success")
    assert [(f.path, f.fileSize) for f in task.info.result.file] == [("seen.iso", 1234)]


def test_full_datastore(lab, client, http_refused):
    lab.datastore("shared-02", free_mib=1)
    response = client.file("PUT", "big.iso", datastore="shared-02", body=bytes(2 << 20))
    http_refused("space", response, 507)
    lab.datastore("shared-02", free_mib=1 << 20)


@pytest.mark.parametrize("state", [{"accessible": False}, {"maintenance": "inMaintenance"}])
def test_datastore_out_of_service(lab, client, dc, files, http_refused, state):
    lab.datastore("shared-02", **state)
    http_refused(
        "datastore-state", client.file("PUT", "a.iso", datastore="shared-02", body=b"x"), 404
    )
    with refused(lab, "datastore-state", vim.fault.InvalidDatastore):
        files.MakeDirectory("[shared-02] x", dc, False)
    lab.datastore("shared-02", accessible=True, maintenance="normal")


@pytest.mark.parametrize("who", [{"user": "root"}, {"password": "wrong"}])
def test_login_is_checked(lab, who):
    with refused(lab, "login-checked", vim.fault.InvalidLogin), connect(lab, **who):
        pass


def test_nothing_is_read_without_a_session(lab):
    """The simulator shows its whole inventory to anybody."""
    folder = (
        "<specSet><propSet><type>Folder</type><pathSet>name</pathSet></propSet>"
        '<objectSet><obj type="Folder">group-d1</obj></objectSet></specSet><options/>'
    )
    with Soap(lab.url) as soap:
        assert soap.root()
        with pytest.raises(SoapFault) as caught:
            soap.call("RetrievePropertiesEx", COLLECTOR, folder)
    assert caught.value.name == "NotAuthenticated"
    assert refused_by(lab, "session-needed")


def test_idle_session_ends(small_lab):
    with connect(lab := small_lab(session_timeout=1)) as client:
        vm = client.vm("pvs-001")
        until(lambda: lab.lab_status() and _expired(vm), seconds=10)
        assert refused_by(lab, "session-idle") == 1


def _expired(vm):
    import time

    time.sleep(1.2)
    with pytest.raises(vim.fault.NotAuthenticated):
        vm.name  # noqa: B018
    return True


def test_sessions_can_be_dropped(small_lab):
    with connect(lab := small_lab()) as client:
        assert lab.expire_sessions() == 1
        with pytest.raises(vim.fault.NotAuthenticated):
            client.content.rootFolder.name  # noqa: B018
        client.content.sessionManager.Login(lab.user, lab.password)
        assert client.vm("pvs-001").name == "pvs-001"


CASES = [
    ("VirtualMachine.Config.Settings", {"bootOptions": vim.vm.BootOptions(bootDelay=1)}),
    ("VirtualMachine.Config.AdvancedConfig", {"extraConfig": [vim.option.OptionValue(key="a")]}),
    ("VirtualMachine.Config.Rename", {"name": "x"}),
]


@pytest.mark.parametrize(("privilege", "fields"), CASES, ids=[c[0] for c in CASES])
def test_missing_privilege(small_lab, privilege, fields):
    with connect(lab := small_lab()) as client:
        vm, other = client.vm("pvs-001"), client.vm("pvs-002")
        lab.withhold_privilege("/DC1/vm/PVS/BIOS/pvs-001", privilege)
        manager = client.content.authorizationManager
        session = client.content.sessionManager.currentSession.key
        answer = manager.HasPrivilegeOnEntities([vm, other], session, [privilege, "System.View"])
        granted = {e.entity.name: [p.isGranted for p in e.privAvailability] for e in answer}
        assert granted == {"pvs-001": [False, True], "pvs-002": [True, True]}
        with refused(lab, "privilege", vim.fault.NoPermission) as caught:
            client.reconfigure(vm, **fields)
        assert caught.value.privilegeId == privilege
        assert caught.value.object == vm
        lab.grant_privileges()
        client.reconfigure(vm, **fields)


MEDIA = "VirtualMachine.Interact.SetCDMedia"


def test_missing_device_privileges(small_lab):
    with connect(lab := small_lab()) as client:
        vm = client.vm("pvs-001")
        lab.withhold_privilege("/DC1/vm/PVS", MEDIA)  # propagates
        cd = cd_of(vm)
        cd.backing = iso(OTHER_ISO)
        with refused(lab, "privilege", vim.fault.NoPermission) as caught:
            client.reconfigure(vm, edit(cd))
        assert caught.value.privilegeId == MEDIA
        cd = cd_of(vm)
        cd.connectable.startConnected = True
        client.reconfigure(vm, edit(cd))  # another privilege, which is there


@pytest.mark.parametrize(
    ("privilege", "call"),
    [
        ("VirtualMachine.Provisioning.MarkAsVM", lambda c, t: t.MarkAsVirtualMachine(_pool(c))),
        ("VirtualMachine.Interact.PowerOn", lambda c, t: c.vm("pvs-001").PowerOnVM_Task()),
    ],
)
def test_missing_operation_privilege(small_lab, privilege, call):
    with connect(lab := small_lab()) as client:
        lab.withhold_privilege("/DC1/vm", privilege)
        with refused(lab, "privilege", vim.fault.NoPermission):
            call(client, client.vm("tpl-win11-pvs"))


def _pool(client):
    return client.find("/DC1/host/CL-A").resourcePool


def test_missing_datastore_privilege(small_lab):
    with connect(lab := small_lab()) as client:
        lab.withhold_privilege("/DC1/datastore/shared-01", "Datastore.FileManagement")
        assert client.file("PUT", "a.iso", body=b"x").status == 403
        assert client.file("PUT", "a.iso", datastore="shared-02", body=b"x").status == 201
        with refused(lab, "privilege", vim.fault.NoPermission):
            client.content.fileManager.MakeDirectory("[shared-01] x", client.find("/DC1"), False)


def test_certificate_is_the_one_announced(lab):
    import hashlib

    der = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate((lab.host, lab.port)))
    digest = hashlib.sha256(der).hexdigest().upper()
    assert lab.thumbprint.replace(":", "") == digest


def test_missing_object(client):
    with pytest.raises(vmodl.fault.ManagedObjectNotFound):
        vim.VirtualMachine("vm-4711", client.si._stub).MarkAsTemplate()


def test_disk_of_a_vm_that_is_off_stays(lab, client, files, dc):
    """disk-attached: nothing takes a configured disk away from its VM."""
    disks = client.content.virtualDiskManager
    source, target = "[shared-01] pvs-001/pvs-001.vmdk", "[shared-01] up/stolen.vmdk"
    for task in (
        lambda: disks.DeleteVirtualDisk_Task(source, dc),
        lambda: disks.MoveVirtualDisk_Task(source, dc, target, dc),
        lambda: files.DeleteDatastoreFile_Task(source, dc),
        lambda: files.DeleteDatastoreFile_Task("[shared-01] pvs-001", dc),
        lambda: files.MoveDatastoreFile_Task(source, dc, target, dc),
    ):
        with refused(lab, "disk-attached", FileLocked):
            wait(task())
    assert client.file("HEAD", "pvs-001/pvs-001-flat.vmdk").status == 200


def test_object_store_has_no_flat_extents(small_lab):
    """flat-addressable: as on vSAN, and a directory goes with its VM."""
    with connect(lab := small_lab()) as client:
        lab.datastore("shared-01", type="vsan")
        before = refused_by(lab, "flat-addressable")
        assert client.file("GET", "pvs-001/pvs-001-flat.vmdk").status == 404
        assert client.file("PUT", "pvs-001/new-flat.vmdk", body=b"x").status == 404
        assert refused_by(lab, "flat-addressable") == before + 2
        assert client.file("HEAD", "pvs-001/pvs-001.vmdk").status == 200
        client.file("PUT", "pvs-001/notes.txt", body=b"x")
        wait(client.vm("pvs-001").Destroy_Task())
        assert client.file("HEAD", "pvs-001/notes.txt").status == 404


def test_destroy_leaves_what_is_not_of_the_vm(client, dc):
    vm = client.vm("pvs-013")
    assert client.file("PUT", "pvs-013/notes.txt", body=b"x").status == 201
    wait(vm.Destroy_Task())
    assert client.file("HEAD", "pvs-013/pvs-013-flat.vmdk").status == 404
    assert client.file("HEAD", "pvs-013/pvs-013.vmx").status == 404
    assert client.file("HEAD", "pvs-013/notes.txt").status == 200
