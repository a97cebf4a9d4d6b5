"""The usual script: one VM after the other, attributes read as they are needed, a wait per task.

Usage: sequential_pyvmomi.py DATASTORE-PATH-OF-ISO < NAMES      (VMBOOT_* in the environment)

It is kinder than most: it walks the inventory once and sends one merged spec per VM instead of one
for the CD and one for the boot order. It does not read back what it did.
"""

from __future__ import annotations

import os
import ssl
import sys

from pyVim.connect import Disconnect, SmartConnect
from pyVim.task import WaitForTask
from pyVmomi import vim

device = vim.vm.device


def main() -> int:
    iso = sys.argv[1]
    names = set(sys.stdin.read().split())
    si = SmartConnect(
        host=os.environ["VMBOOT_HOST"].partition(":")[0],
        port=int(os.environ["VMBOOT_HOST"].partition(":")[2] or 443),
        user=os.environ["VMBOOT_USER"],
        pwd=os.environ["VMBOOT_PASSWORD"],
        sslContext=ssl._create_unverified_context(),  # as such scripts do
    )
    content = si.RetrieveContent()
    view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
    machines = [vm for vm in view.view if vm.name in names]
    for vm in machines:
        WaitForTask(vm.ReconfigVM_Task(spec=attach(vm, iso)))
        print(vm.name)
    Disconnect(si)
    return 0


def attach(vm, iso):
    """Put ``iso`` into the first CD drive, or a new one, connected at power on; boot from it."""
    drive = next(
        (d for d in vm.config.hardware.device if isinstance(d, vim.vm.device.VirtualCdrom)), None
    )
    change = vim.vm.device.VirtualDeviceSpec()
    if drive is None:
        controller = next(
            d
            for d in vm.config.hardware.device
            if isinstance(d, vim.vm.device.VirtualIDEController)
        )
        drive = vim.vm.device.VirtualCdrom(key=-1, controllerKey=controller.key, unitNumber=0)
        change.operation = "add"
    else:
        change.operation = "edit"
    drive.backing = device.VirtualCdrom.IsoBackingInfo(fileName=iso)
    drive.connectable = device.VirtualDevice.ConnectInfo(
        startConnected=True, allowGuestControl=True, connected=vm.runtime.powerState == "poweredOn"
    )
    change.device = drive
    boot = vim.vm.BootOptions(bootOrder=[vim.vm.BootOptions.BootableCdromDevice()])
    return vim.vm.ConfigSpec(deviceChange=[change], bootOptions=boot)


if __name__ == "__main__":
    sys.exit(main())
