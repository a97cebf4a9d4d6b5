"""The machine a rehearsal starts: what vCenter knows of the VM, as plain values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vmboot.errors import InputError
from vmboot.model import Firmware

BootDevice = Literal["cdrom", "disk", "ethernet"]
SCSI = ("pvscsi", "lsilogic", "lsilogicsas", "buslogic", "virtio-scsi")
_MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")


@dataclass(frozen=True)
class RehearsalDisk:
    """A disk of the VM.

    :param controller: ``pvscsi``, ``lsilogic``, ``lsilogicsas``, ``buslogic``, ``virtio-scsi``,
        ``sata``, ``ide`` or ``nvme``
    :param image: raw bytes to boot from, never written to; ``None`` plays a blank disk
    :param number: of the controller, 0 for the first of its kind
    :param unit: of the disk at its controller
    """

    controller: str = "pvscsi"
    image: Path | None = None
    number: int = 0
    unit: int = 0

    @property
    def slot(self) -> str:
        """Where it is, as people write it: ``SCSI 0:0``."""
        bus = "SCSI" if self.controller in SCSI else self.controller.upper()
        return f"{bus} {self.number}:{self.unit}"


@dataclass(frozen=True)
class RehearsalMachine:
    """A VM as far as booting goes.

    :param mac: six hex pairs with colons
    :param nic_type: vSphere's adapter type: ``vmxnet3``, ``e1000`` or ``e1000e``, in any case
    :param boot_order: what vCenter lists; devices it leaves out follow in the usual order
    :param iso: what the CD drive holds; ``None`` for an empty drive
    :param start_connected: a CD that is not connected at power on counts as an empty drive
    :param disks: in the order in which the firmware tries them
    :param variables: a template of the firmware's variable store, with the keys it trusts, instead
        of the distribution's with Microsoft's
    """

    name: str
    firmware: Firmware
    mac: str
    secure_boot: bool = False
    nic_type: str = "vmxnet3"
    boot_order: tuple[BootDevice, ...] = ("cdrom",)
    iso: Path | None = None
    cd_controller: Literal["ide", "sata"] = "ide"
    start_connected: bool = True
    disks: tuple[RehearsalDisk, ...] = ()
    variables: Path | None = None

    def __post_init__(self) -> None:
        if not _MAC.fullmatch(self.mac):
            raise InputError(f"'{self.mac}' is not a MAC address like 00:50:56:01:02:03")
        if self.secure_boot and self.firmware is Firmware.BIOS:
            raise InputError(f"{self.name}: a BIOS machine has no Secure Boot")
        slots = [disk.slot for disk in self.disks]
        for slot in slots:
            if slots.count(slot) > 1:
                raise InputError(f"{self.name}: two disks are at {slot}")

    @property
    def mac_bytes(self) -> bytes:
        return bytes.fromhex(self.mac.replace(":", ""))

    @property
    def medium(self) -> Path | None:
        """What is really in the drive at power on."""
        return self.iso if self.start_connected else None

    @property
    def full_boot_order(self) -> tuple[BootDevice, ...]:
        """The listed devices, then the rest: firmware goes on with its own order after the list.

        (vSphere API, VirtualMachineBootOptions.bootOrder.)
        """
        usual: tuple[BootDevice, ...] = ("disk", "cdrom", "ethernet")
        return tuple(dict.fromkeys(self.boot_order + usual))
