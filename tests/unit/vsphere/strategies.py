"""Machines as hypothesis draws them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from tests.unit.vsphere.builders import (
    AHCI,
    BDM,
    BDM_MEDIA,
    EMPTY,
    IDE0,
    IDE1,
    LSI,
    LSI1,
    LSI_SAS,
    MASTER_UUID,
    NVME,
    OLD_BDM,
    OLD_MEDIA,
    OTHER,
    OURS,
    SCSI,
    SCSI1,
    cd,
    disk,
    machine,
    nic,
    running,
    uefi,
)
from vmboot.vsphere.keys import predicted_key
from vmboot.vsphere.machine import (
    BootEntry,
    Bus,
    Connection,
    Controller,
    Device,
    DeviceKind,
    Machine,
)
from vmboot.vsphere.slots import units

_ON_A_UNIT = ("free", "free", "cd", "disk", "disk", "ours", "small")
CONTROLLERS = (IDE0, IDE1, SCSI, AHCI, Controller(15001, Bus.SATA, 1, "VirtualAHCIController"))


@st.composite
def machines(draw: st.DrawFn) -> Machine:
    """Any mix of drives and disks, each slot taken at most once."""
    chosen = tuple(c for c in CONTROLLERS if draw(st.booleans()))
    places = [(c, unit) for c in chosen for unit in range(2)]
    devices: list[Device] = [nic()]
    for number, (controller, unit) in enumerate(places):
        kind = draw(st.sampled_from(["free", "cd", "disk"]))
        if kind == "cd" and controller.bus is not Bus.SCSI:
            backing = draw(st.sampled_from([EMPTY, OTHER, OURS]))
            link = Connection(draw(st.booleans()), draw(st.booleans()), draw(st.booleans()))
            devices.append(
                cd(controller, unit, key=3000 + number, backing=backing, connection=link)
            )
        elif kind == "disk":
            devices.append(disk(controller, unit, key=2000 + number))
    build = draw(st.sampled_from([machine, uefi, running]))
    return build(*devices, controllers=chosen, has_snapshot=draw(st.booleans()))


@st.composite
def disk_machines(draw: st.DrawFn) -> Machine:
    """Any mix of controllers of every kind, with disks of others and of ours on any of them."""
    chosen = tuple(
        one
        for one in (
            draw(st.sampled_from([None, IDE0])),
            draw(st.sampled_from([None, SCSI, LSI, LSI_SAS])),
            draw(st.sampled_from([None, SCSI1, LSI1])),
            draw(st.sampled_from([None, NVME])),
            draw(st.sampled_from([None, AHCI])),
        )
        if one is not None
    )
    devices: list[Device] = [nic()] if draw(st.booleans()) else [nic(), nic(4001)]
    ours = [*draw(st.lists(st.sampled_from([BDM, OLD_BDM]), max_size=2, unique=True))]
    for controller in chosen:
        devices += _devices_on(draw, controller, ours)
    fields = {
        "has_snapshot": draw(st.booleans()) and draw(st.booleans()),
        "quick_boot": draw(st.sampled_from([None, True, False])),
        "hw_version": draw(st.sampled_from([0, 4, 13, 14, 19])),
        "media": draw(st.sampled_from(["", BDM_MEDIA, OLD_MEDIA])),
    }
    build = draw(st.sampled_from([machine, uefi, running]))
    made = build(*devices, controllers=chosen, **fields)
    return replace(made, boot_order=draw(_orders(made)))


def _devices_on(draw: st.DrawFn, controller: Controller, ours: list[str]) -> Iterator[Device]:
    """Up to a full controller; disks take their keys from their slots, as on a server."""
    places = tuple(units(controller))
    full = draw(st.integers(0, 9)) == 0
    for unit in places if full else places[:3]:
        key = predicted_key(controller, unit) or 0
        kind = "disk" if full and unit else draw(st.sampled_from(_ON_A_UNIT))
        if kind == "cd" and controller.bus in (Bus.IDE, Bus.SATA):
            yield cd(controller, unit, key=key)
        elif kind == "ours" and ours and controller.bus is not Bus.IDE:
            # Copies may have their master's UUID, and so one UUID for all.
            uuid = draw(st.sampled_from(["", MASTER_UUID]))
            yield disk(controller, unit, key=key, file=ours.pop(), uuid=uuid, capacity=8 * 1024**2)
        elif kind == "disk":
            yield disk(controller, unit, key=key, **_backing(draw, key))
        elif kind == "small":
            yield disk(controller, unit, key=key, capacity=8 * 1024**2)


def _backing(draw: st.DrawFn, key: int) -> dict[str, Any]:
    return {
        "uuid": draw(st.sampled_from(["", f"6000c29a-{key}"])),
        "mode": draw(st.sampled_from(["persistent", "independent_persistent"])),
        "sharing": draw(st.sampled_from(["sharingNone"] * 4 + ["sharingMultiWriter"])),
        "kind": draw(st.sampled_from(["flat"] * 4 + ["rdm"])),
        "has_parent": draw(st.integers(0, 7)) == 0,
    }


def _orders(made: Machine) -> st.SearchStrategy[tuple[BootEntry, ...]]:
    names = {DeviceKind.DISK: "disk", DeviceKind.NIC: "ethernet"}
    entries = [
        BootEntry(names[device.kind], device.key)
        for device in made.hardware.devices
        if device.kind in names
    ]
    return st.lists(st.sampled_from([*entries, BootEntry("cdrom")]), max_size=4, unique=True).map(
        tuple
    )
