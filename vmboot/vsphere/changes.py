"""Changes as data: planners return them, journals keep them, specs are made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from vmboot.vsphere.machine import BootEntry, Bus, CdBacking, Connection


@dataclass(frozen=True, slots=True)
class AddController:
    """Add a controller; ``temp_key`` is negative and names it within the same spec."""

    temp_key: int
    bus: Bus
    number: int
    model: str


@dataclass(frozen=True, slots=True)
class MoveDevice:
    """Move the occupant of a slot to a free unit; its backing and settings stay as they are."""

    key: int
    label: str
    from_controller: int
    from_unit: int
    to_controller: int
    to_unit: int


@dataclass(frozen=True, slots=True)
class AddCdrom:
    """Add a CD-ROM drive at a slot. ``controller`` may be an :class:`AddController.temp_key`."""

    temp_key: int
    controller: int
    unit: int
    backing: CdBacking
    connection: Connection


@dataclass(frozen=True, slots=True)
class SetCdrom:
    """Change what an existing drive holds and whether it connects at power on."""

    key: int
    label: str
    controller: int
    unit: int
    before: CdBacking
    before_connection: Connection
    backing: CdBacking
    connection: Connection


@dataclass(frozen=True, slots=True)
class AddDisk:
    """Attach an existing disk file at a slot. ``controller`` may be a ``temp_key``.

    Never creates or sizes a file: the disk is there already, see :mod:`vmboot.vsphere.disks`.

    :param file: datastore path of the VMDK
    :param datastore: managed object id of its datastore
    :param mode: ``diskMode``; journals of earlier versions lack it
    """

    temp_key: int
    controller: int
    unit: int
    file: str
    datastore: str = ""
    mode: str = "persistent"


@dataclass(frozen=True, slots=True)
class DetachDisk:
    """Take a BDM disk of vmboot's own out of a machine; its file stays where it is."""

    key: int
    label: str
    file: str


@dataclass(frozen=True, slots=True)
class SetExtra:
    """Set one extraConfig key; an empty ``after`` removes it."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class RemoveDevice:
    """Remove a device that vmboot itself had added. Never a disk."""

    key: int
    label: str


@dataclass(frozen=True, slots=True)
class SetBootOrder:
    """Replace ``bootOrder``; every other boot option stays. An empty ``after`` clears it."""

    before: tuple[BootEntry, ...]
    after: tuple[BootEntry, ...]


Change: TypeAlias = (
    AddController
    | MoveDevice
    | AddCdrom
    | SetCdrom
    | AddDisk
    | DetachDisk
    | RemoveDevice
    | SetExtra
    | SetBootOrder
)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a machine will not be touched, or (``warning``) what a person should know about it."""

    message: str
    hint: str | None = None
    warning: bool = False
