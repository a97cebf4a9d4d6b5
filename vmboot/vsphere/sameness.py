"""Do two views of a machine boot the same way? For read-back, and for "changed since" checks.

Keys of disks and drives do not count (the server renumbers a moved disk), nor does whether a drive
happens to be connected right now, nor power state.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from vmboot.vsphere.machine import BootEntry, CdBacking, Connection, Device, DeviceKind, Machine
from vmboot.vsphere.ourdisks import DISPLACED_KEY, MEDIA_KEY, our_name
from vmboot.vsphere.securedb import changes_between
from vmboot.vsphere.slots import Slot, disks, drives, slot_of
from vmboot.vsphere.twins import twin_disks

EMPTY_DRIVE = CdBacking(kind="remote-passthrough", exclusive=False)
"""A drive without media, as the vSphere client makes one."""


def same_backing(a: CdBacking | None, b: CdBacking | None) -> bool:
    """True if both hold the same media or device; what only one side tells does not count."""
    one, two = a or EMPTY_DRIVE, b or EMPTY_DRIVE
    if one.kind != two.kind:
        return False
    if one.kind == "iso":
        datastores = {one.datastore, two.datastore} - {""}
        return one.path == two.path and len(datastores) <= 1
    return (one.device, bool(one.auto_detect), bool(one.exclusive)) == (
        two.device,
        bool(two.auto_detect),
        bool(two.exclusive),
    )


def same_boot(a: Machine, b: Machine) -> tuple[str, ...]:
    """How ``b`` differs from ``a`` in what it boots from, in words; empty if it does not."""
    return (*_drives(a, b), *_disks(a, b), *_controllers(a, b), *_nics(a, b), *_options(a, b))


def words(backing: CdBacking | None) -> str:
    """What a drive holds, for people."""
    backing = backing or EMPTY_DRIVE
    if backing.kind == "iso":
        return backing.path or "an ISO"
    where = "client" if backing.kind.startswith("remote") else "host"
    return f"{where} device {backing.device}" if backing.device else "no media"


def _drives(a: Machine, b: Machine) -> Iterator[str]:
    wanted, found = drives(a.hardware), drives(b.hardware)
    for slot in sorted(wanted.keys() | found.keys()):
        if slot not in found:
            yield f"the CD-ROM drive at {slot} is missing"
        elif slot not in wanted:
            yield f"there is a CD-ROM drive at {slot} that was not there"
        else:
            yield from _drive(slot, wanted[slot], found[slot])


def _drive(slot: Slot, wanted: Device, found: Device) -> Iterator[str]:
    if not same_backing(wanted.backing, found.backing):
        yield f"CD-ROM {slot} holds {words(found.backing)} instead of {words(wanted.backing)}"
    one, two = wanted.connection or Connection(), found.connection or Connection()
    if one.start_connected != two.start_connected:
        does = "connects" if two.start_connected else "does not connect"
        yield f"CD-ROM {slot} {does} at power on"
    if one.allow_guest_control != two.allow_guest_control:
        yield f"CD-ROM {slot} has another guest control setting"


def _disks(a: Machine, b: Machine) -> Iterator[str]:
    wanted = {disk.key: (slot, disk.file) for slot, disk in disks(a.hardware).items()}
    found = {disk.key: (slot, disk.file) for slot, disk in disks(b.hardware).items()}
    twins = {key: twin.key for key, twin in twin_disks(a.hardware, b.hardware).items()}
    for key, (slot, file) in sorted(wanted.items(), key=lambda item: item[1][1]):
        if key not in twins or twins[key] not in found:
            yield f"the disk {file} is missing"
        elif found[twins[key]][0] != slot:
            yield f"the disk {file} is at {found[twins[key]][0]} instead of {slot}"
    for key, (_, file) in sorted(found.items(), key=lambda item: item[1][1]):
        if key not in twins.values():
            yield f"there is a disk {file} that was not there"


def _controllers(a: Machine, b: Machine) -> Iterator[str]:
    wanted = {(c.bus, c.number) for c in a.hardware.controllers}
    found = {(c.bus, c.number) for c in b.hardware.controllers}
    for bus, number in sorted(wanted - found):
        yield f"the {bus.upper()} controller {number} is missing"
    for bus, number in sorted(found - wanted):
        yield f"there is a {bus.upper()} controller {number} that was not there"


def _nics(a: Machine, b: Machine) -> Iterator[str]:
    wanted, found = _nic_keys(a), _nic_keys(b)
    for key in sorted(wanted - found):
        yield f"the NIC with key {key} is missing"
    for key in sorted(found - wanted):
        yield f"there is a NIC with key {key} that was not there"


def _nic_keys(machine: Machine) -> set[int]:
    return {d.key for d in machine.hardware.devices if d.kind is DeviceKind.NIC}


def _options(a: Machine, b: Machine) -> Iterator[str]:
    if a.firmware != b.firmware:
        yield f"the firmware is {b.firmware} instead of {a.firmware}"
    if a.secure_boot != b.secure_boot:
        yield f"Secure Boot is {'on' if b.secure_boot else 'off'}"
    if a.is_template != b.is_template:
        yield "it is a template" if b.is_template else "it is not a template any more"
    extras = ((MEDIA_KEY, a.media, b.media), (DISPLACED_KEY, a.displaced, b.displaced))
    for key, wanted, found in extras:
        if wanted != found:
            yield f"{key} is {found or 'not set'} instead of {wanted or 'not set'}"
    if a.secure_db is not None and b.secure_db is not None:
        for each in changes_between(a.secure_db, b.secure_db):
            yield f"{each.name} is {each.after or 'not set'} instead of {each.before or 'not set'}"
    if not same_order(a, b):
        yield f"the boot order is {_order_words(b)} instead of {_order_words(a)}"


def same_order(a: Machine, b: Machine) -> bool:
    """True if both boot orders mean the same devices, whatever keys disks have by now."""
    twins = twin_disks(a.hardware, b.hardware)

    def carried(entry: BootEntry) -> BootEntry:
        twin = twins.get(entry.key) if entry.kind == "disk" and entry.key is not None else None
        return replace(entry, key=twin.key) if twin else entry

    return tuple(carried(entry) for entry in a.boot_order) == b.boot_order


def _order_words(machine: Machine) -> str:
    if not machine.boot_order:
        return "the default"
    return ", ".join(_entry_words(entry, machine) for entry in machine.boot_order)


def _entry_words(entry: BootEntry, machine: Machine) -> str:
    """By its label, or else by its place: a key says nothing to a person."""
    if entry.key is None:
        return entry.kind
    device = next((d for d in machine.hardware.devices if d.key == entry.key), None)
    if device is None:
        return f"a {entry.kind} that is gone"
    slot = slot_of(machine.hardware, device)
    place = f"{entry.kind} {slot}" if slot is not None else entry.kind
    return device.label or (f"BDM {place}" if our_name(device.file) else place)
