"""The demo's independent reader: it sees what changes, and only that."""

from __future__ import annotations

import pytest

from vmboot.cli.rawinventory import RawReader
from vmboot.errors import ConnectError, RemoteError
from vmboot.lab import Vcenter

pytestmark = pytest.mark.lab


def reader(lab: Vcenter, **changes: str) -> RawReader:
    facts = {"url": lab.url, "user": lab.user, "password": lab.password}
    return RawReader(**{**facts, "thumbprint": lab.thumbprint, **changes})


def name_lines(lines: tuple[str, ...]) -> list[str]:
    return [line for line in lines if line.startswith("name ")]


def test_every_machine_and_template_is_read(lab):
    found = reader(lab).read()
    assert len(found) == lab.lab_status()["vms"]
    assert all(len(name_lines(lines)) == 1 for lines in found.values())


def test_nothing_changed_means_equal_dumps(lab):
    assert reader(lab).read() == reader(lab).read()


@pytest.mark.parametrize(
    "change",
    [
        {"boot_order": ["nic"]},
        {"boot_delay": 7000},
        {"cd_iso": ""},
        {"cd_start_connected": False},
        {"name": "renamed"},
    ],
    ids=str,
)
def test_a_change_of_one_machine_is_seen_in_that_machine_alone(lab, change):
    before = reader(lab).read()
    lab.edit("/DC1/vm/PVS/BIOS/pvs-003", **change)
    after = reader(lab).read()
    changed = [moid for moid in before if before[moid] != after[moid]]
    if "name" in change:
        lab.edit("/DC1/vm/PVS/BIOS/renamed", name="pvs-003")
    assert len(changed) == 1


def test_power_is_not_a_property_of_the_configuration(lab):
    before = reader(lab).read()
    lab.edit("/DC1/vm/PVS/BIOS/pvs-003", power="off")
    assert reader(lab).read() == before


def test_another_certificate_ends_it_before_a_word_is_said(lab):
    lab.reset_counters()
    with pytest.raises(ConnectError):
        reader(lab, thumbprint="AB" * 32).read()
    assert lab.counters().total_calls == 0


def test_a_wrong_password_is_an_error_without_the_password_in_it(lab):
    with pytest.raises(RemoteError) as caught:
        reader(lab, password="wr0ng-secret").read()
    assert "wr0ng-secret" not in f"{caught.value!r} {caught.value}"
