"""pyvmomi, as far as the tests of the lab's rules need it."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim, vmodl

from vmboot.lab import Vcenter

Spec = vim.vm.device.VirtualDeviceSpec
ADD, EDIT, REMOVE = Spec.Operation.add, Spec.Operation.edit, Spec.Operation.remove
OTHER_ISO = "[shared-01] iso/other-tools.iso"


def trusting() -> ssl.SSLContext:
    """The lab's certificate is its own; the thumbprint is tested elsewhere."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@dataclass
class Client:
    """A session, with the shortest words for what the tests do."""

    lab: Vcenter
    si: Any

    @property
    def content(self) -> Any:
        return self.si.content

    def find(self, path: str) -> Any:
        """The entity at an inventory path below /DC1/vm, or any path from the root."""
        path = path if path.startswith("/") else f"/DC1/vm/{path}"
        found = self.content.searchIndex.FindByInventoryPath(path.lstrip("/"))
        assert found is not None, path
        return found

    def vm(self, name: str) -> Any:
        """An ordinary VM by its name, a template or a special one."""
        for folder in ("PVS/BIOS", "PVS/UEFI", "Templates", "Special"):
            found = self.content.searchIndex.FindByInventoryPath(f"DC1/vm/{folder}/{name}")
            if found is not None:
                return found
        raise AssertionError(name)

    def reconfigure(self, vm: Any, *changes: Any, **fields: Any) -> None:
        """Reconfigure and wait; the task's error is raised."""
        wait(self.start(vm, *changes, **fields))

    def start(self, vm: Any, *changes: Any, **fields: Any) -> Any:
        return vm.ReconfigVM_Task(vim.vm.ConfigSpec(deviceChange=list(changes), **fields))

    def power(self, vm: Any, on: bool) -> None:
        wait(vm.PowerOnVM_Task() if on else vm.PowerOffVM_Task())

    def file(
        self, method: str, name: str, *, datastore: str = "shared-01", **more: Any
    ) -> HTTPResponse:
        """One HTTP request on /folder; ``body`` and ``headers`` as http.client takes them."""
        query = urlencode({"dcPath": "DC1", "dsName": datastore})
        connection = HTTPSConnection(self.lab.host, self.lab.port, context=trusting(), timeout=30)
        headers = {"Cookie": self.si._stub.cookie.split(";")[0], **more.pop("headers", {})}
        url = f"/folder/{quote(name)}?{query}"
        connection.request(method, url, headers=headers, **more)
        response = connection.getresponse()
        response.content = response.read()  # type: ignore[attr-defined]
        connection.close()
        return response


@contextmanager
def connect(lab: Vcenter, *, user: str | None = None, password: str | None = None) -> Iterator[Any]:
    """A client that is logged in."""
    si = SmartConnect(
        host=lab.host,
        port=lab.port,
        user=user or lab.user,
        pwd=password or lab.password,
        sslContext=trusting(),
    )
    try:
        yield Client(lab, si)
    finally:
        with suppress(vmodl.MethodFault, OSError):
            Disconnect(si)


def wait(task: Any, seconds: float = 30.0) -> Any:
    """Wait for a task; its error is raised, its result returned."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        state = task.info.state
        if state == "success":
            return task.info.result
        if state == "error":
            raise task.info.error
        time.sleep(0.01)
    raise TimeoutError(task)


def leaf(client: Client, entity: Any, path: str) -> Any:
    """One property by its path: the whole of a task's info may be unreadable while it runs."""
    query = vmodl.query.PropertyCollector
    spec = query.FilterSpec(
        objectSet=[query.ObjectSpec(obj=entity)],
        propSet=[query.PropertySpec(type=type(entity), pathSet=[path])],
    )
    found = client.content.propertyCollector.RetrieveContents([spec])
    return found[0].propSet[0].val


def until(check: Any, seconds: float = 10.0) -> Any:
    """Wait until ``check()`` is true."""
    end = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
    return found


@contextmanager
def refused(lab: Vcenter, rule: str, fault: type[Exception]) -> Iterator[Any]:
    """What happens inside is refused with a fault, by exactly the named rule."""
    before = refusals(lab)
    with pytest.raises(fault) as caught:
        yield caught
    assert type(caught.value) is fault
    assert since(lab, before) == {rule}


def refusals(lab: Vcenter) -> dict[str, int]:
    return {rule.name: rule.refused for rule in lab.rules()}


def since(lab: Vcenter, before: dict[str, int]) -> set[str]:
    """The rules that refused something since ``before``."""
    return {name for name, count in refusals(lab).items() if count > before[name]}


def devices(vm: Any, kind: Any) -> list[Any]:
    return [device for device in vm.config.hardware.device if isinstance(device, kind)]


def disk_of(vm: Any, number: int = 0) -> Any:
    return devices(vm, vim.vm.device.VirtualDisk)[number]


def cd_of(vm: Any) -> Any:
    return devices(vm, vim.vm.device.VirtualCdrom)[0]


def nic_of(vm: Any) -> Any:
    return devices(vm, vim.vm.device.VirtualEthernetCard)[0]


def edit(device: Any) -> Any:
    return Spec(operation=EDIT, device=device)


def add(device: Any, operation: str | None = None) -> Any:
    return Spec(operation=ADD, device=device, fileOperation=operation)


def remove(device: Any, operation: str | None = None) -> Any:
    return Spec(operation=REMOVE, device=device, fileOperation=operation)


def iso(name: str) -> Any:
    return vim.vm.device.VirtualCdrom.IsoBackingInfo(fileName=name)


def new_cd(controller: int, unit: int | None, file: str = "", *, start: bool = True) -> Any:
    """A CD-ROM drive to add; the client's device when ``file`` is empty."""
    kind = vim.vm.device.VirtualCdrom
    backing = (
        iso(file) if file else kind.RemotePassthroughBackingInfo(deviceName="", exclusive=False)
    )
    connect = vim.vm.device.VirtualDevice.ConnectInfo(
        startConnected=start, allowGuestControl=True, connected=False
    )
    return kind(
        key=-1, controllerKey=controller, unitNumber=unit, backing=backing, connectable=connect
    )


def new_disk(controller: int, unit: int | None, file: str, *, kib: int = 0) -> Any:
    """A disk to add: an existing file, or with ``kib`` a new one."""
    backing = vim.vm.device.VirtualDisk.FlatVer2BackingInfo(fileName=file, diskMode="persistent")
    disk = vim.vm.device.VirtualDisk(
        key=-2, controllerKey=controller, unitNumber=unit, backing=backing
    )
    disk.capacityInKB = kib
    return disk


def moved(device: Any, unit: int, controller: int | None = None) -> Any:
    """The device, fully specified, at another slot."""
    device.unitNumber = unit
    device.controllerKey = device.controllerKey if controller is None else controller
    return device


def boot(**fields: Any) -> Any:
    return vim.vm.BootOptions(**fields)


def boot_words(vm: Any) -> list[str]:
    """The boot order as words with keys: ``["cd", "disk 2000", "nic 4000"]``."""
    kinds = vim.vm.BootOptions
    words = []
    for entry in vm.config.bootOptions.bootOrder:
        if isinstance(entry, kinds.BootableDiskDevice):
            words.append(f"disk {entry.deviceKey}")
        elif isinstance(entry, kinds.BootableEthernetDevice):
            words.append(f"nic {entry.deviceKey}")
        else:
            words.append("cd" if isinstance(entry, kinds.BootableCdromDevice) else "bare")
    return words
