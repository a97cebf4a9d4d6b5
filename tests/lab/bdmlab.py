"""Boot disks on a lab vCenter: what an independent reader finds of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.lab.fleetlab import Site
from vmboot.fleet.resolve import one_or_pattern
from vmboot.lab import Vcenter
from vmboot.media.grub import find_grub
from vmboot.vsphere.changes import MoveDevice
from vmboot.vsphere.inventory import read_index, read_machines
from vmboot.vsphere.ourdisks import is_ours
from vmboot.vsphere.reconfigure import reconfigure_job
from vmboot.vsphere.slots import disks as disks_of
from vmboot.vsphere.tasks import run_window

ALL = """\
targets: [{vms: "/DC1/vm/PVS/**", method: bdm}]
templates: [{vms: "/DC1/vm/Templates/*", method: bdm}]
"""
OURS = "/vmboot-boot-"
_BUSES = {
    "ParaVirtualSCSIController": "scsi",
    "VirtualLsiLogicController": "scsi",
    "VirtualLsiLogicSASController": "scsi",
    "VirtualBusLogicController": "scsi",
    "VirtualNVMEController": "nvme",
    "VirtualAHCIController": "sata",
    "VirtualIDEController": "ide",
}
Slot = tuple[str, int, int]


def need_grub() -> None:
    """Skips where disks for BIOS machines cannot be built."""
    if find_grub() is None:
        pytest.skip("grub-mkimage or its i386-pc modules are not installed")


def disks(machine: Mapping[str, Any]) -> dict[Slot, str]:
    """The files of a machine's disks, by bus, controller number and unit."""
    devices = machine["config.hardware.device"].values()
    controllers = {d["key"]: d for d in devices if d["type"] in _BUSES}
    found = {}
    for device in devices:
        if device["type"] == "VirtualDisk":
            controller = controllers[device["controllerKey"]]
            place = _BUSES[controller["type"]], int(controller["busNumber"])
            found[*place, int(device["unitNumber"])] = device["backing"]["fileName"]
    return found


def our_slots(machine: Mapping[str, Any]) -> list[Slot]:
    """Where a machine has a BDM disk of vmboot's."""
    return [slot for slot, file in disks(machine).items() if OURS in file]


def first_entries(machine: Mapping[str, Any]) -> list[str]:
    """The boot order, by the last word of each entry's type."""
    kinds = (entry["type"] for entry in _order(machine))
    return [kind.removeprefix("VirtualMachineBootOptionsBootable") for kind in kinds]


def boots_first(machine: Mapping[str, Any]) -> str:
    """The file of the disk that the boot order names first; ``""`` if it is no disk."""
    order = _order(machine)
    key = order[0].get("deviceKey") if order else None
    for device in machine["config.hardware.device"].values():
        if device["key"] == key and device["type"] == "VirtualDisk":
            return str(device["backing"]["fileName"])
    return ""


def _order(machine: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The reader gives a list of one as its only entry."""
    order = machine["config.bootOptions"].get("bootOrder", [])
    return [order] if isinstance(order, dict) else order


def copies(lab: Vcenter) -> list[str]:
    """Datastore paths of BDM disks of vmboot's in the folders of machines.

    Without that of the lab's machine which has one from the start.
    """
    ours = (path for path in lab.disks() if OURS in path and "] vmboot/" not in path)
    return [path for path in ours if "/wrong-01" not in path and "] wrong-01" not in path]


def digests(lab: Vcenter) -> dict[str, str]:
    """What every disk holds that is not vmboot's, by path."""
    return {path: disk.digest for path, disk in lab.disks().items() if OURS not in path}


def switch_off(site: Site) -> None:
    """Every machine, so that an undo has none to start again."""
    for path, machine in site.dump().items():
        if machine["runtime.powerState"] == "poweredOn":
            site.lab.edit(path, power="off")


def put_behind(site: Site, name: str) -> None:
    """As an administrator who does not know better: the machine's own disk at 0:0, ours at 0:1.

    The boot order is taken away, so that the slots count.
    """
    (entry,) = one_or_pattern(read_index(site.session), name)
    free, first, second = 15, 0, 1
    for is_mine, unit in ((True, free), (False, first), (True, second)):
        (machine,) = read_machines(site.session, [entry.moid])
        placed = disks_of(machine.hardware).values()
        disk = next(disk for disk in placed if is_ours(disk, machine) is is_mine)
        assert disk.controller is not None
        assert disk.unit is not None
        move = MoveDevice(disk.key, disk.label, disk.controller, disk.unit, disk.controller, unit)
        (outcome,) = run_window(site.session, [reconfigure_job(machine, (move,))])
        assert outcome.ok, outcome.error
    site.lab.edit(entry.path, boot_order=[])
