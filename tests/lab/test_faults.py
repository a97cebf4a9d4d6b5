"""Faults that tests inject, counters that they read, and edits behind the client's back."""

from __future__ import annotations

import http.client
import time

import pytest
from pyVmomi import vim

from tests.lab.sdk import boot_words, cd_of, connect, until, wait
from vmboot.errors import InputError
from vmboot.lab import Control


@pytest.fixture(autouse=True)
def no_faults_left(lab):
    yield
    lab.clear_faults()


def test_task_fails(lab, client):
    lab.fault("task-fails", method="ReconfigVM_Task", vm="pvs-007", message="struck by the lab")
    client.reconfigure(client.vm("pvs-005"), annotation="untouched by the fault")
    with pytest.raises(vim.fault.GenericVmConfigFault) as caught:
        client.reconfigure(client.vm("pvs-007"), annotation="x")
    assert caught.value.msg == "struck by the lab"
    assert client.vm("pvs-007").config.annotation != "x"
    client.reconfigure(client.vm("pvs-007"), annotation="x")  # it strikes once
    assert [fault["struck"] for fault in lab.faults()] == [1]


def test_after_and_count(lab, client):
    lab.fault("task-fails", method="ReconfigVM_Task", after=2, count=2, fault="FileFault")
    outcomes = []
    for _ in range(6):
        try:
            client.reconfigure(client.vm("pvs-005"), annotation="n")
            outcomes.append("ok")
        except vim.fault.FileFault:
            outcomes.append("fault")
    assert outcomes == ["ok", "ok", "fault", "fault", "ok", "ok"]


def test_call_is_answered_with_a_fault(lab, client):
    lab.fault("fault", method="MarkAsTemplate", fault="TaskInProgress")
    with pytest.raises(vim.fault.TaskInProgress):
        client.vm("pvs-001").MarkAsTemplate()
    assert not client.vm("pvs-001").config.template


def test_no_permission(lab, client):
    lab.fault("no-permission", method="ReconfigVM_Task", privilege="VirtualMachine.Config.Settings")
    with pytest.raises(vim.fault.NoPermission) as caught:
        client.start(client.vm("pvs-001"), annotation="x")
    assert caught.value.privilegeId == "VirtualMachine.Config.Settings"


def test_not_authenticated_ends_the_session(lab):
    with connect(lab) as own:
        vm = own.vm("pvs-001")
        lab.fault("not-authenticated", method="ReconfigVM_Task")
        with pytest.raises(vim.fault.NotAuthenticated):
            own.start(vm, annotation="x")
        with pytest.raises(vim.fault.NotAuthenticated):
            own.start(vm, annotation="x")
        own.content.sessionManager.Login(lab.user, lab.password)
        own.reconfigure(vm, annotation="after the new login")


@pytest.mark.parametrize(("when", "happened"), [("before", False), ("after", True)])
def test_dropped_connection(lab, when, happened):
    """After: the work was done, but the client never hears of it."""
    with connect(lab) as own:
        vm = own.vm("pvs-009")
        lab.fault("drop-connection", method="ReconfigVM_Task", when=when)
        with pytest.raises((http.client.HTTPException, OSError)):
            own.start(vm, annotation=f"dropped {when}")
        time.sleep(0.1)
        assert (vm.config.annotation == f"dropped {when}") is happened


def test_slow_task(lab, client):
    lab.fault("slow-task", vm="pvs-001", ms=300)
    began = time.monotonic()
    client.reconfigure(client.vm("pvs-001"), annotation="slow")
    assert time.monotonic() - began >= 0.3


def test_ignored_call(lab, client):
    lab.fault("ignored", method="ShutdownGuest")
    lab.edit("locked-01", tools=True)
    client.vm("locked-01").ShutdownGuest()
    time.sleep(0.5)
    assert client.vm("locked-01").runtime.powerState == "poweredOn"


def test_task_meets_a_full_datastore(lab, client):
    lab.fault("disk-full", method="ReconfigVM_Task")
    with pytest.raises(vim.fault.NoDiskSpace):
        client.reconfigure(client.vm("pvs-001"), annotation="x")


def test_truncated_upload_looks_like_success(lab, client):
    """So a client that does not look at the size is found out."""
    lab.fault("truncate-upload", method="FolderPUT", nbytes=100)
    assert client.file("PUT", "cut.iso", body=bytes(1000)).status == 201
    assert client.file("HEAD", "cut.iso").getheader("Content-Length") == "100"


def test_upload_whose_connection_drops(lab, client):
    lab.fault("drop-connection", method="FolderPUT", nbytes=1 << 16)
    with pytest.raises((http.client.HTTPException, OSError)):
        client.file("PUT", "dropped.iso", body=bytes(32 << 20))
    assert client.file("HEAD", "dropped.iso").status == 404


