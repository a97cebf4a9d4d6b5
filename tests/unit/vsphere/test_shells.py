"""Which machine is a shell that may be removed, and what speaks against it."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from vmboot.vsphere.collector import Found
from vmboot.vsphere.shells import SHELL, new_name, shell_of
from vmboot.vsphere.soap import NAMESPACE, Ref

XSI = "http://www.w3.org/2001/XMLSchema-instance"
NAME = "vmboot-import-0123abcd"
HOME = f"[a] {NAME}"


def xml(text: str, **attributes: str) -> ET.Element:
    element = ET.fromstring(f'<val xmlns="{NAMESPACE}" xmlns:xsi="{XSI}">{text}</val>')
    element.attrib.update(attributes)
    return element


def disk(file: str) -> str:
    return (
        '<VirtualDevice xsi:type="VirtualDisk"><key>2000</key>'
        '<backing xsi:type="VirtualDiskFlatVer2BackingInfo">'
        f"<fileName>{file}</fileName></backing></VirtualDevice>"
    )


CD = '<VirtualDevice xsi:type="VirtualCdrom"><key>3000</key></VirtualDevice>'
NIC = '<VirtualDevice xsi:type="VirtualVmxnet3"><key>4000</key></VirtualDevice>'
MARK = "<OptionValue><key>vmboot.import</key><value>[a] vmboot/x.vmdk</value></OptionValue>"
OURS: dict[str, ET.Element | None] = {
    "name": xml(NAME),
    "datastore": xml('<ManagedObjectReference type="Datastore">ds-1</ManagedObjectReference>'),
    "runtime.powerState": xml("poweredOff"),
    "config.template": xml("false"),
    "config.files.vmPathName": xml(f"{HOME}/{NAME}.vmx"),
    "config.hardware.device": xml(disk(f"{HOME}/{NAME}.vmdk")),
    "config.extraConfig": xml(MARK),
}


def found(**changed: ET.Element | None) -> Found:
    names = {name.replace(".", "_"): name for name in (*OURS, "snapshot.currentSnapshot")}
    props = {**OURS, **{names[name]: value for name, value in changed.items()}}
    return Found(Ref("VirtualMachine", "vm-1"), {k: v for k, v in props.items() if v is not None})


def test_a_shell_with_its_own_disk_can_go():
    shell = shell_of(found())

    assert shell.obstacle == ""
    assert (shell.home, shell.datastore, shell.wanted) == (HOME, "ds-1", "[a] vmboot/x.vmdk")
    assert shell.disks == (f"{HOME}/{NAME}.vmdk",)


def test_one_without_a_disk_can_go_too():
    assert shell_of(found(config_hardware_device=xml(""))).obstacle == ""


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"name": xml("pvs-001")}, "name"),
        ({"name": xml(f"{NAME}-copy")}, "name"),
        ({"config_hardware_device": None}, "cannot be read"),
        ({"config_extraConfig": xml("")}, "mark"),
        ({"config_extraConfig": None}, "mark"),
        ({"config_template": xml("true")}, "template"),
        ({"runtime_powerState": xml("poweredOn")}, "not powered off"),
        ({"runtime_powerState": xml("suspended")}, "not powered off"),
        ({"snapshot_currentSnapshot": xml("s-1", type="VirtualMachineSnapshot")}, "snapshots"),
        ({"config_hardware_device": xml(NIC)}, "network card"),
        ({"config_hardware_device": xml(CD)}, "CD-ROM"),
        ({"config_hardware_device": xml(disk("[a] vmboot/x.vmdk"))}, "outside of its folder"),
        ({"config_hardware_device": xml(disk("[b] a/b.vmdk"))}, "outside of its folder"),
        ({"config_hardware_device": xml(disk(f"{HOME}2/b.vmdk"))}, "outside of its folder"),
        ({"config_files_vmPathName": None}, "outside of its folder"),
    ],
)
def test_whatever_is_not_quite_ours_stays(changed: dict[str, ET.Element | None], words: str):
    assert words in shell_of(found(**changed)).obstacle


def test_names_are_new_each_time_and_known_again():
    names = {new_name() for _ in range(100)}

    assert len(names) == 100
    assert all(SHELL.fullmatch(name) for name in names)


@pytest.mark.parametrize(("text", "year"), [("2026-11-22T01:02:03.456Z", 2026), ("later", None)])
def test_when_its_import_began_is_told_if_it_says_so(text: str, year: int | None):
    began = f"<OptionValue><key>vmboot.import.began</key><value>{text}</value></OptionValue>"
    shell = shell_of(found(config_extraConfig=xml(MARK + began)))

    assert (shell.began.year if shell.began else None) == year
    assert shell.obstacle == ""
