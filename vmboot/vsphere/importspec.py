"""The specs that an import sends: a shell machine with one new disk, and that disk's detaching."""

from __future__ import annotations

from typing import Any

from pyVmomi import vim as _vim

vim: Any = _vim  # its types are made at run time
_ADD = vim.vm.device.VirtualDeviceSpec.Operation.add
_REMOVE = vim.vm.device.VirtualDeviceSpec.Operation.remove
_CREATE = vim.vm.device.VirtualDeviceSpec.FileOperation.create
_CONTROLLER_KEY, _DISK_KEY = -1, -2
MEMORY_MB = 4  # the least there is; the shell is never powered on


def shell_spec(*, name: str, datastore: str, size: int, notes: dict[str, str]) -> Any:
    """A ``VirtualMachineImportSpec``: one processor, one LSI controller, one thin disk.

    :param datastore: name; the vCenter makes the machine's folder there
    :param size: of the disk in bytes, a multiple of 1024
    :param notes: extraConfig
    """
    spec = vim.vm.ConfigSpec(
        name=name,
        guestId="otherGuest64",
        numCPUs=1,
        memoryMB=MEMORY_MB,
        files=vim.vm.FileInfo(vmPathName=f"[{datastore}]"),
        annotation="vmboot imports a boot disk with this machine; it is removed afterwards",
        extraConfig=[vim.option.OptionValue(key=key, value=notes[key]) for key in notes],
    )
    spec.deviceChange = [
        vim.vm.device.VirtualDeviceSpec(operation=_ADD, device=_controller()),
        vim.vm.device.VirtualDeviceSpec(
            operation=_ADD, fileOperation=_CREATE, device=_disk(datastore, size)
        ),
    ]
    return vim.vm.VmImportSpec(configSpec=spec)


def detach_spec(disk: Any) -> Any:
    """Take a disk out of a machine. Without ``fileOperation`` its file stays."""
    change = vim.vm.device.VirtualDeviceSpec(operation=_REMOVE, device=disk)
    return vim.vm.ConfigSpec(deviceChange=[change])


def disks_of(devices: tuple[Any, ...]) -> list[Any]:
    """The disks among a machine's devices."""
    return [device for device in devices if isinstance(device, vim.vm.device.VirtualDisk)]


def thin_disk(size: int) -> Any:
    """A ``FileBackedVirtualDiskSpec`` for an empty thin disk of ``size`` bytes."""
    manager = vim.VirtualDiskManager
    return manager.FileBackedVirtualDiskSpec(
        diskType=manager.VirtualDiskType.thin,
        adapterType=manager.VirtualDiskAdapterType.lsiLogic,
        capacityKb=size // 1024,
    )


def _controller() -> Any:
    kinds = vim.vm.device.VirtualSCSIController
    return vim.vm.device.VirtualLsiLogicController(
        key=_CONTROLLER_KEY, busNumber=0, sharedBus=kinds.Sharing.noSharing
    )


def _disk(datastore: str, size: int) -> Any:
    backing = vim.vm.device.VirtualDisk.FlatVer2BackingInfo(
        fileName=f"[{datastore}]", diskMode="persistent", thinProvisioned=True
    )
    return vim.vm.device.VirtualDisk(
        key=_DISK_KEY,
        controllerKey=_CONTROLLER_KEY,
        unitNumber=0,
        backing=backing,
        capacityInKB=size // 1024,
        capacityInBytes=size,
    )
