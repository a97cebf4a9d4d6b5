"""What a running VM, a boot order and a second writer are refused."""

from __future__ import annotations

import threading

import pytest
from pyVmomi import vim, vmodl

from tests.lab.sdk import (
    OTHER_ISO,
    add,
    boot,
    boot_words,
    cd_of,
    connect,
    devices,
    disk_of,
    edit,
    iso,
    moved,
    new_cd,
    new_disk,
    refused,
    remove,
    until,
    wait,
)

InvalidArgument = vmodl.fault.InvalidArgument
InvalidPower = vim.fault.InvalidPowerState
Order = vim.vm.BootOptions
RUNNING = "pvs-003"  # BIOS, CD at IDE 0:0 with a connected ISO


@pytest.fixture
def running(client):
    vm = client.vm(RUNNING)
    assert vm.runtime.powerState == "poweredOn"
    return vm


def test_slot_of_a_running_vm(lab, client, running):
    with refused(lab, "live-slot", InvalidPower):
        client.reconfigure(running, edit(moved(cd_of(running), 1)))
    with refused(lab, "live-slot", InvalidPower):
        client.reconfigure(running, edit(moved(disk_of(running), 2)))


def test_controller_of_a_running_vm(lab, client, running):
    with refused(lab, "live-controller", InvalidPower):
        client.reconfigure(running, add(vim.vm.device.VirtualAHCIController(key=-1, busNumber=0)))
    sata = client.vm("pvs-011")  # running, with SATA
    with refused(lab, "live-controller", InvalidPower):
        client.reconfigure(sata, remove(devices(sata, vim.vm.device.VirtualAHCIController)[0]))


@pytest.mark.parametrize(("name", "controller"), [(RUNNING, 201), ("pvs-011", 15000)])
def test_drive_of_a_running_vm(lab, client, name, controller):
    """Neither IDE nor SATA drives come or go."""
    vm = client.vm(name)
    with refused(lab, "live-cdrom", InvalidPower):
        client.reconfigure(vm, add(new_cd(controller, 1)))
    with refused(lab, "live-cdrom", InvalidPower):
        client.reconfigure(vm, remove(cd_of(vm)))


def test_ide_disk_of_a_running_vm(lab, client, running):
    with refused(lab, "live-ide", InvalidPower):
        client.reconfigure(running, add(new_disk(201, 0, "[shared-01] x.vmdk", kib=64), "create"))


def test_scsi_disk_is_hot_added_and_removed(client, running):
    client.reconfigure(running, add(new_disk(1000, 1, "[shared-01] hot.vmdk", kib=64), "create"))
    client.reconfigure(running, remove(disk_of(running, 1), "destroy"))


def test_disk_mode_of_a_running_vm(lab, client, running):
    disk = disk_of(running)
    disk.backing.diskMode = "independent_persistent"
    with refused(lab, "live-disk-mode", InvalidPower):
        client.reconfigure(running, edit(disk))


@pytest.mark.parametrize(
    "fields", [{"firmware": "efi"}, {"version": "vmx-20"}, {"numCPUs": 8}, {"memoryMB": 8192}]
)
def test_hardware_of_a_running_vm(lab, client, running, fields):
    with refused(lab, "live-firmware", InvalidPower):
        client.reconfigure(running, **fields)


def test_media_of_a_running_vm_may_change(client, running):
    cd = cd_of(running)
    assert cd.connectable.connected
    cd.backing = vim.vm.device.VirtualCdrom.RemotePassthroughBackingInfo(
        deviceName="", exclusive=False
    )
    cd.connectable.connected = cd.connectable.startConnected = False
    client.reconfigure(running, edit(cd))
    cd = cd_of(running)
    assert not cd.connectable.connected
    cd.backing, cd.connectable.connected, cd.connectable.startConnected = iso(OTHER_ISO), True, True
    client.reconfigure(running, edit(cd))
    assert cd_of(running).connectable.connected


