"""What the API says of one machine, as a :class:`Machine`. Pure: XML elements in, value out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from sys import intern
from xml.etree import ElementTree as ET

from vmboot.model import Firmware
from vmboot.vsphere import soap
from vmboot.vsphere.collector import Found
from vmboot.vsphere.dspath import folder_of
from vmboot.vsphere.machine import (
    BootEntry,
    Bus,
    CdBacking,
    Connection,
    Controller,
    Device,
    DeviceKind,
    DiskBacking,
    Hardware,
    Machine,
    Power,
)
from vmboot.vsphere.ourdisks import DISPLACED_KEY, MEDIA_KEY
from vmboot.vsphere.paths import PathFinder, encode

QUICK_BOOT_KEY = "efi.quickBoot.enabled"
_MEDIA = f'config.extraConfig["{MEDIA_KEY}"]'
_DISPLACED = f'config.extraConfig["{DISPLACED_KEY}"]'
_QUICK_BOOT = f'config.extraConfig["{QUICK_BOOT_KEY}"]'
# Three keys of extraConfig instead of all of it: a machine has 40 of them, some of a kilobyte.
MACHINE_PROPERTIES = (
    "name",
    "parent",
    "parentVApp",
    "resourcePool",
    "runtime.host",
    "runtime.powerState",
    "runtime.connectionState",
    "config.instanceUuid",
    "config.template",
    "config.firmware",
    "config.version",
    "config.changeVersion",
    "config.bootOptions",
    "config.files.vmPathName",
    "config.keyId.keyId",
    _MEDIA,
    _DISPLACED,
    _QUICK_BOOT,
    "runtime.faultToleranceState",
    "config.hardware.device",
    "snapshot.currentSnapshot",
)

BUS_OF_CONTROLLER: Mapping[str, Bus] = {
    "VirtualIDEController": Bus.IDE,
    "VirtualAHCIController": Bus.SATA,
    "VirtualSATAController": Bus.SATA,
    "ParaVirtualSCSIController": Bus.SCSI,
    "VirtualLsiLogicController": Bus.SCSI,
    "VirtualLsiLogicSASController": Bus.SCSI,
    "VirtualBusLogicController": Bus.SCSI,
    "VirtualSCSIController": Bus.SCSI,
    "VirtualNVMEController": Bus.NVME,
}
NIC_MODELS = frozenset(
    {
        "VirtualVmxnet3",
        "VirtualVmxnet3Vrdma",
        "VirtualVmxnet2",
        "VirtualVmxnet",
        "VirtualE1000",
        "VirtualE1000e",
        "VirtualPCNet32",
        "VirtualSriovEthernetCard",
        "VirtualEthernetCard",
    }
)
BACKING_KINDS: Mapping[str, str] = {
    "VirtualCdromIsoBackingInfo": "iso",
    "VirtualCdromAtapiBackingInfo": "atapi",
    "VirtualCdromPassthroughBackingInfo": "passthrough",
    "VirtualCdromRemoteAtapiBackingInfo": "remote-atapi",
    "VirtualCdromRemotePassthroughBackingInfo": "remote-passthrough",
}
DISK_KINDS: Mapping[str, str] = {
    "VirtualDiskFlatVer1BackingInfo": "flat",
    "VirtualDiskFlatVer2BackingInfo": "flat",
    "VirtualDiskSeSparseBackingInfo": "sesparse",
    "VirtualDiskRawDiskMappingVer1BackingInfo": "rdm",
    "VirtualDiskRawDiskVer2BackingInfo": "rdm",
    "VirtualDiskPartitionedRawDiskVer2BackingInfo": "rdm",
}
_BOOT_KINDS: Mapping[str, str] = {
    "VirtualMachineBootOptionsBootableCdromDevice": "cdrom",
    "VirtualMachineBootOptionsBootableDiskDevice": "disk",
    "VirtualMachineBootOptionsBootableEthernetDevice": "ethernet",
    "VirtualMachineBootOptionsBootableFloppyDevice": "floppy",
}
_POWER = {"poweredOn": Power.ON, "poweredOff": Power.OFF, "suspended": Power.SUSPENDED}


def machine_of(found: Found, finder: PathFinder, computes: Mapping[str, str]) -> Machine:
    """One machine.

    :param finder: knows its folders
    :param computes: cluster or compute resource by host
    """
    parent = found.ref_to("parent") or found.ref_to("parentVApp")
    host = found.ref_to("runtime.host")
    pool = found.ref_to("resourcePool")
    options = found.props.get("config.bootOptions")
    name = found.text("name")
    return Machine(
        moid=found.ref.moid,
        name=encode(name, slash="/"),
        path=f"{finder.path(parent.moid if parent else '')}/{encode(name)}",
        uuid=found.text("config.instanceUuid"),
        is_template=found.flag("config.template") or False,
        power=_POWER.get(found.text("runtime.powerState"), Power.OFF),
        firmware=Firmware.UEFI if found.text("config.firmware") == "efi" else Firmware.BIOS,
        secure_boot=soap.flag(options, "efiSecureBootEnabled") or False,
        has_snapshot="snapshot.currentSnapshot" in found.props,
        host=intern(host.moid if host else ""),
        compute=intern(computes.get(host.moid, "") if host else ""),
        pool=intern(pool.moid) if pool else None,
        hw_version=_hw_version(found.text("config.version")),
        change_version=found.text("config.changeVersion"),
        hardware=hardware_of(found.props.get("config.hardware.device")),
        boot_order=boot_order_of(options),
        unavailable=_unavailable(found),
        home=folder_of(found.text("config.files.vmPathName")),
        media=_extra(found, _MEDIA),
        displaced=_extra(found, _DISPLACED),
        quick_boot=_truth(_extra(found, _QUICK_BOOT)),
        fault_tolerant=found.text("runtime.faultToleranceState") not in ("", "notConfigured"),
        encrypted=found.text("config.keyId.keyId") != "",
    )


def _extra(found: Found, path: str) -> str:
    """The value of an ``OptionValue``."""
    return intern(soap.text(found.props.get(path), "value"))


def _truth(text: str) -> bool | None:
    """A VMX boolean."""
    return None if text == "" else text.lower() in ("true", "1", "yes", "on")


def _unavailable(found: Found) -> str:
    state = found.text("runtime.connectionState")
    return "" if state == "connected" else state


def hardware_of(array: ET.Element | None) -> Hardware:
    """Controllers, drives, disks and NICs of ``config.hardware.device``; the rest is left out."""
    controllers: list[Controller] = []
    devices: list[Device] = []
    for element in array if array is not None else ():
        model = intern(soap.type_of(element))
        if model in BUS_OF_CONTROLLER:
            controllers.append(_controller(model, soap.fields(element)))
        elif model == "VirtualCdrom":
            devices.append(_cdrom(model, soap.fields(element)))
        elif model == "VirtualDisk":
            devices.append(_disk(model, soap.fields(element)))
        elif soap.child(element, "macAddress") is not None or model in NIC_MODELS:
            devices.append(_nic(model, soap.fields(element)))
        elif soap.child(element, "unitNumber") is not None:
            devices.append(_other(model, soap.fields(element)))
    buses = {controller.key for controller in controllers}
    kept = (d for d in devices if d.kind is not DeviceKind.OTHER or d.controller in buses)
    return Hardware(tuple(controllers), tuple(kept))


def boot_order_of(options: ET.Element | None) -> tuple[BootEntry, ...]:
    """``bootOrder``; the bare entry that stands for "cleared" counts as nothing."""
    entries = soap.children(options, "bootOrder") if options is not None else []
    known = ((_BOOT_KINDS.get(soap.type_of(entry), ""), entry) for entry in entries)
    return tuple(
        BootEntry(kind, _number(soap.text(entry, "deviceKey"))) for kind, entry in known if kind
    )


# One value for all that are alike, as most of a fleet's are.
_one_controller = lru_cache(maxsize=256)(Controller)
_one_connection = lru_cache(maxsize=16)(Connection)
_one_backing = lru_cache(maxsize=512)(DiskBacking)


def _controller(model: str, parts: Mapping[str, ET.Element]) -> Controller:
    return _one_controller(
        key=_int(parts, "key") or 0,
        bus=BUS_OF_CONTROLLER[model],
        number=_int(parts, "busNumber") or 0,
        model=model,
        shared="sharedBus" in parts and parts["sharedBus"].text != "noSharing",
    )


def _cdrom(model: str, parts: Mapping[str, ET.Element]) -> Device:
    return Device(
        key=_int(parts, "key") or 0,
        kind=DeviceKind.CDROM,
        controller=_int(parts, "controllerKey"),
        unit=_int(parts, "unitNumber"),
        label=_label(parts),
        model=model,
        backing=_cd_backing(parts.get("backing")),
        connection=_connection(parts.get("connectable")),
    )


def _disk(model: str, parts: Mapping[str, ET.Element]) -> Device:
    return Device(
        key=_int(parts, "key") or 0,
        kind=DeviceKind.DISK,
        controller=_int(parts, "controllerKey"),
        unit=_int(parts, "unitNumber"),
        label=_label(parts),
        model=model,
        file=soap.text(parts.get("backing"), "fileName"),
        uuid=soap.text(parts.get("backing"), "uuid").lower(),
        disk=_disk_backing(parts.get("backing"), _capacity(parts)),
    )


def _capacity(parts: Mapping[str, ET.Element]) -> int:
    """In bytes; ``capacityInBytes`` came with vSphere 5.5."""
    return _int(parts, "capacityInBytes") or 1024 * (_int(parts, "capacityInKB") or 0)


def _disk_backing(element: ET.Element | None, capacity: int) -> DiskBacking | None:
    if element is None:
        return None
    return _one_backing(
        datastore=intern(soap.text(element, "datastore")),
        capacity=capacity,
        mode=soap.text(element, "diskMode") or "persistent",
        sharing=soap.text(element, "sharing"),
        kind=DISK_KINDS.get(soap.type_of(element), "other"),
        has_parent=soap.child(element, "parent") is not None,
    )


def _nic(model: str, parts: Mapping[str, ET.Element]) -> Device:
    mac = parts.get("macAddress")
    return Device(
        key=_int(parts, "key") or 0,
        kind=DeviceKind.NIC,
        controller=_int(parts, "controllerKey"),
        unit=_int(parts, "unitNumber"),
        label=_label(parts),
        model=model,
        connection=_connection(parts.get("connectable")),
        mac=(mac.text or "").lower() if mac is not None else "",
    )


def _other(model: str, parts: Mapping[str, ET.Element]) -> Device:
    return Device(
        key=_int(parts, "key") or 0,
        kind=DeviceKind.OTHER,
        controller=_int(parts, "controllerKey"),
        unit=_int(parts, "unitNumber"),
        label=_label(parts),
        model=model,
    )


def _cd_backing(element: ET.Element | None) -> CdBacking | None:
    if element is None:
        return None
    return CdBacking(
        kind=BACKING_KINDS.get(soap.type_of(element), soap.type_of(element)),
        path=soap.text(element, "fileName"),
        datastore=intern(soap.text(element, "datastore")),
        device=intern(soap.text(element, "deviceName")),
        auto_detect=soap.flag(element, "useAutoDetect"),
        exclusive=soap.flag(element, "exclusive"),
    )


def _connection(element: ET.Element | None) -> Connection | None:
    if element is None:
        return None
    return _one_connection(
        start_connected=soap.flag(element, "startConnected") or False,
        connected=soap.flag(element, "connected") or False,
        allow_guest_control=soap.flag(element, "allowGuestControl") or False,
    )


def _label(parts: Mapping[str, ET.Element]) -> str:
    return intern(soap.text(parts.get("deviceInfo"), "label"))


def _int(parts: Mapping[str, ET.Element], name: str) -> int | None:
    element = parts.get(name)
    return None if element is None else _number(element.text or "")


def _number(text: str) -> int | None:
    return int(text) if text else None


def _hw_version(version: str) -> int:
    digits = version.rpartition("-")[2]
    return int(digits) if digits.isdigit() else 0
