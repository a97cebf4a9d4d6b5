"""Settings for the Secure Boot db, as KB 377306 has them: read, changed, and put back."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmboot.vsphere.changes import SetExtra
from vmboot.vsphere.collector import Found
from vmboot.vsphere.machine import SecureDb
from vmboot.vsphere.securedb import (
    PLACES,
    certificate_in,
    certificate_name,
    changes_between,
    db_after,
    own_part,
    place_of,
    secure_db_of,
    setting,
)
from vmboot.vsphere.soap import NAMESPACE, Ref

FILE = certificate_name("0123456789abcdef")
FILE0 = "uefi.secureBoot.dbDefault.file0"
NAMES = st.lists(st.sampled_from(["", "a.der", "b.der", FILE]), max_size=PLACES)


def db(names: list[str]) -> SecureDb:
    """With no free places at the end, as all of them come."""
    return db_after(SecureDb(), [SetExtra(setting(n), "", name) for n, name in enumerate(names)])


def found(**values: str) -> Found:
    props = {}
    for name, value in values.items():
        element = ET.Element("val")
        ET.SubElement(element, f"{{{NAMESPACE}}}value").text = value
        props[f'config.extraConfig["{name}"]'] = element
    return Found(Ref("VirtualMachine", "vm-1"), props)


def test_what_is_set_is_read_and_free_places_at_the_end_are_not() -> None:
    append = "uefi.secureBoot.dbDefault.append"
    said = found(**{setting(1): FILE, append: "false", "nvram": "web.nvram"})
    assert secure_db_of(said) == SecureDb(("", FILE), replaces=True, nvram="web.nvram")
    assert secure_db_of(found()) == SecureDb()
    assert not secure_db_of(found(**{append: "TRUE"})).replaces


@pytest.mark.parametrize(
    ("name", "place"),
    [
        (FILE0, 0),
        ("uefi.secureBoot.dbDefault.file12", 12),
        ("uefi.secureBoot.dbDefault.append", None),
        ("uefi.secureBoot.dbxDefault.file0", None),
        ("vmboot.media", None),
    ],
)
def test_only_places_of_db_are_places(name: str, place: int | None) -> None:
    assert place_of(SetExtra(name, "", "x")) == place


def test_only_files_of_ours_are_put_into_folders() -> None:
    assert certificate_in([SetExtra("vmboot.media", "", FILE), SetExtra(FILE0, "", FILE)]) == FILE
    assert certificate_in([SetExtra(FILE0, "", "theirs.der"), SetExtra(FILE0, FILE, "")]) == ""


@given(NAMES, NAMES)
def test_changes_lead_from_any_settings_to_any_others_and_back(a: list[str], b: list[str]) -> None:
    one, two = db(a), db(b)
    assert db_after(one, changes_between(one, two)) == two
    assert db_after(two, changes_between(two, one)) == one


@given(NAMES, NAMES, NAMES)
def test_only_our_own_part_goes_back(a: list[str], b: list[str], c: list[str]) -> None:
    before, after, now = db(a), db(b), db(c)
    back = own_part(before, after, now)
    mine = {place_of(change): change for change in changes_between(before, after)}
    for change in changes_between(now, back):
        assert mine[place_of(change)].after == change.before
        assert mine[place_of(change)].before == change.after
    assert own_part(before, after, after) == db_after(
        after, [c for c in changes_between(after, before) if c.before]
    )
