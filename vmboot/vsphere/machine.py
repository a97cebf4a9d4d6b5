"""What vmboot knows of a virtual machine: frozen values without pyVmomi, JSON in and out.

:mod:`vmboot.vsphere.inventory` fills them, the planners take and return them, the journal stores
them. They hold what boot depends on and nothing else, so that 5,000 of them stay small.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from vmboot.model import Firmware


class Bus(StrEnum):
    """The kinds of controller a boot device can sit on."""

    IDE = "ide"
    SATA = "sata"
    SCSI = "scsi"
    NVME = "nvme"


class DeviceKind(StrEnum):
    CDROM = "cdrom"
    DISK = "disk"
    NIC = "nic"
    OTHER = "other"


class Power(StrEnum):
    """``runtime.powerState`` in short."""

    ON = "on"
    OFF = "off"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class Controller:
    """A disk or CD controller.

    :param key: the server's device key
    :param number: ``busNumber``: 0 is the first of its kind
    :param model: pyVmomi type name, e.g. ``"VirtualAHCIController"``
    :param shared: other machines may see its disks too (``sharedBus`` of a SCSI controller)
    """

    key: int
    bus: Bus
    number: int
    model: str = ""
    shared: bool = False


@dataclass(frozen=True, slots=True)
class CdBacking:
    """What a CD-ROM drive is connected to; enough to restore it exactly.

    :param kind: ``iso``, ``atapi``, ``passthrough``, ``remote-atapi`` or ``remote-passthrough``
    :param path: datastore path of an ISO, ``"[shared-01] vmboot/x.iso"``
    :param datastore: managed object id of the ISO's datastore, where the server gave one
    :param device: host or client device name of the other kinds
    """

    kind: str
    path: str = ""
    datastore: str = ""
    device: str = ""
    auto_detect: bool | None = None
    exclusive: bool | None = None


@dataclass(frozen=True, slots=True)
class Connection:
    """``VirtualDeviceConnectInfo`` of a removable device or NIC."""

    start_connected: bool = False
    connected: bool = False
    allow_guest_control: bool = True


@dataclass(frozen=True, slots=True)
class DiskBacking:
    """What a virtual disk is made of; what decides whether it may move, and what a move must keep.

    :param datastore: managed object id
    :param capacity: bytes
    :param mode: ``diskMode``, e.g. ``"persistent"``
    :param sharing: ``"sharingNone"`` or ``"sharingMultiWriter"``; ``""`` where the server gave none
    :param kind: ``flat``, ``sesparse``, ``rdm`` or ``other``
    :param has_parent: it is a child of another disk: a linked clone, or a snapshot's delta
    """

    datastore: str = ""
    capacity: int = 0
    mode: str = "persistent"
    sharing: str = ""
    kind: str = "flat"
    has_parent: bool = False


@dataclass(frozen=True, slots=True)
class Device:
    """A device on a controller, or a NIC.

    :param controller: key of its controller; ``None`` for a device without one
    :param unit: unit number there
    :param backing: for CD-ROM drives
    :param file: datastore path of a disk's VMDK; a snapshot or a move to other storage changes it
    :param uuid: of a disk, ``backing.uuid``, which stays; ``""`` where the server gave none
    :param model: pyVmomi type name, e.g. ``"VirtualVmxnet3"``
    :param mac: of a NIC, lower case with colons
    :param disk: of a disk
    """

    key: int
    kind: DeviceKind
    controller: int | None = None
    unit: int | None = None
    label: str = ""
    model: str = ""
    backing: CdBacking | None = None
    connection: Connection | None = None
    file: str = ""
    mac: str = ""
    uuid: str = ""
    disk: DiskBacking | None = None


@dataclass(frozen=True, slots=True)
class BootEntry:
    """One entry of ``bootOptions.bootOrder``.

    :param kind: ``cdrom``, ``disk``, ``ethernet`` or ``floppy``
    :param key: device key for disk and ethernet; a CD entry carries none (vSphere API reference,
        ``VirtualMachineBootOptionsBootableCdromDevice``)
    """

    kind: str
    key: int | None = None


@dataclass(frozen=True, slots=True)
class Hardware:
    """The boot-relevant devices of one machine, in the server's order."""

    controllers: tuple[Controller, ...] = ()
    devices: tuple[Device, ...] = ()


@dataclass(frozen=True, slots=True)
class SecureDb:
    """What a machine's settings say of its Secure Boot db. See :mod:`vmboot.vsphere.securedb`.

    :param files: certificates by place, ``""`` for a free one; none at the end
    :param replaces: they stand for Microsoft's certificates instead of beside them
    :param nvram: name of the NVRAM file in its folder, ``""`` where the server does not tell
    """

    files: tuple[str, ...] = ()
    replaces: bool = False
    nvram: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """One VM or template as the vCenter describes it now.

    :param moid: managed object id, ``"vm-42"``
    :param path: inventory path, ``"/DC1/vm/PVS/pvs-001"``
    :param uuid: ``config.instanceUuid``: stays when a machine is renamed or moved
    :param host: managed object id of the host it is registered on
    :param compute: managed object id of the cluster or stand-alone compute resource
    :param pool: managed object id of its resource pool; ``None`` for templates
    :param hw_version: number in ``config.version``, e.g. 19 for ``"vmx-19"``
    :param boot_order: as configured; empty means the firmware's default
    :param unavailable: ``runtime.connectionState`` where it is not ``connected``, e.g.
        ``"inaccessible"``; what is known of such a machine may be old or nothing
    :param home: datastore path of its folder, ``"[shared-01] pvs-001"``, from
        ``config.files.vmPathName``; ``""`` where the server does not tell
    :param media: extraConfig ``vmboot.media``: name and hash of the BDM disk that vmboot gave it
    :param displaced: extraConfig ``vmboot.displaced``: UUID of the disk that made room for it, or
        :data:`~vmboot.vsphere.ourdisks.NOTHING_MOVED`; ``""`` where that is not known
    :param quick_boot: extraConfig ``efi.quickBoot.enabled``; ``None`` where it is not set
    :param fault_tolerant: it is one of a fault tolerance pair
    :param encrypted: its home is encrypted (``config.keyId``)
    :param secure_db: ``None`` where it was not read: only fleets that enrol a certificate need it
    """

    moid: str
    name: str
    path: str
    uuid: str = ""
    is_template: bool = False
    power: Power = Power.OFF
    firmware: Firmware = Firmware.BIOS
    secure_boot: bool = False
    has_snapshot: bool = False
    host: str = ""
    compute: str = ""
    pool: str | None = None
    hw_version: int = 0
    change_version: str = ""
    hardware: Hardware = field(default_factory=Hardware)
    boot_order: tuple[BootEntry, ...] = ()
    unavailable: str = ""
    home: str = ""
    media: str = ""
    quick_boot: bool | None = None
    fault_tolerant: bool = False
    encrypted: bool = False
    secure_db: SecureDb | None = None
    displaced: str = ""
