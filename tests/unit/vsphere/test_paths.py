"""Inventory paths from parents."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from vmboot.vsphere.collector import Found
from vmboot.vsphere.files import folder_target
from vmboot.vsphere.paths import PathFinder, encode
from vmboot.vsphere.placement import DatastoreChoice
from vmboot.vsphere.soap import Ref


def thing(kind: str, moid: str, name: str, parent: str) -> Found:
    name_element, parent_element = ET.Element("val"), ET.Element("val", {"type": "Folder"})
    name_element.text, parent_element.text = name, parent
    return Found(Ref(kind, moid), {"name": name_element, "parent": parent_element})


@pytest.fixture
def finder() -> PathFinder:
    finder = PathFinder("group-d1")
    finder.add(thing("Folder", "group-v3", "vm", "datacenter-2"))
    finder.add(thing("Datacenter", "datacenter-2", "DC1", "group-d2"))
    finder.add(thing("Folder", "group-d2", "Sites", "group-d1"))
    finder.add(thing("Folder", "group-v4", "a%2fb%25", "group-v3"))
    return finder


@pytest.mark.parametrize(
    ("moid", "path"),
    [
        ("group-d1", ""),
        ("datacenter-2", "/Sites/DC1"),
        ("group-v3", "/Sites/DC1/vm"),
        ("group-v4", "/Sites/DC1/vm/a%2fb%"),
        ("group-v9", "/group-v9"),
        ("", ""),
    ],
    ids=["root", "datacenter", "folder", "a slash in a name", "a folder we may not see", "none"],
)
def test_the_path_of(finder: PathFinder, moid: str, path: str):
    assert finder.path(moid) == path


def test_everything_knows_its_datacenter(finder: PathFinder):
    assert [finder.datacenter_of(moid) for moid in ("group-v4", "datacenter-2", "group-d2")] == [
        "datacenter-2",
        "datacenter-2",
        "",
    ]
    assert finder.datacenters() == ("/Sites/DC1",)


def test_a_raw_path_has_the_names_as_the_api_spells_them(finder: PathFinder):
    finder.add(thing("Datacenter", "datacenter-9", "50%25 %2f %5c", "group-d2"))
    finder.add(Found(Ref("Folder", "group-d1"), {}))  # the root comes along and has no parent

    assert finder.path("datacenter-9") == "/Sites/50% %2f \\"
    assert finder.raw_path("datacenter-9") == "/Sites/50%25 %2f %5c"
    assert finder.raw_path("group-d1") == ""


def test_two_datacenters_of_one_name_are_two(finder: PathFinder):
    finder.add(thing("Datacenter", "datacenter-9", "DC1", "group-d1"))

    assert finder.datacenters() == ("/DC1", "/Sites/DC1")


def test_a_file_is_asked_for_in_the_datacenter_as_the_api_spells_it():
    there = DatastoreChoice("a", "ds-1", "/50%", "dc-1", dc_path="/50%25")

    assert folder_target(there, "vmboot/x.iso") == "/folder/vmboot/x.iso?dcPath=50%2525&dsName=a"


@pytest.mark.parametrize(
    ("spelt", "path", "name"),
    [
        ("plain", "plain", "plain"),
        ("a%2fb", "a%2fb", "a/b"),
        ("a%2Fb%5cc%25", "a%2fb\\c%", "a/b\\c%"),
        ("100%252f", "100%2f", "100%2f"),
    ],
)
def test_names_are_unescaped_but_paths_still_split(spelt: str, path: str, name: str):
    assert (encode(spelt), encode(spelt, slash="/")) == (path, name)
