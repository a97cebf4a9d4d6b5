"""Is a machine as it should be? Two states compared slot by slot, differences in words.

Keys of new or moved devices are the server's to choose, so devices on a controller are known by
their slot and NICs by their MAC. Whether a drive is connected *now* is the guest's business and
changes with every power-on; it is not compared.
"""

from __future__ import annotations

from dataclasses import dataclass

from vmboot.fleet.words import drive
from vmboot.vsphere.machine import BootEntry, Device, DeviceKind, Hardware, Machine


@dataclass(frozen=True)
class State:
    """What vmboot changes about a machine, and so restores and compares."""

    hardware: Hardware
    boot_order: tuple[BootEntry, ...] = ()
    is_template: bool = False


def state_of(machine: Machine) -> State:
    return State(machine.hardware, machine.boot_order, machine.is_template)


def differences(expected: State, found: State, *, templates: bool = True) -> tuple[str, ...]:
    """Where ``found`` is not ``expected``, one sentence each; empty when they agree.

    :param templates: also compare whether it is a template
    """
    if expected == found:
        return ()
    wanted, there = _picture(expected), _picture(found)
    lines = [
        f"{name}: {there.get(name, 'none')} instead of {wanted.get(name, 'none')}"
        for name in sorted(wanted.keys() | there.keys())
        if wanted.get(name) != there.get(name)
    ]
    if templates and expected.is_template != found.is_template:
        kinds = ("a VM", "a template")
        lines.append(f"it is {kinds[found.is_template]} instead of {kinds[expected.is_template]}")
    return tuple(lines)


def _picture(state: State) -> dict[str, str]:
    """Slot or part → what is there, in words that differ whenever the thing differs."""
    buses = {c.key: f"{c.bus.upper()} {c.number}" for c in state.hardware.controllers}
    names = {device.key: _slot(device, buses) for device in state.hardware.devices}
    picture = {f"{bus} controller": "there" for bus in buses.values()}
    for device in state.hardware.devices:
        picture[names[device.key]] = _content(device)
    order = (_entry(entry, names) for entry in state.boot_order)
    picture["boot order"] = ", ".join(order) or "the firmware's own"
    return picture


def _slot(device: Device, buses: dict[int, str]) -> str:
    if device.controller in buses:
        return f"{buses[device.controller]}:{device.unit}"
    return f"NIC {device.mac}" if device.kind is DeviceKind.NIC and device.mac else device.label


def _content(device: Device) -> str:
    if device.kind is DeviceKind.CDROM:
        backing = device.backing
        details = "" if backing is None or backing.kind == "iso" else f" {backing.auto_detect}"
        return f"CD/DVD drive, {drive(backing, device.connection)}{details}"
    if device.kind is DeviceKind.DISK:
        return f"disk {device.file}"
    return f"{device.kind.value} {device.model}".rstrip()


def _entry(entry: BootEntry, names: dict[int, str]) -> str:
    if entry.key is None:
        return entry.kind
    return f"{entry.kind} {names.get(entry.key, f'key {entry.key}')}"
