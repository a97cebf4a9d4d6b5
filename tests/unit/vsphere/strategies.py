"""Machines as hypothesis draws them."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.unit.vsphere.builders import (
    AHCI,
    EMPTY,
    IDE0,
    IDE1,
    OTHER,
    OURS,
    SCSI,
    cd,
    disk,
    machine,
    nic,
    running,
    uefi,
)
from vmboot.vsphere.machine import Bus, Connection, Controller, Device, Machine

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
