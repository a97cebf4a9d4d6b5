"""Finding machines by path, glob and name."""

from __future__ import annotations

import pytest

from vmboot.errors import AmbiguousError, NotFoundError
from vmboot.model import Firmware
from vmboot.vsphere.index import Entry, Index
from vmboot.vsphere.inventory import one_datacenter
from vmboot.vsphere.machine import Power

PATHS = (
    "/DC1/vm/PVS/BIOS/pvs-001",
    "/DC1/vm/PVS/BIOS/pvs-002",
    "/DC1/vm/PVS/UEFI/pvs-003",
    "/DC1/vm/PVS/direct",
    "/DC1/vm/Special/one/twin",
    "/DC1/vm/Special/two/twin",
    "/DC1/vm/a%2fb",
    "/DC1/vm/app[1]",
    "/Sites/DC2/vm/pvs-001x",
)


def entry(path: str) -> Entry:
    name = path.rpartition("/")[2].replace("%2f", "/")
    return Entry(path, name, path, "", False, Power.OFF, Firmware.BIOS)


INDEX = Index(tuple(entry(path) for path in PATHS), ("/DC1", "/Sites/DC2"))


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("/DC1/vm/PVS/BIOS/pvs-001", PATHS[:1]),
        ("/DC1/vm/PVS/BIOS/pvs-001/", PATHS[:1]),
        ("/DC1/vm/PVS/BIOS/*", PATHS[:2]),
        ("/DC1/vm/PVS/*", PATHS[3:4]),
        ("/DC1/vm/PVS/*/pvs-00[12]", PATHS[:2]),
        ("/DC1/vm/PVS/*/pvs-00[^12]", PATHS[2:3]),
        ("/DC1/vm/PVS/*/pvs-00[!12]", PATHS[2:3]),
        ("/DC1/vm/PVS/**/pvs-*", PATHS[:3]),
        ("/DC1/vm/PVS/**/direct", PATHS[3:4]),
        ("/DC1/vm/PVS/**", PATHS[:4]),
        ("/**/twin", PATHS[4:6]),
        ("/*/vm/PVS/direct", PATHS[3:4]),
        ("PVS/*/pvs-00?", PATHS[:3]),
        ("PVS/direct", PATHS[3:4]),
        ("direct", PATHS[3:4]),
        ("twin", PATHS[4:6]),
        ("pvs-00?", PATHS[:3]),
        ("pvs-001*", (PATHS[0], PATHS[8])),
        ("a%2fb", ()),
        ("/DC1/vm/a%2fb", PATHS[6:7]),
        # A slash in a name is written %2f in a path, and no glob of a name alone crosses it.
        ("a?b", ()),
        ("/DC1/vm/a*b", PATHS[6:7]),
        ("/DC1/vm/PVS?direct", ()),
        ("/DC1/vm/PVS[!x]direct", ()),
        ("/DC1/vm/PVS[^x]direct", ()),
        ("/DC1/vm/PVS[+-9]direct", ()),
        ("app[[]1]", PATHS[7:8]),
        ("PVS-001", ()),
        ("nothing", ()),
        ("/DC1/vm/nothing/*", ()),
        ("/DC1/vm/PVS", ()),
    ],
)
def test_what_a_pattern_means(pattern: str, found: tuple[str, ...]):
    assert tuple(e.path for e in INDEX.match(pattern)) == found


def test_one_machine_by_its_name():
    assert INDEX.one("direct").path == "/DC1/vm/PVS/direct"


def test_a_name_that_two_have_is_never_guessed():
    with pytest.raises(AmbiguousError) as several:
        INDEX.one("twin")

    assert several.value.matches == PATHS[4:6]


def test_a_name_that_nobody_has_brings_the_nearest():
    with pytest.raises(NotFoundError, match="no machine matches 'pvs-0001'") as missing:
        INDEX.one("pvs-0001")

    assert missing.value.hint is not None
    assert "/DC1/vm/PVS/BIOS/pvs-001" in missing.value.hint


def test_entries_by_id_leave_out_what_is_gone():
    assert tuple(e.path for e in INDEX.by_moid([PATHS[3], "vm-gone"])) == (PATHS[3],)


@pytest.mark.parametrize(
    ("wanted", "path"),
    [("DC2", "/B/DC2"), ("/A/DC1", "/A/DC1"), ("/B/DC1", "/B/DC1")],
)
def test_a_datacenter_by_name_or_path(wanted: str, path: str):
    assert one_datacenter(("/A/DC1", "/B/DC1", "/B/DC2"), wanted) == path


def test_a_name_that_two_datacenters_have_is_never_guessed():
    with pytest.raises(AmbiguousError, match="'DC1' is the name of 2 datacenters") as several:
        one_datacenter(("/B/DC1", "/A/DC1"), "DC1")

    assert several.value.matches == ("/A/DC1", "/B/DC1")


def test_a_datacenter_that_is_not_there_brings_those_that_are():
    with pytest.raises(NotFoundError, match="no datacenter DC3") as missing:
        one_datacenter(("/A/DC1",), "DC3")

    assert missing.value.hint == "there are: /A/DC1"