def test_boot_order_of_a_running_vm_may_change(client, running):
    client.reconfigure(running, bootOptions=boot(bootOrder=[Order.BootableCdromDevice()]))
    assert boot_words(running) == ["cd"]


@pytest.mark.parametrize(
    "entry",
    [
        Order.BootableDiskDevice(deviceKey=2001),
        Order.BootableDiskDevice(deviceKey=4000),
        Order.BootableEthernetDevice(deviceKey=4001),
        Order.BootableEthernetDevice(deviceKey=2000),
    ],
    ids=["no disk", "disk is a NIC", "no NIC", "NIC is a disk"],
)
def test_boot_order_names_devices(lab, client, entry):
    vm = client.vm("pvs-001")
    with refused(lab, "boot-key", InvalidArgument) as caught:
        order = [Order.BootableCdromDevice(), entry]
        client.reconfigure(vm, bootOptions=boot(bootOrder=order))
    assert caught.value.invalidProperty == "configSpec.bootOptions.bootOrder"


def test_boot_order_names_keys_after_the_move(lab, client):
    """A moved disk has another key at once, so its old key is bogus in the same spec."""
    vm = client.vm("pvs-005")
    with refused(lab, "boot-key", InvalidArgument):
        order = [Order.BootableDiskDevice(deviceKey=2000)]
        client.reconfigure(vm, edit(moved(disk_of(vm), 3)), bootOptions=boot(bootOrder=order))
    assert disk_of(vm).key == 2000


def test_boot_options_merge(client):
    """boot-merge: what is not sent stays; zero that is sent counts."""
    vm = client.vm("pvs-003")
    before = vm.config.bootOptions
    assert before.bootDelay == 5000
    order = [Order.BootableEthernetDevice(deviceKey=4000)]
    client.reconfigure(vm, bootOptions=boot(bootOrder=order))
    after = vm.config.bootOptions
    assert boot_words(vm) == ["nic 4000"]
    for name in ("bootDelay", "bootRetryEnabled", "bootRetryDelay", "enterBIOSSetup"):
        assert getattr(after, name) == getattr(before, name)
    client.reconfigure(vm, bootOptions=boot(bootDelay=0))
    assert not vm.config.bootOptions.bootDelay  # govmomi does not send a zero
    assert boot_words(vm) == ["nic 4000"]


def test_bare_device_clears_the_boot_order(client):
    """boot-clear"""
    vm = client.vm("pvs-007")
    order = [Order.BootableDiskDevice(deviceKey=2000)]
    client.reconfigure(vm, bootOptions=boot(bootOrder=order))
    assert boot_words(vm) == ["disk 2000"]
    client.reconfigure(vm, bootOptions=boot(bootOrder=[Order.BootableDevice()]))
    assert boot_words(vm) == []


def test_boot_order_loses_what_was_removed(client):
    vm = client.vm("pvs-009")
    key = disk_of(vm, 1).key
    order = [Order.BootableDiskDevice(deviceKey=k) for k in (key, 2000)]
    client.reconfigure(vm, bootOptions=boot(bootOrder=order))
    client.reconfigure(vm, remove(disk_of(vm, 1)))
    assert boot_words(vm) == ["disk 2000"]


def test_secure_boot_needs_efi(lab, client):
    with refused(lab, "secure-boot-efi", vim.fault.InvalidVmConfig):
        client.reconfigure(client.vm("pvs-001"), bootOptions=boot(efiSecureBootEnabled=True))


def test_stale_change_version(lab, client):
    vm = client.vm("pvs-005")
    version = vm.config.changeVersion
    client.reconfigure(vm, changeVersion=version, annotation="one")
    assert vm.config.changeVersion != version
    with refused(lab, "change-version", vim.fault.ConcurrentAccess):
        client.reconfigure(vm, changeVersion=version, annotation="two")
    assert vm.config.annotation == "one"
    client.reconfigure(vm, annotation="")  # an empty one that is sent clears
    assert not vm.config.annotation


