"""The boot order by explicit device keys; every other boot option stays as it is.

A CD entry carries no key: it means the first drive with bootable media. After the listed devices
the firmware goes on with its default order (vSphere API, ``VirtualMachineBootOptions.bootOrder``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import chain, islice
from typing import Literal

from vmboot.errors import RefusedError
from vmboot.model import Firmware
from vmboot.vsphere.changes import AddDisk, Change, MoveDevice, SetBootOrder
from vmboot.vsphere.effects import machine_after
from vmboot.vsphere.keys import predicted_keys
from vmboot.vsphere.machine import BootEntry, Device, DeviceKind, Machine
from vmboot.vsphere.twins import twin_disks

QUICK_BOOT_HW_VERSION = 16
"""From this hardware version on EFI Quick Boot initialises only devices in the boot order, so a
loader on a CD finds no network unless a NIC stands there too (VMware KB 326253)."""

_CD = BootEntry("cdrom")
_KEYED = {"disk": DeviceKind.DISK, "ethernet": DeviceKind.NIC}


def nics(machine: Machine) -> tuple[Device, ...]:
    """The NICs in the server's order."""
    return tuple(d for d in machine.hardware.devices if d.kind is DeviceKind.NIC)


def nic_key(machine: Machine, *, index: int) -> int:
    """Device key of a NIC.

    :param index: counts from 1, as the vSphere client does ("Network adapter 1")
    :raises RefusedError: the machine has no such NIC
    """
    found = nics(machine)
    if not 1 <= index <= len(found):
        raise RefusedError(
            f"{machine.path} has no NIC {index}",
            hint=f"it has {len(found)}; set 'nic' of its target accordingly",
        )
    return found[index - 1].key


def plan_boot_order(machine: Machine, *, first: Literal["cdrom"] | int) -> SetBootOrder | None:
    """The change that puts ``first`` in front, or ``None`` if it is there already.

    :param machine: as it will be when the order is set, e.g. from ``machine_after``
    :param first: ``"cdrom"``, or the device key of a NIC
    :raises RefusedError: the machine has no NIC with that key
    """
    existing = tuple(entry for entry in machine.boot_order if _exists(entry, machine))
    if first == "cdrom":
        rest = tuple(entry for entry in existing if entry.kind != "cdrom")
        after: tuple[BootEntry, ...] = (_CD, *_quick_boot_nic(machine, rest), *rest)
    else:
        nic = BootEntry("ethernet", first)
        if not _exists(nic, machine):
            raise RefusedError(
                f"{machine.path} has no NIC with the device key {first}",
                hint="its hardware was changed meanwhile: plan again",
            )
        after = (nic, *(entry for entry in existing if entry != nic))
    if after == machine.boot_order:
        return None
    return SetBootOrder(before=machine.boot_order, after=after)


def plan_disk_order(machine: Machine, *, disk: int, then: int | None = None) -> SetBootOrder | None:
    """The change that puts a BDM disk in front, a NIC behind it, and then the rest as it was.

    The NIC is the one that comes first in the order so far, or else the machine's first. With EFI
    quick boot switched off the loader finds its network without, and no NIC is asked for.

    :param machine: as it will be when the order is set
    :param disk: the BDM disk's device key, or its temporary one
    :param then: device key of the disk that the firmware goes on to when the BDM disk gives back;
        it gets its place before the NIC, whose own boot program would otherwise be tried first
    """
    first = BootEntry("disk", disk)
    rest = [entry for entry in machine.boot_order if _exists(entry, machine) and entry != first]
    network = () if machine.quick_boot is False else _network(machine, rest)
    local = BootEntry("disk", then)
    own = (local,) if then is not None and _exists(local, machine) else ()
    after = tuple(dict.fromkeys((first, *own, *network, *rest)))
    return None if after == machine.boot_order else SetBootOrder(machine.boot_order, after)


def map_boot_order(
    entries: Iterable[BootEntry], *, of: Machine, to: Machine
) -> tuple[BootEntry, ...]:
    """The same order with the keys of another view of the same machine.

    Disks are recognised as :mod:`vmboot.vsphere.twins` says, NICs by key or MAC. What is gone is
    left out.
    """
    twins = twin_disks(of.hardware, to.hardware)
    mapped = (_mapped(entry, of, to, twins) for entry in entries)
    return tuple(entry for entry in mapped if entry is not None)


