"""Changes as one ``VirtualMachineConfigSpec``. The only place that builds device specs.

Edits are fully specified (device, controller, unit, backing, connection): vSphere 8.0 U2 and later
refuse sparse CD edits with ``InvalidPowerState``. ``fileOperation`` is never set, so no disk file
is ever created or deleted.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from pyVmomi import vim as _vim

from vmboot.errors import RefusedError
from vmboot.vsphere.changes import (
    AddCdrom,
    AddController,
    AddDisk,
    Change,
    DetachDisk,
    MoveDevice,
    RemoveDevice,
    SetBootOrder,
    SetCdrom,
    SetExtra,
)
from vmboot.vsphere.machine import (
    BootEntry,
    Bus,
    CdBacking,
    Connection,
    DeviceKind,
    DiskBacking,
    Machine,
)
from vmboot.vsphere.sameness import EMPTY_DRIVE

_DeviceChange: TypeAlias = (
    AddController | MoveDevice | AddCdrom | SetCdrom | AddDisk | DetachDisk | RemoveDevice
)

vim: Any = _vim  # its types are made at run time
_EDIT = vim.vm.device.VirtualDeviceSpec.Operation.edit
_ADD = vim.vm.device.VirtualDeviceSpec.Operation.add
_REMOVE = vim.vm.device.VirtualDeviceSpec.Operation.remove


def config_spec(
    changes: Iterable[Change],
    *,
    machine: Machine,
    live_devices: Iterable[Any] = (),
    guard: bool = True,
) -> Any:
    """One merged spec, with the devices in the order of ``changes``.

    :param machine: as last read; the changes were planned on it
    :param live_devices: pyVmomi devices of the machine, from
        :func:`vmboot.vsphere.reconfigure.read_devices`; needed for :class:`MoveDevice` only
    :param guard: send the machine's ``changeVersion``, so that the vCenter refuses the spec when
        somebody changed the machine since. Not for a machine that just was a template.
    :raises RefusedError: a change names a device that the machine does not have
    """
    live = {device.key: device for device in live_devices}
    spec = vim.vm.ConfigSpec()
    spec.deviceChange = []
    spec.extraConfig = []
    for change in changes:
        if isinstance(change, SetBootOrder):
            spec.bootOptions = _boot_options(change)
        elif isinstance(change, SetExtra):
            spec.extraConfig.append(vim.option.OptionValue(key=change.name, value=change.after))
        else:
            spec.deviceChange.append(_device_spec(change, machine, live))
    if guard and machine.change_version:
        spec.changeVersion = machine.change_version
    return spec


def devices_query(machines: list[Any]) -> Any:
    """A PropertyCollector query for the whole devices of ``machines`` (pyVmomi references)."""
    query = vim.PropertyCollector
    return query.FilterSpec(
        objectSet=[query.ObjectSpec(obj=machine) for machine in machines],
        propSet=[query.PropertySpec(type=vim.VirtualMachine, pathSet=["config.hardware.device"])],
    )


def _device_spec(change: _DeviceChange, machine: Machine, live: dict[int, Any]) -> Any:
    spec = vim.vm.device.VirtualDeviceSpec()
    match change:
        case AddController():
            spec.operation, spec.device = _ADD, _controller(change)
        case AddCdrom():
            spec.operation = _ADD
            spec.device = _cdrom(
                change.temp_key, change.controller, change.unit, change.backing, change.connection
            )
        case SetCdrom():
            spec.operation = _EDIT
            spec.device = _cdrom(
                change.key, change.controller, change.unit, change.backing, change.connection
            )
        case MoveDevice():
            spec.operation, spec.device = _EDIT, _live(live, change.key, machine)
            spec.device.controllerKey = change.to_controller
            spec.device.unitNumber = change.to_unit
        case AddDisk():
            spec.operation, spec.device = _ADD, _disk(change)
        case DetachDisk():
            spec.operation, spec.device = _REMOVE, _detached(change, machine)
        case RemoveDevice():
            spec.operation, spec.device = _REMOVE, _removed(change, machine)
    return spec


def _removed(change: RemoveDevice, machine: Machine) -> Any:
    """A drive or controller as the machine has it now. Disks are out of the question."""
    drives = (d for d in machine.hardware.devices if d.kind is DeviceKind.CDROM)
    drive = next((d for d in drives if d.key == change.key), None)
    if drive is not None:
        backing, link = drive.backing or EMPTY_DRIVE, drive.connection or Connection()
        return _cdrom(drive.key, drive.controller or 0, drive.unit or 0, backing, link)
    for controller in machine.hardware.controllers:
        if controller.key == change.key:
            added = AddController(change.key, controller.bus, controller.number, controller.model)
            return _controller(added)
    raise _vanished(machine, change.key)


def _disk(change: AddDisk) -> Any:
    """An existing file: without ``fileOperation`` and capacity it is neither made nor sized."""
    device = vim.vm.device.VirtualDisk()
    device.key = change.temp_key
    device.controllerKey = change.controller
    device.unitNumber = change.unit
    device.backing = vim.vm.device.VirtualDisk.FlatVer2BackingInfo(
        fileName=change.file, diskMode=change.mode
    )
    if change.datastore:
        device.backing.datastore = vim.Datastore(change.datastore)
    return device


def _detached(change: DetachDisk, machine: Machine) -> Any:
    """A disk with the very file that the change was planned for."""
    disks = (d for d in machine.hardware.devices if d.kind is DeviceKind.DISK)
    disk = next((d for d in disks if (d.key, d.file) == (change.key, change.file)), None)
    if disk is None:
        raise _vanished(machine, change.key)
    backing = disk.disk or DiskBacking()
    held = AddDisk(
        temp_key=disk.key,
        controller=disk.controller or 0,
        unit=disk.unit or 0,
        file=disk.file,
        datastore=backing.datastore,
        mode=backing.mode,
    )
    return _disk(held)


def _live(live: dict[int, Any], key: int, machine: Machine) -> Any:
    if key not in live:
        raise _vanished(machine, key)
    return live[key]


def _vanished(machine: Machine, key: int) -> RefusedError:
    return RefusedError(
        f"{machine.path} has no device with key {key} that vmboot may change",
        hint="somebody changed the machine: run plan again",
    )


def _controller(change: AddController) -> Any:
    device = getattr(vim.vm.device, change.model)()
    device.key = change.temp_key
    device.busNumber = change.number
    if change.bus is Bus.SCSI:
        device.sharedBus = vim.vm.device.VirtualSCSIController.Sharing.noSharing
    return device


def _cdrom(key: int, controller: int, unit: int, backing: CdBacking, link: Connection) -> Any:
    device = vim.vm.device.VirtualCdrom()
    device.key = key
    device.controllerKey = controller
    device.unitNumber = unit
    device.backing = _backing(backing)
    device.connectable = vim.vm.device.VirtualDevice.ConnectInfo(
        startConnected=link.start_connected,
        connected=link.connected,
        allowGuestControl=link.allow_guest_control,
    )
    return device


def _backing(backing: CdBacking) -> Any:
    kinds = vim.vm.device.VirtualCdrom
    match backing.kind:
        case "iso":
            made = kinds.IsoBackingInfo(fileName=backing.path)
            if backing.datastore:
                made.datastore = vim.Datastore(backing.datastore)
            return made
        case "atapi":
            made = kinds.AtapiBackingInfo(deviceName=backing.device)
        case "passthrough":
            made = kinds.PassthroughBackingInfo(deviceName=backing.device)
        case "remote-atapi":
            made = kinds.RemoteAtapiBackingInfo(deviceName=backing.device)
        case _:
            made = kinds.RemotePassthroughBackingInfo(deviceName=backing.device)
    if backing.auto_detect is not None:
        made.useAutoDetect = backing.auto_detect
    if backing.kind in ("passthrough", "remote-passthrough"):
        made.exclusive = bool(backing.exclusive)
    return made


def _boot_options(change: SetBootOrder) -> Any:
    """Only the order is set: unset fields stay as they are. One bare entry clears the order."""
    entries = [_boot_entry(entry) for entry in change.after]
    return vim.vm.BootOptions(bootOrder=entries or [vim.vm.BootOptions.BootableDevice()])


def _boot_entry(entry: BootEntry) -> Any:
    match entry.kind:
        case "disk":
            return vim.vm.BootOptions.BootableDiskDevice(deviceKey=entry.key)
        case "ethernet":
            return vim.vm.BootOptions.BootableEthernetDevice(deviceKey=entry.key)
        case "floppy":
            return vim.vm.BootOptions.BootableFloppyDevice()
        case _:
            return vim.vm.BootOptions.BootableCdromDevice()
