"""Target devices of PVS held against a vCenter, as a person does it."""

from __future__ import annotations

import pytest

from tests.lab.cliprocess import Shell
from tests.lab.fleetlab import site_on
from tests.unit.media.pvs_samples import csv_text
from vmboot.vsphere.inventory import read_index, read_machines
from vmboot.vsphere.machine import DeviceKind

pytestmark = pytest.mark.lab

GROUPS = 'targets: [{vms: "/DC1/vm/PVS/BIOS/*", method: pxe}]\n'


@pytest.fixture(scope="module")
def machines(lab, tmp_path_factory):
    """The BIOS machines of the fleet by path, with the MAC of the first NIC."""
    with site_on(lab, tmp_path_factory.mktemp("site")) as site:
        entries = read_index(site.session).match("/DC1/vm/PVS/BIOS/*")
        found = read_machines(site.session, [entry.moid for entry in entries])
    nics = {m.path: [d for d in m.hardware.devices if d.kind is DeviceKind.NIC] for m in found}
    return {path: each[0].mac for path, each in nics.items()}


def row(name, mac, *, kind="1", updated="2026-11-20T08:00:00"):
    return {
        "DeviceName": name,
        "DeviceMac": mac.upper().replace(":", "-"),
        "BdmBoot": "True",
        "BdmType": kind,
        "BdmFormat": "1",
        "BdmUpdated": updated,
    }


@pytest.fixture
def shell(lab, tmp_path):
    shell = Shell.at(lab, tmp_path)
    shell.fleet(GROUPS)
    return shell


def run(shell, rows, *more):
    (shell.folder / "devices.csv").write_text(csv_text(rows, kind="Citrix.PVS.SnapIn.PvsDevice"))
    return shell.run("media", "devices", "fleet.yml", "devices.csv", *more)


def test_a_farm_that_fits_its_vcenter_ends_well(shell, machines):
    rows = [row(path.rpartition("/")[2], mac) for path, mac in machines.items()]
    ended = run(shell, rows, "--json", "--changed-since", "2026-11-19")
    assert ended.code == 0, ended.err
    found = {each["device"]: each["machines"] for each in ended.document["devices"]}
    assert found == {path.rpartition("/")[2]: [path] for path in machines}


def test_what_does_not_fit_is_listed(shell, machines):
    (first, mac), (second, other), (third, _), *rest = machines.items()
    rows = [
        row("old", mac, updated="2026-01-01T00:00:00"),
        row("uefi", other, kind="2"),
        row("gone", "00:50:56:ff:ff:ff"),
        *(row("fine", each) for _, each in rest),
    ]
    ended = run(shell, rows, "--json", "--changed-since", "2026-11-01")
    assert ended.code == 6, ended.err
    found = {each["device"]: each for each in ended.document["devices"]}
    assert found["old"]["stale"] is True
    assert found["uefi"]["problems"] == [f"PVS made its BDM for UEFI, and {second} has BIOS"]
    assert found["gone"]["problems"] == ["no VM has this MAC"]
    assert found["old"]["machines"] == [first]
    assert ended.document["without"] == [third]


def test_the_screen_names_machine_and_reason(shell, machines):
    path, mac = next(iter(machines.items()))
    rows = [row("dev-1", mac, updated="2026-01-01T00:00:00")]
    ended = run(shell, rows, "--changed-since", "2026-11-01")
    assert ended.code == 6
    assert "its BDM is of 2026-01-01 00:00, before the servers changed" in ended.out
    assert path in ended.out
    assert "1 device: 1 to look into, 1 with an old BDM" in ended.out


def test_an_export_without_macs_is_an_error_before_anybody_logs_in(shell, lab):
    lab.reset_counters()
    ended = run(shell, [{"Name": "x"}], "--json")
    assert lab.counters().total_calls == 0
    assert ended.code == 2
    assert ended.error["message"].endswith("no column DeviceMac")


def test_a_date_that_is_none_is_a_usage_error(shell):
    assert run(shell, [row("a", "00:50:56:ff:ff:ff")], "--changed-since", "x").code == 2