def defer_boot_order(
    changes: Iterable[Change], *, machine: Machine
) -> tuple[tuple[Change, ...], SetBootOrder | None]:
    """Split off the boot order when it names a device that comes or moves in the same breath.

    The server gives such a disk a key of its own choice, so the order is set by a second
    reconfigure, after a fresh read, as :func:`rebase_boot_order` says.

    :param machine: the one the changes were planned on
    :return: the changes of the first reconfigure, and the order for the second or ``None``
    """
    changes = tuple(changes)
    moved = {change.key for change in changes if isinstance(change, MoveDevice)}
    moved |= {change.temp_key for change in changes if isinstance(change, AddDisk)}
    order = next((change for change in changes if isinstance(change, SetBootOrder)), None)
    # An order that stays as it is must follow the moved device to its new key all the same.
    wanted = order or SetBootOrder(machine.boot_order, machine.boot_order)
    if not any(entry.key in moved for entry in wanted.after):
        return changes, None
    return tuple(change for change in changes if change is not order), wanted


def predict_boot_order(changes: Iterable[Change], machine: Machine) -> SetBootOrder | None:
    """The order that :func:`defer_boot_order` splits off, with the keys that devices should get.

    It may go into the same reconfigure as the rest of ``changes``. Read back: a server that gives
    other keys has an order without the disk, or refuses the whole spec.

    :param machine: the one the changes were planned on
    :return: ``None`` if no order needs to be split off, or a key cannot be foretold
    """
    rest, order = defer_boot_order(changes, machine=machine)
    if order is None:
        return None
    keys = predicted_keys(rest, machine)
    after = [replace(e, key=keys.get(e.key, e.key)) if e.key else e for e in order.after]
    if any(entry.kind in _KEYED and entry.key is None for entry in after):
        return None
    return SetBootOrder(machine.boot_order, tuple(after))


def rebase_boot_order(
    order: SetBootOrder, *, planned_on: Machine, now: Machine, changes: Iterable[Change] = ()
) -> SetBootOrder | None:
    """A deferred order with the keys the machine has now; ``None`` if it is in force already.

    :param changes: what was planned, where the order names a disk that they added
    """
    after = map_boot_order(order.after, of=machine_after(planned_on, changes), to=now)
    return None if after == now.boot_order else SetBootOrder(now.boot_order, after)


def _quick_boot_nic(machine: Machine, rest: tuple[BootEntry, ...]) -> tuple[BootEntry, ...]:
    found = nics(machine)
    is_quick = machine.firmware is Firmware.UEFI and machine.hw_version >= QUICK_BOOT_HW_VERSION
    is_quick = is_quick and machine.quick_boot is not False
    if not is_quick or not found or any(entry.kind == "ethernet" for entry in rest):
        return ()
    return (BootEntry("ethernet", found[0].key),)


def _network(machine: Machine, rest: Iterable[BootEntry]) -> tuple[BootEntry, ...]:
    listed = (entry for entry in rest if entry.kind == "ethernet")
    found = (BootEntry("ethernet", nic.key) for nic in nics(machine))
    return tuple(islice(chain(listed, found), 1))


def _exists(entry: BootEntry, machine: Machine) -> bool:
    """False for a key that no device has: the server refuses an order with such a key."""
    kind = _KEYED.get(entry.kind)
    if kind is None:
        return True
    return any(d.key == entry.key and d.kind is kind for d in machine.hardware.devices)


def _mapped(
    entry: BootEntry, of: Machine, to: Machine, twins: Mapping[int, Device]
) -> BootEntry | None:
    if entry.kind not in _KEYED or entry.key is None:
        return entry
    twin = twins.get(entry.key) if entry.kind == "disk" else _twin_nic(entry.key, of, to)
    return BootEntry(entry.kind, twin.key) if twin else None


def _twin_nic(key: int, of: Machine, to: Machine) -> Device | None:
    meant = next((nic for nic in nics(of) if nic.key == key), None)
    if meant is None:
        return None
    by_key = (nic for nic in nics(to) if nic.key == key)
    by_mac = (nic for nic in nics(to) if nic.mac and nic.mac == meant.mac)
    return next(by_key, None) or next(by_mac, None)
