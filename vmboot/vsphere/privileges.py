"""Which privileges an operation needs, and which of them this login lacks, per entity.

The names are those of the API reference (``ReconfigVM_Task`` lists one per kind of change).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING

from vmboot.vsphere import soap
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
from vmboot.vsphere.collector import reference
from vmboot.vsphere.soap import Ref

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session

BATCH = 500
SET_CD = "VirtualMachine.Interact.SetCDMedia"
CONNECT = "VirtualMachine.Interact.DeviceConnection"
ADD_REMOVE = "VirtualMachine.Config.AddRemoveDevice"
EDIT_DEVICE = "VirtualMachine.Config.EditDevice"
ADD_DISK = "VirtualMachine.Config.AddExistingDisk"
REMOVE_DISK = "VirtualMachine.Config.RemoveDisk"
SETTINGS = "VirtualMachine.Config.Settings"
ADVANCED = "VirtualMachine.Config.AdvancedConfig"
MARK_VM = "VirtualMachine.Provisioning.MarkAsVM"
MARK_TEMPLATE = "VirtualMachine.Provisioning.MarkAsTemplate"
ASSIGN_POOL = "Resource.AssignVMToPool"
ANSWER = "VirtualMachine.Interact.AnswerQuestion"
POWER_ON = "VirtualMachine.Interact.PowerOn"
POWER_OFF = "VirtualMachine.Interact.PowerOff"
BROWSE = "Datastore.Browse"
MANAGE_FILES = "Datastore.FileManagement"
ALLOCATE_SPACE = "Datastore.AllocateSpace"
CONFIGURE_STORE = "Datastore.Config"
"""To make a directory at the top of a vSAN or vVol datastore, which is an object there."""
IMPORT = "VApp.Import"
CREATE_MACHINE = "VirtualMachine.Inventory.Create"
DELETE_MACHINE = "VirtualMachine.Inventory.Delete"

NEEDED_BY_CHANGE: Mapping[type[Change], frozenset[str]] = {
    SetCdrom: frozenset({SET_CD, CONNECT}),
    AddCdrom: frozenset({ADD_REMOVE}),
    AddController: frozenset({ADD_REMOVE}),
    RemoveDevice: frozenset({ADD_REMOVE}),
    MoveDevice: frozenset({EDIT_DEVICE}),
    AddDisk: frozenset({ADD_DISK}),
    DetachDisk: frozenset({REMOVE_DISK}),
    SetExtra: frozenset({ADVANCED}),
    SetBootOrder: frozenset({SETTINGS}),
}
NEEDED_FOR_TEMPLATE = frozenset({MARK_VM, MARK_TEMPLATE})
"""On the template; its resource pool needs :data:`ASSIGN_POOL`."""
NEEDED_FOR_POWER_OFF = frozenset({POWER_OFF})
NEEDED_FOR_POWER_ON = frozenset({POWER_ON})
NEEDED_FOR_QUESTIONS = frozenset({ANSWER})
"""On running machines whose CD changes: the guest may hold it locked."""
NEEDED_ON_DATASTORE = frozenset({BROWSE, MANAGE_FILES})
NEEDED_FOR_DISKS = frozenset({BROWSE, MANAGE_FILES, ALLOCATE_SPACE})
"""On a datastore that masters are imported to and copied on."""
NEEDED_TO_IMPORT = frozenset({IMPORT, CREATE_MACHINE, DELETE_MACHINE, ADD_DISK, REMOVE_DISK})
"""On the folder and the resource pool of the shell machine that a master is imported through."""


def needed_for(
    changes: Iterable[Change], *, is_template: bool = False, power_off: bool = False
) -> frozenset[str]:
    """What these changes of one machine need on it."""
    needed: set[str] = set()
    for change in changes:
        needed |= NEEDED_BY_CHANGE[type(change)]
    if needed and is_template:
        needed |= NEEDED_FOR_TEMPLATE
    if needed and power_off:
        needed |= NEEDED_FOR_POWER_OFF
    return frozenset(needed)


def missing_privileges(
    session: Session, needs: Mapping[str, frozenset[str]], *, kind: str = "VirtualMachine"
) -> dict[str, tuple[str, ...]]:
    """What the login lacks, by managed object id; only entities that lack something.

    :param needs: privileges by managed object id
    :param kind: type of the entities, e.g. ``"Datastore"`` or ``"ResourcePool"``
    """
    # All privileges are asked of all entities: one call per 500, whatever each of them needs.
    asked = sorted(frozenset[str]().union(*needs.values()))
    pending = (moid for moid, privileges in needs.items() if privileges)
    missing: dict[str, tuple[str, ...]] = {}
    while batch := tuple(islice(pending, BATCH)):
        for moid, lacks in _ask(session, kind, batch, asked).items():
            needed = tuple(name for name in lacks if name in needs[moid])
            if needed:
                missing[moid] = needed
    return missing


def _ask(
    session: Session, kind: str, moids: tuple[str, ...], privileges: list[str]
) -> dict[str, tuple[str, ...]]:
    manager = Ref("AuthorizationManager", session.content.authorizationManager._GetMoId())
    arguments = "".join(Ref(kind, moid).xml("entity") for moid in moids)
    arguments += soap.text_element("sessionId", session.session_key)
    arguments += "".join(soap.text_element("privId", name) for name in privileges)
    reply = session.soap("HasPrivilegeOnEntities", manager, arguments)
    missing: dict[str, tuple[str, ...]] = {}
    for item in soap.children(reply, "returnval"):
        entity = soap.child(item, "entity")
        lacks = tuple(
            soap.text(one, "privId")
            for one in soap.children(item, "privAvailability")
            if not soap.flag(one, "isGranted")
        )
        if entity is not None and lacks:
            missing[reference(entity).moid] = lacks
    return missing
