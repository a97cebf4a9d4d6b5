"""Templates and power: what the lab refuses and the simulator would not."""

from __future__ import annotations

import time

import pytest
from pyVmomi import vim, vmodl

from tests.lab.sdk import (
    add,
    boot,
    cd_of,
    connect,
    disk_of,
    edit,
    moved,
    new_disk,
    refused,
    remove,
    until,
    wait,
)

InvalidArgument = vmodl.fault.InvalidArgument
NotSupported = vmodl.fault.NotSupported
Clear = vim.vm.BootOptions.BootableDevice


def pool_of(client, cluster):
    return client.find(f"/DC1/host/{cluster}").resourcePool


@pytest.mark.parametrize(
    "fields",
    [
        {"bootOptions": boot(bootOrder=[Clear()])},
        {"extraConfig": [vim.option.OptionValue(key="a", value="b")]},
        {"memoryMB": 1024},
        {"firmware": "bios"},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_template_is_fixed(lab, client, fields):
    with refused(lab, "template-fixed", NotSupported):
        client.reconfigure(client.vm("tpl-win11-pvs"), **fields)


def test_devices_of_a_template_are_fixed(lab, client):
    vm = client.vm("tpl-win11-pvs")
    with refused(lab, "template-fixed", NotSupported):
        client.reconfigure(vm, edit(cd_of(vm)))


def test_name_and_annotation_of_a_template_may_change(client):
    vm = client.vm("tpl-rhel-bios")
    client.reconfigure(vm, annotation="golden", name="tpl-rhel-bios-2")
    assert (vm.name, vm.config.annotation) == ("tpl-rhel-bios-2", "golden")
    client.reconfigure(vm, name="tpl-rhel-bios")


def test_round_trip_of_a_template(client):
    vm = client.vm("tpl-win11-pvs")
    assert vm.config.template
    vm.MarkAsVirtualMachine(pool_of(client, "CL-A"), None)
    assert not vm.config.template
    assert vm.resourcePool == pool_of(client, "CL-A")
    client.reconfigure(vm, bootOptions=boot(bootDelay=1000))
    vm.MarkAsTemplate()
    assert vm.config.template
    assert vm.config.bootOptions.bootDelay == 1000


def test_marking_is_seen_by_a_property_filter(client):
    """The simulator tells nobody of MarkAsTemplate; a vCenter does."""
    vm = client.vm("tpl-linux-uefi")
    collector = client.content.propertyCollector
    kinds = vmodl.query.PropertyCollector
    spec = kinds.FilterSpec(
        objectSet=[kinds.ObjectSpec(obj=vm)],
        propSet=[kinds.PropertySpec(type=vim.VirtualMachine, pathSet=["config.template"])],
    )
    watch = collector.CreateFilter(spec, True)
    version = collector.WaitForUpdatesEx("", kinds.WaitOptions(maxWaitSeconds=5)).version
    vm.MarkAsVirtualMachine(pool_of(client, "CL-A"), None)
    first = collector.WaitForUpdatesEx(version, kinds.WaitOptions(maxWaitSeconds=5))
    vm.MarkAsTemplate()
    second = collector.WaitForUpdatesEx(first.version, kinds.WaitOptions(maxWaitSeconds=5))
    watch.Destroy()
    values = [update.filterSet[0].objectSet[0].changeSet[-1].val for update in (first, second)]
    assert values == [False, True]


def test_pool_is_required(lab, client):
    nothing = vim.ResourcePool("resgroup-4711", client.si._stub)
    with refused(lab, "pool-required", InvalidArgument):
        client.vm("tpl-win11-pvs").MarkAsVirtualMachine(nothing, None)


def test_pool_and_host_belong_together(lab, client):
    vm = client.vm("tpl-win11-pvs")  # on esx-a1.lab
    stranger = client.find("/DC1/host/CL-B").host[0]
    with refused(lab, "pool-host", InvalidArgument):
        vm.MarkAsVirtualMachine(pool_of(client, "CL-A"), stranger)
    with refused(lab, "pool-host", InvalidArgument):
        vm.MarkAsVirtualMachine(pool_of(client, "CL-B"), vm.runtime.host)
    assert vm.config.template


def test_cluster_without_drs_needs_the_host(lab, client):
    vm = client.vm("tpl-win10-bios")  # in CL-B
    with refused(lab, "pool-host", InvalidArgument):
        vm.MarkAsVirtualMachine(pool_of(client, "CL-B"), None)
    vm.MarkAsVirtualMachine(pool_of(client, "CL-B"), vm.runtime.host)
    vm.MarkAsTemplate()


def test_only_a_template_becomes_a_vm(lab, client):
    with refused(lab, "not-template", NotSupported):
        client.vm("pvs-001").MarkAsVirtualMachine(pool_of(client, "CL-A"), None)


def test_template_is_marked_once(lab, client):
    with refused(lab, "template-once", NotSupported):
        client.vm("tpl-win11-pvs").MarkAsTemplate()


def test_running_vm_is_no_template(lab, client):
    with refused(lab, "template-off", vim.fault.InvalidPowerState):
        client.vm("pvs-003").MarkAsTemplate()


@pytest.mark.parametrize("method", ["PowerOnVM_Task", "PowerOffVM_Task", "ResetVM_Task"])
def test_template_has_no_power(lab, client, method):
    with refused(lab, "template-power", vim.fault.InvalidState):
        wait(getattr(client.vm("tpl-win11-pvs"), method)())


def test_power_on_and_off(lab, client):
    vm = client.vm("pvs-001")
    with refused(lab, "power-state", vim.fault.InvalidPowerState):
        client.power(vm, on=False)
    client.power(vm, on=True)
    assert vm.runtime.powerState == "poweredOn"
    assert vm.runtime.bootTime is not None
    with refused(lab, "power-state", vim.fault.InvalidPowerState):
        client.power(vm, on=True)
    client.power(vm, on=False)
    assert vm.runtime.bootTime is None


def test_power_on_connects_what_is_to_be_connected(client):
    vm = client.vm("pvs-033")  # IDE CD with an ISO, not connected at power on
    cd = cd_of(vm)
    assert not cd.connectable.startConnected
    client.power(vm, on=True)
    assert not cd_of(vm).connectable.connected
    client.power(vm, on=False)
    cd.connectable.startConnected = True
    client.reconfigure(vm, edit(cd))
    client.power(vm, on=True)
    assert cd_of(vm).connectable.connected
    client.power(vm, on=False)
    assert not cd_of(vm).connectable.connected


def test_host_in_maintenance_starts_nothing(lab, client):
    vm = client.vm("pvs-001")
    lab.host_state(vm.runtime.host.name, maintenance=True)
    try:
        with refused(lab, "host-maintenance", vim.fault.InvalidHostState):
            client.power(vm, on=True)
    finally:
        lab.host_state(vm.runtime.host.name, maintenance=False)


def test_ide_slave_needs_a_master(lab, client):
    vm = client.vm("pvs-009")  # disk at IDE 0:0, CD at 0:1
    client.reconfigure(vm, edit(moved(disk_of(vm, 1), 0, 201)))
    with refused(lab, "ide-master", vim.fault.GenericVmConfigFault):
        client.power(vm, on=True)
    client.reconfigure(vm, edit(moved(disk_of(vm, 1), 0, 200)))
    client.power(vm, on=True)
    client.power(vm, on=False)


def test_disk_has_one_user(lab, client):
    one, two = client.vm("pvs-005"), client.vm("pvs-013")  # both on shared-01
    name = "[shared-01] shared.vmdk"
    client.reconfigure(one, add(new_disk(1000, 1, name, kib=64), "create"))
    client.reconfigure(two, add(new_disk(1000, 1, name)))
    client.power(one, on=True)
    with refused(lab, "disk-exclusive", vim.fault.FileLocked):
        client.power(two, on=True)
    client.power(one, on=False)
    client.power(two, on=True)
    client.power(two, on=False)
    client.reconfigure(two, remove(disk_of(two, 1)))
    client.reconfigure(one, remove(disk_of(one, 1), "destroy"))


def test_many_are_powered_on_by_the_same_rules(client):
    vms = [client.vm("pvs-001"), client.vm("pvs-003"), client.vm("tpl-win11-pvs")]
    result = wait(client.find("/DC1").PowerOnMultiVM_Task(vms, []))
    assert [entry.vm for entry in result.attempted] == vms[:2]
    assert [entry.vm for entry in result.notAttempted] == vms[2:]
    until(lambda: vms[0].runtime.powerState == "poweredOn")
    client.power(vms[0], on=False)


def test_guest_shutdown(small_lab):
    with connect(lab := small_lab(vms=12, guest_shutdown_ms=250)) as client:
        vm = client.vm("pvs-003")  # with Tools
        lab.edit("pvs-003", tools=True)
        began = time.monotonic()
        lab.edit("pvs-003", power="off")
        lab.edit("pvs-003", power="on")
        vm.ShutdownGuest()
        assert vm.runtime.powerState == "poweredOn"
        until(lambda: vm.runtime.powerState == "poweredOff")
        assert time.monotonic() - began >= 0.25


def test_guest_without_tools(lab, client):
    lab.edit("pvs-003", tools=True)
    assert client.vm("pvs-003").guest.toolsRunningStatus == "guestToolsRunning"
    lab.edit("pvs-003", tools=False)
    with refused(lab, "tools", vim.fault.ToolsUnavailable):
        client.vm("pvs-003").ShutdownGuest()


def test_guest_that_ignores_the_request(client):
    vm = client.vm("stubborn-01")
    vm.ShutdownGuest()
    time.sleep(0.5)
    assert vm.runtime.powerState == "poweredOn"


def test_running_vm_is_not_destroyed(lab, client):
    with refused(lab, "destroy-off", vim.fault.InvalidPowerState):
        wait(client.vm("stubborn-01").Destroy_Task())


def test_clone_of_a_template_obeys_the_rules(lab, client):
    """A VM that is made later is no way round them."""
    spec = vim.vm.CloneSpec(
        location=vim.vm.RelocateSpec(pool=pool_of(client, "CL-A")), powerOn=False, template=False
    )
    folder = client.find("Special")
    task = client.vm("tpl-win11-pvs").CloneVM_Task(folder, "clone-01", spec)
    until(lambda: task.info.state == "success")
    vm = client.vm("clone-01")
    assert vm.runtime.faultToleranceState == "notConfigured"
    with refused(lab, "unit-reserved", vim.fault.InvalidDeviceSpec):
        client.reconfigure(vm, edit(moved(disk_of(vm), 7)))
