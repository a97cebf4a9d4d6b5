"""What a vCenter makes of a machine that changes were made to: keys of its own, labels, UUIDs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tests.unit.vsphere.builders import MASTER_UUID
from vmboot.vsphere.keys import predicted_key
from vmboot.vsphere.machine import (
    BootEntry,
    Controller,
    Device,
    DeviceKind,
    DiskBacking,
    Hardware,
    Machine,
)

_CONTROLLER_KEYS = {"ide": 200, "scsi": 1000, "sata": 15000, "nvme": 31000}


def read_back(machine: Machine) -> Machine:
    """``machine``, as ``machine_after`` tells it, the way the server tells it."""
    controllers = {c.key: _controller(c) for c in machine.hardware.controllers}
    keys = {d.key: _key(d, controllers) for d in machine.hardware.devices}
    devices = tuple(
        replace(
            device,
            key=keys[device.key],
            controller=controllers[device.controller].key
            if device.controller in controllers
            else device.controller,
            label=device.label or f"New {device.kind}",
            uuid=device.uuid or (MASTER_UUID if device.key < 0 else ""),
            disk=_known(device.disk),
        )
        for device in machine.hardware.devices
    )
    order = tuple(_entry(entry, keys) for entry in machine.boot_order)
    return replace(
        machine,
        hardware=Hardware(tuple(controllers.values()), devices),
        boot_order=order,
        change_version=f"{machine.change_version}+",
    )


def _controller(controller: Controller) -> Controller:
    return replace(controller, key=_CONTROLLER_KEYS[controller.bus] + controller.number)


def _known(backing: DiskBacking | None) -> DiskBacking | None:
    """The server looks into an attached file for its size."""
    is_new = backing is not None and backing.capacity == 0
    return replace(backing, capacity=8 * 1024**2) if backing is not None and is_new else backing


def _key(device: Device, controllers: Mapping[int, Controller]) -> int:
    if device.kind is DeviceKind.NIC or device.unit is None:
        return device.key
    controller = controllers.get(device.controller or 0)
    return predicted_key(controller, device.unit) or device.key if controller else device.key


def _entry(entry: BootEntry, keys: Mapping[int, int]) -> BootEntry:
    return replace(entry, key=keys[entry.key]) if entry.key in keys else entry
