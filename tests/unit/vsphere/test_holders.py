"""Who holds an ISO, and whose configuration nobody can read."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from vmboot.vsphere.collector import Found
from vmboot.vsphere.holders import file_name, holders_of
from vmboot.vsphere.soap import NAMESPACE, Ref

PATHS = {"vm-1": "/DC1/vm/a", "vm-2": "/DC1/vm/app/inner/b"}
XSI = "http://www.w3.org/2001/XMLSchema-instance"


def xml(text: str) -> ET.Element:
    return ET.fromstring(f'<val xmlns="{NAMESPACE}" xmlns:xsi="{XSI}">{text}</val>')


def devices(iso: str) -> ET.Element:
    return xml(
        '<VirtualDevice xsi:type="VirtualCdrom"><key>3000</key>'
        f'<backing xsi:type="VirtualCdromIsoBackingInfo"><fileName>{iso}</fileName></backing>'
        "</VirtualDevice>"
    )


def machine(moid: str, iso: str | None) -> Found:
    props = {"name": xml("n")}
    if iso is not None:
        props["config.hardware.device"] = devices(iso)
    return Found(Ref("VirtualMachine", moid), props)


def test_one_file_under_two_datastore_names_is_one_file():
    found = [machine("vm-1", "[nfs] vmboot/x.iso"), machine("vm-2", "[nfs (1)] 6b2e/x.iso")]
    assert holders_of(found, PATHS).by_file == {"x.iso": ("/DC1/vm/a", "/DC1/vm/app/inner/b")}


def test_an_iso_in_a_snapshot_names_its_machine():
    owner = ET.fromstring('<val type="VirtualMachine">vm-1</val>')
    props = {"vm": owner, "config.hardware.device": devices("[a] vmboot/x.iso")}
    found = [machine("vm-1", ""), Found(Ref("VirtualMachineSnapshot", "snapshot-1"), props)]
    assert holders_of(found, PATHS).by_file["x.iso"] == ("a snapshot of /DC1/vm/a",)


def test_who_was_looked_at_is_told_whatever_it_holds():
    found = [machine("vm-1", None), machine("vm-2", "[a] y.iso")]
    assert holders_of(found, PATHS).seen == {"vm-1", "vm-2"}


def test_a_machine_without_a_configuration_is_named():
    found = [machine("vm-1", None), machine("vm-2", "[a] y.iso")]
    assert holders_of(found, PATHS).unreadable == ("/DC1/vm/a",)


def test_file_names():
    assert [file_name(p) for p in ("[a b] x.iso", "[a] d/x.iso", "x.iso")] == ["x.iso"] * 3


def disk(*chain: str) -> str:
    """A disk with its backing, and what that is based on."""
    nested = ""
    for number, file in reversed(list(enumerate(chain))):
        tag = "parent" if number else "backing"
        kind = "VirtualDiskFlatVer2BackingInfo"
        nested = f'<{tag} xsi:type="{kind}"><fileName>{file}</fileName>{nested}</{tag}>'
    return f'<VirtualDevice xsi:type="VirtualDisk"><key>2000</key>{nested}</VirtualDevice>'


OURS = "vmboot-boot-0123456789ab"


def test_a_bdm_disk_is_held_by_name_and_by_path():
    found = [
        Found(Ref("VirtualMachine", moid), {"config.hardware.device": xml(disk(path))})
        for moid, path in (("vm-1", f"[a] a/{OURS}.vmdk"), ("vm-2", f"[a] b/{OURS}.vmdk"))
    ]
    held = holders_of(found, PATHS)

    assert held.by_file == {f"{OURS}.vmdk": ("/DC1/vm/a", "/DC1/vm/app/inner/b")}
    assert held.by_disk == {
        f"[a] a/{OURS}.vmdk": ("/DC1/vm/a",),
        f"[a] b/{OURS}.vmdk": ("/DC1/vm/app/inner/b",),
    }


def test_a_delta_holds_the_disk_it_is_based_on_wherever_that_is():
    chain = (f"[a] clone/{OURS}-000002.vmdk", f"[a] a/{OURS}-000001.vmdk", f"[a] a/{OURS}.vmdk")
    found = [Found(Ref("VirtualMachine", "vm-1"), {"config.hardware.device": xml(disk(*chain))})]
    held = holders_of(found, PATHS)

    assert held.by_file == {f"{OURS}.vmdk": ("/DC1/vm/a",)}
    assert set(held.by_disk) == set(chain)


def renamed(moid: str, media: str, path: str) -> Found:
    """A machine whose extraConfig speaks of a BDM disk."""
    option = f"<key>vmboot.media</key><value>{media}</value>"
    props = {
        "config.hardware.device": xml(disk(path)),
        'config.extraConfig["vmboot.media"]': xml(option),
    }
    return Found(Ref("VirtualMachine", moid), props)


def test_a_disk_under_a_name_of_its_own_is_known_by_extra_config():
    found = [
        renamed("vm-1", "boot 0123456789ab", "[a] clone/clone.vmdk"),
        renamed("vm-2", "boot 0123456789ab", f"[a] b/{OURS}.vmdk"),
    ]
    held = holders_of(found, PATHS)

    assert held.by_media == {f"{OURS}.vmdk": ("/DC1/vm/a",)}
    assert held.by_file == {f"{OURS}.vmdk": ("/DC1/vm/app/inner/b",)}
    assert "[a] clone/clone.vmdk" not in held.by_disk


@pytest.mark.parametrize("media", ["", "boot", "boot ../../x", "my own words 1"])
def test_words_that_name_no_disk_hold_none(media):
    assert holders_of([renamed("vm-1", media, "[a] a/a.vmdk")], PATHS).by_media == {}


def test_disks_of_others_are_nobody_s_business():
    found = [
        Found(Ref("VirtualMachine", "vm-1"), {"config.hardware.device": xml(disk("[a] a/a.vmdk"))})
    ]
    held = holders_of(found, PATHS)

    assert (held.by_file, held.by_disk) == ({}, {})
