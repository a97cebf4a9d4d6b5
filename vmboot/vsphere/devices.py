"""Pure planning of device slots and boot order: hardware in, changes out.

A change is data. :func:`apply_changes` tells what the hardware looks like afterwards, which is what
the read-back is compared with; :mod:`vmboot.vsphere.specs` turns changes into API specs. The parts
live in a module each; this one is where callers find them.
"""

from vmboot.vsphere.bdmdisk import plan_bdm
from vmboot.vsphere.bootorder import (
    defer_boot_order,
    map_boot_order,
    nic_key,
    nics,
    plan_boot_order,
    predict_boot_order,
    rebase_boot_order,
)
from vmboot.vsphere.cdrom import SlotPlan, plan_cdrom
from vmboot.vsphere.changes import (
    AddCdrom,
    AddController,
    AddDisk,
    Change,
    DetachDisk,
    MoveDevice,
    Problem,
    RemoveDevice,
    SetBootOrder,
    SetCdrom,
    SetExtra,
)
from vmboot.vsphere.effects import apply_changes, machine_after
from vmboot.vsphere.enrolment import plan_enrolment
from vmboot.vsphere.ourdisks import is_ours, media_of
from vmboot.vsphere.restore import plan_restore
from vmboot.vsphere.sameness import same_backing, same_boot

__all__ = [
    "AddCdrom",
    "AddController",
    "AddDisk",
    "Change",
    "DetachDisk",
    "MoveDevice",
    "Problem",
    "RemoveDevice",
    "SetBootOrder",
    "SetCdrom",
    "SetExtra",
    "SlotPlan",
    "apply_changes",
    "defer_boot_order",
    "is_ours",
    "machine_after",
    "map_boot_order",
    "media_of",
    "nic_key",
    "nics",
    "plan_bdm",
    "plan_boot_order",
    "plan_cdrom",
    "plan_enrolment",
    "plan_restore",
    "predict_boot_order",
    "rebase_boot_order",
    "same_backing",
    "same_boot",
]
