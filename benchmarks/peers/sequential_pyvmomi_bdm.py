"""The usual script for boot disks: one VM after the other, a wait per task.

Usage: sequential_pyvmomi_bdm.py MASTER < NAMES      (VMBOOT_* in the environment)

MASTER is its path on every VM's datastore. For each VM: a copy in its folder; the disk at 0:0 one
on and the copy in its place, in one spec; then, as keys may have changed, the devices again, and
the boot order. It does not read back what it did.
"""

from __future__ import annotations

import os
import ssl
import sys
import time
from pathlib import PurePosixPath

from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim

device = vim.vm.device


def main() -> int:
    master = sys.argv[1]
    names = set(sys.stdin.read().split())
    si = SmartConnect(
        host=os.environ["VMBOOT_HOST"].partition(":")[0],
        port=int(os.environ["VMBOOT_HOST"].partition(":")[2] or 443),
        user=os.environ["VMBOOT_USER"],
        pwd=os.environ["VMBOOT_PASSWORD"],
        sslContext=ssl._create_unverified_context(),  # as such scripts do
    )
    content = si.RetrieveContent()
    datacenter = content.rootFolder.childEntity[0]
    view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
    for vm in [vm for vm in view.view if vm.name in names]:
        give(content.virtualDiskManager, datacenter, vm, master)
        print(vm.name)
    Disconnect(si)
    return 0


def give(manager, datacenter, vm, master):
    """Copy, swap, boot order."""
    home = vm.config.files.vmPathName.rpartition("/")[0]
    datastore = home.partition("]")[0] + "]"
    copy = f"{home}/{PurePosixPath(master).name}"
    wait(
        manager.CopyVirtualDisk_Task(
            f"{datastore} {master}", datacenter, copy, datacenter, None, False
        )
    )
    old = next(d for d in disks(vm) if d.unitNumber == 0)
    old.unitNumber = 1
    new = device.VirtualDisk(
        key=-1,
        controllerKey=old.controllerKey,
        unitNumber=0,
        backing=device.VirtualDisk.FlatVer2BackingInfo(fileName=copy, diskMode="persistent"),
    )
    changes = [
        device.VirtualDeviceSpec(operation="edit", device=old),
        device.VirtualDeviceSpec(operation="add", device=new),
    ]
    wait(vm.ReconfigVM_Task(vim.vm.ConfigSpec(deviceChange=changes)))
    boot = vim.vm.BootOptions
    first = next(d for d in disks(vm) if d.unitNumber == 0)
    nic = next(d for d in vm.config.hardware.device if isinstance(d, device.VirtualEthernetCard))
    order = [
        boot.BootableDiskDevice(deviceKey=first.key),
        boot.BootableEthernetDevice(deviceKey=nic.key),
    ]
    wait(vm.ReconfigVM_Task(vim.vm.ConfigSpec(bootOptions=boot(bootOrder=order))))


def disks(vm):
    return [d for d in vm.config.hardware.device if isinstance(d, device.VirtualDisk)]


def wait(task):
    """pyVim's own wait reads the whole task, which fails of a disk manager's."""
    while task.info.state in ("queued", "running"):
        time.sleep(0.05)
    if task.info.state != "success":
        raise task.info.error


if __name__ == "__main__":
    sys.exit(main())
