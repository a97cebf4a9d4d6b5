"""Imports through an NFC lease, as pyvmomi and http.client do them, for the lab's own tests."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from http.client import HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from pyVmomi import vim

from tests.lab.sdk import Client, add, until, wait
from tests.lab.sdk import trusting as _trusting

Lsi = vim.vm.device.VirtualLsiLogicController
Disk = vim.vm.device.VirtualDisk


def import_spec(name: str, size: int, *, datastore: str = "shared-01", thin: bool = True) -> Any:
    """The import of a VM with one disk of ``size`` bytes."""
    backing = Disk.FlatVer2BackingInfo(
        fileName="", diskMode="persistent", thinProvisioned=thin, datastore=None
    )
    lsi = Lsi(key=-1, busNumber=0, sharedBus="noSharing")
    disk = Disk(key=-2, controllerKey=-1, unitNumber=0, backing=backing, capacityInKB=size // 1024)
    config = vim.vm.ConfigSpec(
        name=name,
        numCPUs=1,
        memoryMB=64,
        guestId="otherGuest",
        files=vim.vm.FileInfo(vmPathName=f"[{datastore}]"),
        deviceChange=[add(lsi), add(disk, "create")],
    )
    return vim.vm.VmImportSpec(configSpec=config)


def begin(client: Client, name: str, size: int, **options: Any) -> Any:
    """A lease that is ready."""
    pool = client.find("/DC1/host/CL-A").resourcePool
    folder = client.find("/DC1/vm")
    lease = pool.ImportVApp(import_spec(name, size, **options), folder)
    until(lambda: lease.state != "initializing")
    return lease


def send(client: Client, lease: Any, body: Any, *, method: str = "POST", **headers: str) -> int:
    """Upload the one disk; the HTTP status."""
    url = urlsplit(lease.info.deviceUrl[0].url)
    connection = HTTPSConnection(url.hostname, url.port, context=_trusting(), timeout=30)
    head = {"Content-Type": "application/x-vnd.vmware-streamVmdk", **headers}
    try:
        connection.request(method, url.path, body=body, headers=head)
        return connection.getresponse().status
    finally:
        connection.close()


def shell_of(client: Client, name: str) -> Any:
    """The VM that an import made, or ``None``."""
    return client.content.searchIndex.FindByInventoryPath(f"DC1/vm/{name}")


@contextmanager
def imported(client: Client, name: str, body: bytes, size: int, **options: Any) -> Any:
    """A VM with an imported disk; it is destroyed again, with what it still has."""
    lease = begin(client, name, size, **options)
    assert send(client, lease, body) == 201
    lease.HttpNfcLeaseComplete()
    vm = shell_of(client, name)
    try:
        yield vm
    finally:
        wait(vm.Destroy_Task())


def sha1(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()
