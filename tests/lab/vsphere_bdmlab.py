"""What the tests of boot disks' plans share: copies made by hand, and two ways to attach them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyVmomi import vim

from tests.lab.sdk import Client, wait
from tests.lab.vsphere_lab import again
from vmboot.vsphere.bdmdisk import plan_bdm
from vmboot.vsphere.bootorder import defer_boot_order, predict_boot_order, rebase_boot_order
from vmboot.vsphere.cdrom import SlotPlan
from vmboot.vsphere.changes import Change
from vmboot.vsphere.machine import Machine
from vmboot.vsphere.ourdisks import media_of
from vmboot.vsphere.reconfigure import reconfigure_job
from vmboot.vsphere.session import Session
from vmboot.vsphere.tasks import run_window

NEW, OLD = "vmboot-boot-0123456789ab.vmdk", "vmboot-boot-aaaaaaaaaaaa.vmdk"
SIZE_KB = 8192


def copy_for(client: Client, found: Machine, name: str) -> str:
    """A disk in the machine's own folder, made by hand."""
    path = f"{found.home}/{name}"
    spec = vim.VirtualDiskManager.FileBackedVirtualDiskSpec(
        diskType="thin", adapterType="lsiLogic", capacityKb=SIZE_KB
    )
    datacenter = client.find("/DC1")
    manager = client.content.virtualDiskManager
    wait(manager.CreateVirtualDisk_Task(name=path, datacenter=datacenter, spec=spec))
    return path


def planned(found: Machine, file: str) -> SlotPlan:
    return plan_bdm(found, file=file, datastore="", media=media_of(file))


def reconfigure(session: Session, found: Machine, changes: Iterable[Change]) -> Machine:
    (outcome,) = run_window(session, [reconfigure_job(found, tuple(changes))])
    assert outcome.ok, outcome.error
    return again(session, [found])[0]


def in_one_go(session: Session, found: Machine, changes: tuple[Change, ...]) -> Machine:
    """One reconfigure, with the boot order as foretold."""
    predicted = predict_boot_order(changes, found)
    rest, _ = defer_boot_order(changes, machine=found)
    return reconfigure(session, found, (*rest, *((predicted,) if predicted else ())))


def in_two_steps(session: Session, found: Machine, changes: tuple[Change, ...]) -> Machine:
    """The safe way: the boot order with the keys that the first reconfigure led to."""
    rest, order = defer_boot_order(changes, machine=found)
    now = reconfigure(session, found, rest)
    if order is None:
        return now
    rebased = rebase_boot_order(order, planned_on=found, now=now, changes=changes)
    return reconfigure(session, now, (rebased,)) if rebased else now


def devices(client: Client, found: Machine) -> dict[str, str]:
    """Every device as the API tells it, whole, by its label."""
    moref = vim.VirtualMachine(found.moid, client.si._stub)
    return {d.deviceInfo.label: str(d) for d in moref.config.hardware.device}


def disk_of(client: Client, found: Machine, file: str) -> Any:
    moref = vim.VirtualMachine(found.moid, client.si._stub)
    disks = (d for d in moref.config.hardware.device if isinstance(d, vim.vm.device.VirtualDisk))
    return next(disk for disk in disks if disk.backing.fileName == file)