@pytest.mark.parametrize(
    ("kind", "status"), [("disk-full", 507), ("not-authenticated", 401), ("no-permission", 403)]
)
def test_upload_faults(lab, kind, status):
    with connect(lab) as own:
        lab.fault(kind, method="FolderPUT")
        assert own.file("PUT", "never.iso", body=b"x").status == status


@pytest.mark.parametrize(
    "fault", [{"kind": "no-such-kind"}, {"kind": "fault", "vm": "no-such-vm"}], ids=str
)
def test_faults_that_could_never_strike(lab, fault):
    with pytest.raises(InputError):
        lab.fault(**fault)


def test_counters(small_lab):
    with connect(lab := small_lab()) as client:
        vm = client.vm("pvs-001")
        vm.name  # noqa: B018
        client.reconfigure(vm, annotation="x")
        lab.reset_counters()
        assert lab.counters().total_calls == 0
        client.start(vm, annotation="y")
        client.file("PUT", "a.iso", body=bytes(1000))
        client.file("HEAD", "a.iso")
        counters = lab.counters()
    assert counters.calls == {"ReconfigVM_Task": 1, "FolderPUT": 1, "FolderHEAD": 1}
    assert counters.writes == {"ReconfigVM_Task": 1, "FolderPUT": 1}
    assert (counters.total_calls, counters.total_writes) == (3, 2)
    assert (counters.folder_puts, counters.folder_bytes) == (1, 1000)


def test_delays(small_lab):
    with connect(lab := small_lab()) as client:
        vm = client.vm("pvs-001")
        lab.delays(delay_ms=50, task_ms=300)
        began = time.monotonic()
        task = client.start(vm, annotation="x")
        started = time.monotonic()
        assert 0.05 <= started - began < 0.25
        assert vm.config.annotation is None or vm.config.annotation != "x"  # readable meanwhile
        until(lambda: task.info.state == "success")
        assert time.monotonic() - started >= 0.25


def test_delays_from_the_start(small_lab):
    with connect(small_lab(delay_ms=20, task_ms=100)) as client:
        began = time.monotonic()
        client.reconfigure(client.vm("pvs-001"), annotation="x")
        assert time.monotonic() - began >= 0.12


def test_edit_behind_the_back(lab, client):
    vm = client.vm("pvs-001")
    before = lab.counters().total_writes
    lab.edit(
        "/DC1/vm/PVS/BIOS/pvs-001",
        annotation="edited",
        boot_order=["disk", "nic", "cd"],
        boot_delay=1234,
        cd_iso="[shared-01] iso/other-tools.iso",
        cd_start_connected=True,
        extra_config={"guestinfo.by": "hand"},
    )
    assert vm.config.annotation == "edited"
    assert boot_words(vm) == ["disk 2000", "nic 4000", "cd"]
    assert vm.config.bootOptions.bootDelay == 1234
    assert cd_of(vm).backing.fileName == "[shared-01] iso/other-tools.iso"
    assert {o.key: o.value for o in vm.config.extraConfig}["guestinfo.by"] == "hand"
    lab.edit("pvs-001", cd_iso="", boot_order=[], power="on")
    assert boot_words(vm) == []
    assert vm.runtime.powerState == "poweredOn"
    lab.edit("pvs-001", power="off", name="pvs-one")
    assert vm.name == "pvs-one"
    assert lab.counters().total_writes == before
    lab.edit("pvs-one", name="pvs-001")


def test_edit_of_a_template(lab, client):
    lab.edit("tpl-rhel-bios", boot_order=["cd"])
    vm = client.vm("tpl-rhel-bios")
    assert (vm.config.template, boot_words(vm)) == (True, ["cd"])
    lab.edit("tpl-rhel-bios", template=False)
    assert (vm.config.template, vm.resourcePool is not None) == (False, True)
    lab.edit("tpl-rhel-bios", template=True)
    assert vm.config.template


@pytest.mark.parametrize(
    ("vm", "change"),
    [("twin", {}), ("nobody", {}), ("pvs-001", {"anotation": "x"}), ("pvs-007", {"cd_iso": ""})],
    ids=["two of one name", "nobody", "unknown key", "no drive"],
)
def test_edits_that_cannot_be(lab, vm, change):
    with pytest.raises(InputError):
        lab.edit(vm, **change)


def test_control_needs_its_token(lab):
    with pytest.raises(InputError, match="token"):
        Control(control=lab.control, token="guess").counters()


def test_host_states(lab, client):
    lab.host_state("esx-a1.lab", connection="disconnected")
    host = client.find("/DC1/host/CL-A/esx-a1.lab")
    assert host.runtime.connectionState == "disconnected"
    lab.host_state("esx-a1.lab", connection="connected")
    with pytest.raises(InputError):
        lab.host_state("esx-z9.lab", maintenance=True)


def test_every_call_may_wait_its_turn(lab, client):
    """A task that another client started is waited for by state, not by luck."""
    task = client.start(client.vm("pvs-005"), annotation="z")
    wait(task)
    assert task.info.progress == 100
    assert task.info.entity == client.vm("pvs-005")
