"""Which disk of a machine is the BDM disk that vmboot gave it.

Told by the name of its file, wherever the file is: storage vMotion moves it, and a vSAN path may
name a directory by its id. The name holds the hash of the disk's content, and stays part of the
name of the delta that a snapshot puts on top of it.

A full clone gets copies under names of its own, and storage vMotion may rename files after their
machine. Such a machine still says in its extraConfig that it has a BDM disk, so when none bears
the name, the disk at 0:0 is the one if it is no larger than a BDM disk may be, in the machine's own
folder, not the one that made room, and the only such disk. Plans that rely on it say so.
"""

from __future__ import annotations

import re
from dataclasses import replace

from vmboot.vsphere.changes import Problem
from vmboot.vsphere.dspath import file_name, folder_of
from vmboot.vsphere.machine import Bus, Device, DeviceKind, Hardware, Machine
from vmboot.vsphere.slots import slot_of

OUR_DISK = re.compile(r"vmboot-(?P<name>[a-z0-9][a-z0-9-]*)-(?P<hash>[0-9a-f]{12})\.vmdk")
"""The file name of every BDM disk that vmboot makes: its own name and 12 digits of its hash."""
MEDIA_KEY = "vmboot.media"
"""The extraConfig key that names a machine's BDM disk."""
DISPLACED_KEY = "vmboot.displaced"
"""The extraConfig key that names, by its UUID, the disk that made room for the BDM disk at 0:0."""
NOTHING_MOVED = "none"
"""What that key says where 0:0 was free, though the machine has a disk elsewhere."""
DISK_BUSES = (Bus.SCSI, Bus.NVME, Bus.SATA)
"""Where a BDM disk may be. IDE has two places a controller, and 0:0 there is the CD-ROM drive's."""
RENAMED_LIMIT = 256 * 1024**2
"""Bytes; the largest BDM disk that ``media.bdm.size`` allows."""
_OBJECT_FOLDER = re.compile(r"\] [0-9a-f]{8}-[0-9a-f]{4}-")
_DELTA = re.compile(r"-\d{6}(?=\.vmdk$)")


def our_name(file: str) -> str:
    """The name of the BDM disk at a datastore path, a snapshot's delta of it included, or ``""``.

    >>> our_name("[shared-01] pvs-001/vmboot-boot-0123456789ab-000002.vmdk")
    'vmboot-boot-0123456789ab.vmdk'
    """
    name = file_name(file)
    if not name.startswith("vmboot-"):
        return ""
    name = _DELTA.sub("", name)
    return name if OUR_DISK.fullmatch(name) else ""


def media_of(file: str) -> str:
    """What extraConfig says of a machine with that BDM disk; ``""`` for any other disk.

    >>> media_of("[shared-01] pvs-001/vmboot-boot-0123456789ab.vmdk")
    'boot 0123456789ab'
    """
    match = OUR_DISK.fullmatch(our_name(file))
    return f"{match['name']} {match['hash']}" if match else ""


def media_on(device: Device, machine: Machine) -> str:
    """Which BDM disk ``device`` is, as extraConfig names it; ``""`` if it is none."""
    if device.kind is not DeviceKind.DISK:
        return ""
    if our_name(device.file):
        return media_of(device.file)
    return machine.media if _is_renamed(device, machine) else ""


def is_ours(device: Device, machine: Machine) -> bool:
    """True if ``device`` is a BDM disk of vmboot's."""
    return media_on(device, machine) != ""


def named(machine: Machine) -> Machine:
    """``machine`` with a renamed BDM disk under the name that it was made with.

    To compare two views of a machine; changes need the file that there really is.
    """
    devices, found = machine.hardware.devices, lookalikes(machine)
    if len(found) != 1:
        return machine
    (renamed,) = found
    folder = folder_of(renamed.file)
    file = f"{folder}{' ' if folder.endswith(']') else '/'}{_name_of(machine.media)}"
    known = tuple(replace(d, file=file) if d is renamed else d for d in devices)
    return replace(machine, hardware=replace(machine.hardware, devices=known))


def warn_renamed(device: Device, machine: Machine) -> Problem:
    """What a plan says of a disk that is taken for the BDM disk though it has another name."""
    name = f"{device.label or device.file} at {slot_of(machine.hardware, device)}"
    return Problem(
        f"{name} is taken for its BDM disk, though its file is {device.file}",
        hint=f"if it is another disk, remove {MEDIA_KEY} from the machine's extraConfig",
        warning=True,
    )


def lookalikes(machine: Machine) -> tuple[Device, ...]:
    """Disks that may be the machine's BDM disk under another name."""
    devices = machine.hardware.devices
    if not _name_of(machine.media) or any(our_name(device.file) for device in devices):
        return ()
    return tuple(device for device in devices if _looks_like_one(device, machine))


def is_apart(file: str, home: str) -> bool:
    """True if a disk lies in another folder of the datastore that the folder ``home`` is on.

    One on another datastore was moved there. A vSAN names folders by ids, which say nothing.

    >>> is_apart("[a] vm-2/disk.vmdk", "[a] vm-1"), is_apart("[b] vm-2/disk.vmdk", "[a] vm-1")
    (True, False)
    """
    there = folder_of(file)
    same_datastore = there.partition("]")[0] == home.partition("]")[0]
    return same_datastore and there != home and not _OBJECT_FOLDER.search(there + home)


def _name_of(media: str) -> str:
    """The file name of the BDM disk that extraConfig names so; ``""`` if none has such a name."""
    name = f"vmboot-{media.replace(' ', '-')}.vmdk"
    return name if media and media_of(name) == media else ""


def _is_renamed(device: Device, machine: Machine) -> bool:
    return lookalikes(machine) == (device,)


def _looks_like_one(device: Device, machine: Machine) -> bool:
    size = device.disk.capacity if device.disk is not None else 0
    made_room = device.uuid != "" and device.uuid == machine.displaced
    is_small = 0 < size <= RENAMED_LIMIT
    is_at_home = not is_apart(device.file, machine.home)
    return is_small and is_at_home and not made_room and _is_first_place(device, machine.hardware)


def _is_first_place(device: Device, hardware: Hardware) -> bool:
    slot = slot_of(hardware, device)
    return slot is not None and slot.bus in DISK_BUSES and (slot.number, slot.unit) == (0, 0)
