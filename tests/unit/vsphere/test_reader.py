"""Machines out of API replies."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from vmboot.vsphere.collector import Found
from vmboot.vsphere.machine import (
    BootEntry,
    Bus,
    CdBacking,
    Connection,
    Controller,
    Device,
    DeviceKind,
    DiskBacking,
    Machine,
)
from vmboot.vsphere.paths import PathFinder
from vmboot.vsphere.reader import MACHINE_PROPERTIES, boot_order_of, hardware_of, machine_of
from vmboot.vsphere.soap import Ref

HEAD = '<val xmlns="urn:vim25" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'


def element(text: str) -> ET.Element:
    return ET.fromstring(f"{HEAD}{text}</val>")


def device(kind: str, key: int, text: str = "", label: str = "") -> str:
    info = f"<deviceInfo><label>{label}</label></deviceInfo>" if label else ""
    return f'<VirtualDevice xsi:type="{kind}"><key>{key}</key>{info}{text}</VirtualDevice>'


AT = "<controllerKey>{}</controllerKey><unitNumber>{}</unitNumber>"
LINK = (
    "<connectable><startConnected>true</startConnected><allowGuestControl>true</allowGuestControl>"
    "<connected>false</connected></connectable>"
)


def test_controllers_of_all_kinds():
    kinds = {
        "VirtualIDEController": Bus.IDE,
        "VirtualAHCIController": Bus.SATA,
        "ParaVirtualSCSIController": Bus.SCSI,
        "VirtualLsiLogicSASController": Bus.SCSI,
        "VirtualNVMEController": Bus.NVME,
    }
    text = "".join(device(kind, n, f"<busNumber>{n}</busNumber>") for n, kind in enumerate(kinds))

    assert hardware_of(element(text)).controllers == tuple(
        Controller(n, bus, n, kind) for n, (kind, bus) in enumerate(kinds.items())
    )


@pytest.mark.parametrize(
    ("kind", "inner", "backing"),
    [
        (
            "VirtualCdromIsoBackingInfo",
            '<fileName>[ds] a.iso</fileName><datastore type="Datastore">datastore-1</datastore>',
            CdBacking("iso", path="[ds] a.iso", datastore="datastore-1"),
        ),
        (
            "VirtualCdromAtapiBackingInfo",
            "<deviceName>cd0</deviceName><useAutoDetect>false</useAutoDetect>",
            CdBacking("atapi", device="cd0", auto_detect=False),
        ),
        (
            "VirtualCdromRemotePassthroughBackingInfo",
            "<deviceName></deviceName><exclusive>true</exclusive>",
            CdBacking("remote-passthrough", exclusive=True),
        ),
    ],
)
def test_drives_with_what_they_hold(kind: str, inner: str, backing: CdBacking):
    text = f'<backing xsi:type="{kind}">{inner}</backing>{LINK}{AT.format(200, 0)}'
    (found,) = hardware_of(element(device("VirtualCdrom", 3000, text, "CD/DVD drive 1"))).devices

    assert found == Device(
        key=3000,
        kind=DeviceKind.CDROM,
        controller=200,
        unit=0,
        label="CD/DVD drive 1",
        model="VirtualCdrom",
        backing=backing,
        connection=Connection(start_connected=True),
    )


def test_disks_with_their_file():
    file = "<fileName>[ds] a.vmdk</fileName><uuid>6000C29A-00</uuid>"
    backing = f'<backing xsi:type="VirtualDiskFlatVer2BackingInfo">{file}</backing>'
    (found,) = hardware_of(
        element(device("VirtualDisk", 2000, backing + AT.format(1000, 3)))
    ).devices

    assert (found.kind, found.file, found.unit) == (DeviceKind.DISK, "[ds] a.vmdk", 3)
    assert found.uuid == "6000c29a-00"


FILE = '<fileName>[ds] a.vmdk</fileName><datastore type="Datastore">datastore-1</datastore>'


@pytest.mark.parametrize(
    ("kind", "inner", "size", "backing"),
    [
        (
            "VirtualDiskFlatVer2BackingInfo",
            "<diskMode>independent_persistent</diskMode><sharing>sharingMultiWriter</sharing>",
            "<capacityInKB>8192</capacityInKB><capacityInBytes>8388608</capacityInBytes>",
            DiskBacking("datastore-1", 8 * 1024**2, "independent_persistent", "sharingMultiWriter"),
        ),
        (
            "VirtualDiskSeSparseBackingInfo",
            f'<diskMode>persistent</diskMode><parent xsi:type="x">{FILE}</parent>',
            "<capacityInKB>8192</capacityInKB>",
            DiskBacking("datastore-1", 8 * 1024**2, kind="sesparse", has_parent=True),
        ),
        (
            "VirtualDiskRawDiskMappingVer1BackingInfo",
            "<compatibilityMode>physicalMode</compatibilityMode>",
            "",
            DiskBacking("datastore-1", kind="rdm"),
        ),
        ("VirtualDiskFutureBackingInfo", "", "", DiskBacking("datastore-1", kind="other")),
    ],
)
def test_disks_with_what_they_are_made_of(kind: str, inner: str, size: str, backing: DiskBacking):
    text = f'<backing xsi:type="{kind}">{FILE}{inner}</backing>{size}{AT.format(1000, 0)}'
    (found,) = hardware_of(element(device("VirtualDisk", 2000, text))).devices

    assert found.disk == backing


@pytest.mark.parametrize(
    ("bus", "shared"), [("noSharing", False), ("physicalSharing", True), ("virtualSharing", True)]
)
def test_controllers_whose_bus_others_share(bus: str, shared: bool):
    text = device("ParaVirtualSCSIController", 1000, f"<sharedBus>{bus}</sharedBus>")
    (found,) = hardware_of(element(text)).controllers

    assert found.shared is shared


def machine_with(**text: str) -> Machine:
    """A machine of which the vCenter tells ``text``, by property; ``_`` stands for a dot."""
    props = {
        path: ET.fromstring(f"{HEAD}{text[name]}</val>")
        for path in MACHINE_PROPERTIES
        if (name := re.sub(r"\W+", "_", path).strip("_")) in text
    }
    return machine_of(Found(Ref("VirtualMachine", "vm-1"), props), PathFinder("group-d1"), {})


def test_what_a_boot_disk_depends_on():
    found = machine_with(
        config_files_vmPathName="[shared-01] pvs-001/pvs-001.vmx",
        config_extraConfig_vmboot_media="<key>vmboot.media</key><value>boot 0123456789ab</value>",
        config_extraConfig_vmboot_displaced="<key>d</key><value>6000c29a</value>",
        config_extraConfig_efi_quickBoot_enabled="<key>e</key><value>FALSE</value>",
        runtime_faultToleranceState="needSecondary",
        config_keyId_keyId="52c7a1",
    )

    assert (found.home, found.media) == ("[shared-01] pvs-001", "boot 0123456789ab")
    assert found.displaced == "6000c29a"
    assert (found.quick_boot, found.fault_tolerant, found.encrypted) == (False, True, True)


def test_a_machine_may_lie_in_no_folder():
    found = machine_with(config_files_vmPathName="[shared-01] pvs-001.vmx")

    assert found.home == "[shared-01]"


def test_most_machines_have_nothing_of_it():
    found = machine_with(runtime_faultToleranceState="notConfigured")

    assert (found.home, found.media, found.quick_boot) == ("", "", None)
    assert not found.fault_tolerant
    assert not found.encrypted


def test_alike_parts_of_many_machines_are_one_value():
    text = device("ParaVirtualSCSIController", 1000, "<sharedBus>noSharing</sharedBus>")
    text += device("VirtualDisk", 2000, f'<backing xsi:type="x">{FILE}</backing>')
    one, two = (hardware_of(element(text)) for _ in range(2))

    assert one.controllers[0] is two.controllers[0]
    assert one.devices[0].disk is two.devices[0].disk


@pytest.mark.parametrize("model", ["VirtualVmxnet3", "VirtualE1000e", "VirtualFutureCard"])
def test_nics_of_any_model(model: str):
    (found,) = hardware_of(
        element(device(model, 4000, "<macAddress>00:50:56:AB:CD:EF</macAddress>"))
    ).devices

    assert (found.kind, found.model, found.mac) == (DeviceKind.NIC, model, "00:50:56:ab:cd:ef")


def test_strangers_count_only_where_they_take_a_slot():
    text = device("VirtualIDEController", 200, "<busNumber>0</busNumber>")
    text += device("VirtualFuture", 9000, AT.format(200, 0))
    text += device("VirtualKeyboard", 600, AT.format(300, 0))
    text += device("VirtualPointingDevice", 700)

    assert [d.key for d in hardware_of(element(text)).devices] == [9000]


def test_a_machine_without_devices_has_none():
    assert hardware_of(None).devices == ()


def test_boot_order_with_keys_and_without():
    kind = '<bootOrder xsi:type="VirtualMachineBootOptionsBootable{}">{}</bootOrder>'
    text = kind.format("CdromDevice", "")
    text += kind.format("DiskDevice", "<deviceKey>2000</deviceKey>")
    text += kind.format("EthernetDevice", "<deviceKey>4000</deviceKey>")
    text += kind.format("FloppyDevice", "")

    assert boot_order_of(element(f"<bootDelay>5</bootDelay>{text}")) == (
        BootEntry("cdrom"),
        BootEntry("disk", 2000),
        BootEntry("ethernet", 4000),
        BootEntry("floppy"),
    )


def test_a_cleared_order_is_no_order():
    bare = '<bootOrder xsi:type="VirtualMachineBootOptionsBootableDevice"/>'

    assert boot_order_of(element(bare)) == ()
    assert boot_order_of(None) == ()
