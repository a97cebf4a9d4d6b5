"""A lease's description, as the vCenter sends it."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from vmboot.vsphere.nfc import DiskUrl, lease_of
from vmboot.vsphere.soap import NAMESPACE


def info(*urls: str, more: str = "<leaseTimeout>300</leaseTimeout>") -> ET.Element:
    entity = '<entity type="VirtualMachine">vm-77</entity>'
    return ET.fromstring(f'<val xmlns="{NAMESPACE}">{entity}{"".join(urls)}{more}</val>')


def url(key: str, *, disk: str = "<disk>true</disk>", thumbprint: str = "AB:CD") -> str:
    return (
        f"<deviceUrl><key>{key}</key><importKey>x</importKey><url>https://*/{key}</url>"
        f"<sslThumbprint>{thumbprint}</sslThumbprint>{disk}</deviceUrl>"
    )


def test_a_lease_names_its_machine_its_disk_and_its_patience():
    lease = lease_of("lease-1", info(url("a")))

    assert (lease.machine, lease.timeout_s) == ("vm-77", 300)
    assert lease.disks == (DiskUrl("a", "https://*/a", "AB:CD"),)


def test_other_files_than_disks_are_left_out_and_what_does_not_say_counts_as_a_disk():
    nvram = url("nvram", disk="<disk>false</disk>")

    assert [disk.key for disk in lease_of("l", info(nvram, url("b", disk=""))).disks] == ["b"]


def test_a_lease_without_a_timeout_has_the_usual_one():
    assert lease_of("l", info(more="")).timeout_s == 300
