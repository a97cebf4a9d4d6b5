"""The lab with disks: its machines, their files and the properties that a reader asks for."""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest
from pyVmomi import vim, vmodl

from tests.lab.sdk import connect, devices, disk_of, wait
from tests.soap import dump
from vmboot.lab import start_vcenter

Disk = vim.vm.device.VirtualDisk


@pytest.fixture(scope="module")
def lab(lab_binary):
    with start_vcenter(vms=200, templates=10, disks=True, binary=lab_binary) as vcenter:
        yield vcenter


def machines(client, *paths):
    """Properties of every VM, by name and then by path."""
    view = client.content.viewManager.CreateContainerView(
        client.content.rootFolder, [vim.VirtualMachine], True
    )
    query = vmodl.query.PropertyCollector
    walk = query.TraversalSpec(name="v", path="view", skip=False, type=vim.view.ContainerView)
    spec = query.FilterSpec(
        objectSet=[query.ObjectSpec(obj=view, skip=True, selectSet=[walk])],
        propSet=[query.PropertySpec(type=vim.VirtualMachine, pathSet=["name", *paths])],
    )
    found = client.content.propertyCollector.RetrieveContents([spec])
    rows = [{p.name: p.val for p in row.propSet} for row in found]
    return {row["name"]: row for row in rows}


def test_controllers_and_homes_are_mixed(client):
    rows = machines(client, "config.hardware.device", "config.files.vmPathName")
    fleet = {n: r for n, r in rows.items() if n.startswith(("pvs-", "tpl-"))}
    assert len(fleet) == 210
    kinds = Counter()
    for row in fleet.values():
        listed = row["config.hardware.device"]
        first = next((d for d in listed if isinstance(d, Disk)), None)
        above = {d.key: type(d).__name__.rpartition(".")[2] for d in listed}
        kinds[above[first.controllerKey] if first else "none"] += 1
        if first:
            assert first.unitNumber == 0
    assert set(kinds) == {
        *("ParaVirtualSCSIController", "VirtualLsiLogicSASController", "VirtualLsiLogicController"),
        *("VirtualBusLogicController", "VirtualAHCIController", "VirtualNVMEController"),
        *("VirtualIDEController", "none"),
    }
    stores = {r["config.files.vmPathName"].partition("]")[0][1:] for r in fleet.values()}
    assert stores == {"shared-01", "shared-02", "pod-ds-01", "pod-ds-02", "cl-a-only", "local-a1"}


def test_every_disk_is_on_its_datastore_with_bytes_of_its_own(lab, client):
    found = lab.disks()
    attached = {
        d.backing.fileName: d.capacityInBytes
        for row in machines(client, "config.hardware.device").values()
        for d in row["config.hardware.device"]
        if isinstance(d, Disk)
    }
    assert set(attached) <= set(found)
    assert all(found[path].capacity == size for path, size in attached.items())
    digests = Counter(found[path].digest for path in attached if "/pvs-" in path)
    assert max(digests.values()) == 1
    path = next(p for p in attached if p.startswith("[shared-01] pvs-"))
    extent = path.partition("] ")[2].replace(".vmdk", "-flat.vmdk")
    sector = client.file("GET", extent, headers={"Range": "bytes=0-511"})
    assert sector.status == 206
    assert sector.content[510:] == b"\x55\xaa"


def test_special_machines(lab, client):
    names = {path.rpartition("/")[2] for path in dump(lab) if "/Special/" in path}
    assert names >= {
        *("full-01", "rdm-01", "mw-01", "mw-02", "clone-01", "disk-snap-01", "crypt-01", "ft-01"),
        *("susp-01", "run-01", "iops-01", "wrong-01", "object-01"),
    }
    assert len(devices(client.vm("full-01"), Disk)) == 15
    assert client.vm("run-01").guest.toolsRunningStatus == "guestToolsRunning"


def test_our_disk_is_at_the_wrong_unit(client):
    vm = client.vm("wrong-01")
    disk = disk_of(vm, 1)
    file = disk.backing.fileName.partition("] ")[2]
    body = client.file("GET", file.replace(".vmdk", "-flat.vmdk")).content
    sha12 = hashlib.sha256(body).hexdigest()[:12]
    assert (disk.unitNumber, file) == (1, f"wrong-01/vmboot-boot-{sha12}.vmdk")
    options = {o.key: o.value for o in vm.config.extraConfig}
    assert options["vmboot.media"] == f"boot {sha12}"


def test_properties_for_boot_disks_are_read_by_path(client):
    paths = ("config.files.vmPathName", "config.keyId", "runtime.faultToleranceState")
    rows = machines(client, *paths)
    assert rows["wrong-01"]["config.files.vmPathName"] == "[shared-01] wrong-01/wrong-01.vmx"
    assert rows["ft-01"]["runtime.faultToleranceState"] == "enabled"
    assert rows["crypt-01"]["config.keyId"].keyId == "lab-key-1"
    assert "config.keyId" not in rows["ft-01"]


def test_properties_are_read_by_key(client, needs):
    needs("keyed-paths")
    keyed, device = 'config.extraConfig["vmboot.media"]', "config.hardware.device[2000]"
    rows = machines(client, keyed, device)
    assert rows["wrong-01"][keyed].value.startswith("boot ")
    assert keyed not in rows["ft-01"]
    assert rows["ft-01"][device].unitNumber == 0


def test_ordinary_lab_has_none_of_it(small_lab):
    with connect(lab := small_lab()) as client:
        names = {path.rpartition("/")[2] for path in dump(lab)}
        assert not names & {"full-01", "rdm-01", "object-01"}
        assert {ds.name for ds in client.find("/DC1").datastore}.isdisjoint({"vsan-01"})


def test_object_store(lab, client):
    vm = client.vm("object-01")
    assert vm.datastore[0].summary.type == "vsan"
    flat = client.file("HEAD", "object-01/object-01-flat.vmdk", datastore="vsan-01")
    assert flat.status == 404
    wait(vm.Destroy_Task())
    assert not any(path.startswith("[vsan-01] object-01/") for path in lab.disks())