def test_edit_behind_the_back_bumps_the_change_version(lab, client):
    vm = client.vm("pvs-005")
    version = vm.config.changeVersion
    lab.edit("pvs-005", annotation="by somebody else")
    with refused(lab, "change-version", vim.fault.ConcurrentAccess):
        client.reconfigure(vm, changeVersion=version, annotation="two")


def test_one_task_at_a_time(lab, client):
    vm = client.vm("pvs-005")
    lab.fault("slow-task", method="ReconfigVM_Task", vm="pvs-005", ms=400)
    first = client.start(vm, annotation="first")
    with refused(lab, "busy", vim.fault.TaskInProgress):
        client.start(vm, annotation="second")
    assert vm.name == "pvs-005"  # readable meanwhile
    assert first.info.state in ("queued", "running")
    wait(first)
    assert vm.config.annotation == "first"


def test_held_media_ask_first(lab, client):
    """cd-locked: the task hangs until the question is answered with its choice "0"."""
    vm = client.vm("locked-01")
    task = client.start(vm, edit(_ejecting(vm)))
    question = _question(vm)
    assert [m.id for m in question.message] == ["msg.cdromdisconnect.locked"]
    assert [c.key for c in question.choice.choiceInfo] == ["0", "1"]
    assert task.info.state == "running"
    with refused(lab, "question-known", InvalidArgument):
        vm.AnswerVM("another", "0")
    with refused(lab, "question-known", InvalidArgument):
        vm.AnswerVM(question.id, "7")
    vm.AnswerVM(question.id, "0")
    wait(task)
    assert vm.runtime.question is None
    assert not cd_of(vm).connectable.connected


def _ejecting(vm):
    cd = cd_of(vm)
    cd.connectable.connected = False
    return cd


def _question(vm):
    return until(lambda: vm.runtime.question)


def test_held_media_stay_when_the_answer_is_no(small_lab):
    with connect(lab := small_lab()) as client:
        vm = client.vm("locked-01")
        with refused(lab, "cd-locked", vim.fault.GenericVmConfigFault) as caught:
            task = client.start(vm, edit(_ejecting(vm)))
            vm.AnswerVM(_question(vm).id, "1")
            wait(task)
        assert "msg.disk.onlineConnectFail" in caught.value.reason
        assert cd_of(vm).connectable.connected


def test_unanswered_question_fails_the_task(small_lab):
    with connect(lab := small_lab(question_ms=200)) as client:
        vm = client.vm("locked-01")
        with refused(lab, "cd-locked", vim.fault.GenericVmConfigFault):
            client.reconfigure(vm, edit(_ejecting(vm)))
        assert vm.runtime.question is None


@pytest.mark.parametrize("option", ["cdrom.showIsoLockWarning=FALSE", "msg.autoanswer=TRUE"])
def test_no_question_where_none_is_wanted(small_lab, option):
    key, value = option.split("=")
    with connect(small_lab()) as client:
        vm = client.vm("locked-01")
        options = [vim.option.OptionValue(key=key, value=value)]
        client.reconfigure(vm, edit(_ejecting(vm)), extraConfig=options)
        assert not cd_of(vm).connectable.connected


def test_power_off_goes_through_a_question(small_lab):
    with connect(small_lab(question_ms=300)) as client:
        vm = client.vm("locked-01")
        task = client.start(vm, edit(_ejecting(vm)))
        _question(vm)
        client.power(vm, on=False)
        with pytest.raises(vim.fault.GenericVmConfigFault):
            wait(task)


def test_parallel_reconfigures_of_many(client, lab):
    """Nothing deadlocks and nothing is lost when many VMs change at once."""
    names = [f"pvs-{n:03d}" for n in range(1, 41)]

    def work(part):
        with connect(lab) as own:
            for name in part:
                vm = own.vm(name)
                wait(own.start(vm, annotation=f"new {name}"))

    threads = [threading.Thread(target=work, args=(names[n::4],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [client.vm(name).config.annotation for name in names] == [f"new {n}" for n in names]
