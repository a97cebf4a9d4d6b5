"""Reading the inventory, compared with what pyvmomi itself reads."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.lab.sdk import Client
from tests.lab.vsphere_lab import machine, session_on
from vmboot.errors import NotFoundError
from vmboot.lab import Vcenter
from vmboot.model import Firmware
from vmboot.vsphere.inventory import read_index, read_machines
from vmboot.vsphere.machine import DeviceKind, Machine, Power
from vmboot.vsphere.session import Session

pytestmark = pytest.mark.lab


@pytest.fixture
def session(lab: Vcenter):
    with session_on(lab) as opened:
        yield opened


def test_the_whole_index_is_one_call(lab: Vcenter, session: Session):
    lab.reset_counters()
    index = read_index(session)

    assert len(index.match("/DC1/vm/PVS/**/pvs-*")) == 40
    assert len([entry for entry in index.entries if entry.is_template]) == 4
    assert lab.counters().total_calls == 1


def test_forty_machines_with_devices_are_one_call(lab: Vcenter, session: Session):
    moids = [entry.moid for entry in read_index(session).match("pvs-*")]
    lab.reset_counters()

    assert [found.moid for found in read_machines(session, moids)] == moids
    assert lab.counters().total_calls == 1


def test_each_machine_is_what_pyvmomi_reads(session: Session, client: Client):
    entries = read_index(session).entries
    for found in read_machines(session, [entry.moid for entry in entries]):
        assert_like(found, client.find(found.path))


def assert_like(found: Machine, vm) -> None:
    config, options = vm.config, vm.config.bootOptions
    assert found.moid == vm._moId
    assert found.uuid == config.instanceUuid
    assert found.is_template == config.template
    assert (found.firmware is Firmware.UEFI) == (config.firmware == "efi")
    assert found.secure_boot == bool(options.efiSecureBootEnabled)
    assert f"vmx-{found.hw_version}" == config.version
    assert found.change_version == config.changeVersion
    assert [e.key for e in found.boot_order] == [
        getattr(entry, "deviceKey", None) for entry in options.bootOrder
    ]
    devices = {device.key: device for device in config.hardware.device}
    for controller in found.hardware.controllers:
        assert devices[controller.key].busNumber == controller.number
        assert type(devices[controller.key]).__name__.endswith(controller.model)
    for device in found.hardware.devices:
        twin = devices[device.key]
        assert (device.controller, device.unit) == (twin.controllerKey, twin.unitNumber)
        assert device.label == twin.deviceInfo.label
        if device.kind is DeviceKind.NIC:
            assert device.mac == twin.macAddress
        if device.kind is DeviceKind.DISK:
            assert (device.file, device.uuid) == (twin.backing.fileName, twin.backing.uuid)
            assert device.uuid
        if device.kind is DeviceKind.CDROM:
            assert device.connection.start_connected == twin.connectable.startConnected
            assert device.connection.connected == twin.connectable.connected
            assert device.backing.path == getattr(twin.backing, "fileName", "")
    kinds = ("VirtualCdrom", "VirtualDisk", "VirtualVmxnet3")
    wanted = {d.key for d in devices.values() if type(d).__name__.rpartition(".")[2] in kinds}
    assert {device.key for device in found.hardware.devices} == wanted


def test_where_a_machine_lives_is_known(session: Session, client: Client):
    found = machine(session, "pvs-001")
    vm = client.vm("pvs-001")

    assert found.host == vm.runtime.host._moId
    assert found.compute == vm.runtime.host.parent._moId
    assert found.pool == vm.resourcePool._moId


def test_a_template_has_a_host_but_no_pool(session: Session):
    found = machine(session, "tpl-win11-pvs")

    assert (found.is_template, found.pool) == (True, None)
    assert found.host
    assert found.compute


def test_special_machines_show_what_is_special(session: Session):
    assert machine(session, "sb-01").secure_boot
    assert machine(session, "snap-01").has_snapshot
    assert not machine(session, "pvs-001").has_snapshot


def test_power_states_are_read(session: Session, lab: Vcenter):
    states = {entry.power for entry in read_index(session).match("pvs-*")}

    assert states == {Power.ON, Power.OFF}


def test_only_one_datacenter_can_be_looked_into(session: Session):
    assert read_index(session, datacenter="DC1").entries == read_index(session).entries
    assert read_index(session, datacenter="/DC1").entries == read_index(session).entries


@pytest.mark.parametrize("name", ["DC2", "/Sites/DC1"])
def test_a_datacenter_that_is_not_there_is_named_with_those_that_are(session: Session, name: str):
    with pytest.raises(NotFoundError, match=f"no datacenter {name}") as missing:
        read_index(session, datacenter=name)

    assert missing.value.hint == "there are: /DC1"


def test_a_machine_that_is_gone_is_an_error_not_a_hole(session: Session):
    present = machine(session, "pvs-001")
    with pytest.raises(NotFoundError, match="vm-9999") as missing:
        read_machines(session, [present.moid, "vm-9999"])

    assert missing.value.hint
    assert read_machines(session, ["vm-9999", present.moid], missing_ok=True) == (present,)


def test_no_machines_cost_no_call(lab: Vcenter, session: Session):
    lab.reset_counters()

    assert read_machines(session, ()) == ()
    assert lab.counters().total_calls == 0


def test_a_slash_in_a_name_does_not_break_paths(session: Session, lab: Vcenter):
    lab.edit("pvs-003", name="a%2fb")
    try:
        entry = read_index(session).one("/DC1/vm/PVS/**/a%2fb")
        found = read_machines(session, [entry.moid])[0]
        assert (entry.name, found.name) == ("a/b", "a/b")
        assert entry.path == found.path
    finally:
        lab.edit(entry.path, name="pvs-003")


def test_many_machines_come_in_pages(small_lab: Callable[..., Vcenter]):
    lab = small_lab(vms=1100, templates=1, specials=False)
    with session_on(lab) as session:
        lab.reset_counters()
        entries = read_index(session).entries
        calls = lab.counters().total_calls

        assert len({entry.path for entry in entries}) == 1101
        assert all("/DC1/vm/" in entry.path for entry in entries)
        # An older simulator knows no pages and sends all at once.
        assert calls in (1, 3)
        assert len(read_machines(session, [entry.moid for entry in entries])) == 1101
