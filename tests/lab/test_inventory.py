"""What is in the lab, as the rest of the tests rely on it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from pyVmomi import vim

from tests.soap import dump
from vmboot.lab import start_vcenter

TESTS = Path(__file__).parent
DEVICES = "config.hardware.device"


def drives(machine):
    """Slots of CD-ROM drives: ``{"200:0"}``."""
    found = machine[DEVICES].values()
    return {f"{d['controllerKey']}:{d['unitNumber']}" for d in found if d["type"] == "VirtualCdrom"}


def test_every_start_gives_the_same_inventory(lab_binary):
    with (
        start_vcenter(binary=lab_binary, vms=10) as one,
        start_vcenter(binary=lab_binary, vms=10) as two,
    ):
        assert dump(one) == dump(two)


def test_ordinary_machines(lab):
    machines = {p: m for p, m in dump(lab).items() if p.startswith("/DC1/vm/PVS/")}
    assert len(machines) == 40
    assert Counter(m["config.firmware"] for m in machines.values()) == {"bios": 20, "efi": 20}
    assert Counter(m["runtime.powerState"] for m in machines.values())["poweredOn"] == 10
    assert not any("esx-b3" in m["runtime.host"] for m in machines.values())
    slots = {frozenset(drives(m)) for m in machines.values()}
    assert {
        frozenset(),
        frozenset({"200:0"}),
        frozenset({"200:1"}),
        frozenset({"15000:0"}),
    } <= slots
    taken = [m for m in machines.values() if m[DEVICES].get(3000, {}).get("type") == "VirtualDisk"]
    assert taken
    macs = {m[DEVICES][4000]["macAddress"] for m in dump(lab).values()}
    assert len(macs) == len(dump(lab))
    assert all(mac.startswith("00:50:56:") for mac in macs)
    for machine in machines.values():
        assert {100, 200, 201, 300, 400, 1000, 2000, 4000} <= set(machine[DEVICES])
        assert machine[DEVICES][1000]["type"] == "ParaVirtualSCSIController"
        assert machine[DEVICES][4000]["type"] == "VirtualVmxnet3"
    orders = [m["config.bootOptions"].get("bootOrder", []) for m in machines.values()]
    assert {len(o) if isinstance(o, list) else 1 for o in orders} == {0, 1, 2}
    for firmware in ("bios", "efi"):
        own = [
            m["config.bootOptions"] for m in machines.values() if m["config.firmware"] == firmware
        ]
        assert any("bootOrder" in b for b in own)
        assert any(b["bootRetryEnabled"] == "true" for b in own)
        assert any("bootDelay" in b for b in own)


def test_templates(lab):
    templates = {p: m for p, m in dump(lab).items() if m["config.template"] == "true"}
    assert {p.rpartition("/")[2] for p in templates} == {
        "tpl-win11-pvs",
        "tpl-win10-bios",
        "tpl-linux-uefi",
        "tpl-rhel-bios",
    }
    assert not any("resourcePool" in m for m in templates.values())


def test_special_machines(lab):
    machines = dump(lab)
    special = "/DC1/vm/Special"
    secure = machines[f"{special}/sb-01"]["config.bootOptions"]
    assert secure["efiSecureBootEnabled"] == "true"
    assert {3000, 16000} <= set(machines[f"{special}/snap-01"][DEVICES])
    assert {f"{special}/one/twin", f"{special}/two/twin"} <= set(machines)
    assert machines[f"{special}/local-01"]["datastore"] == ["local-a1"]
    assert machines[f"{special}/solo-01"]["datastore"] == ["local-solo"]
    assert machines[f"{special}/locked-01"]["runtime.powerState"] == "poweredOn"


def test_hosts_and_datastores(client):
    hosts = {
        host.name: (host.parent.name, host.runtime.inMaintenanceMode)
        for name in ("CL-A", "CL-B", "esx-solo.lab")
        for host in client.find(f"/DC1/host/{name}").host
    }
    assert Counter(parent for parent, _ in hosts.values()) == {
        "CL-A": 3,
        "CL-B": 3,
        "esx-solo.lab": 1,
    }
    assert [name for name, (_, maintenance) in hosts.items() if maintenance] == ["esx-b3.lab"]
    stores = {ds.name: ds for ds in client.find("/DC1").datastore}
    mounts = {name: {m.key.name for m in ds.host} for name, ds in stores.items()}
    both = set(hosts) - {"esx-solo.lab"}
    assert mounts["shared-01"] == mounts["shared-02"] == mounts["pod-ds-01"] == both
    assert mounts["cl-a-only"] == {"esx-a1.lab", "esx-a2.lab", "esx-a3.lab"}
    assert mounts["local-a1"] == {"esx-a1.lab"}
    assert mounts["local-solo"] == {"esx-solo.lab"}
    assert all(m.mountInfo.accessible and m.mountInfo.mounted for m in stores["shared-01"].host)
    pod = client.find("/DC1/datastore/pod-01")
    assert isinstance(pod, vim.StoragePod)
    assert {ds.name for ds in pod.childEntity} == {"pod-ds-01", "pod-ds-02"}
    solo = client.find("/DC1/host/esx-solo.lab").host[0]
    assert [ds.name for ds in solo.datastore] == ["local-solo"]


def test_whole_runtime_is_readable(client):
    """Empty enums of the simulator would make pyvmomi fail on these reads."""
    vm = client.vm("pvs-003")
    assert vm.runtime.faultToleranceState == "notConfigured"
    assert vm.summary.runtime.recordReplayState == "inactive"


def test_snapshot(client):
    tree = client.vm("snap-01").snapshot.rootSnapshotList
    assert [snapshot.name for snapshot in tree] == ["before-update"]


def test_every_rule_has_a_test(lab):
    """Each name of the rule book stands in a test beside this one."""
    text = "".join(path.read_text(encoding="utf-8") for path in TESTS.glob("test_rules_*.py"))
    assert [rule.name for rule in lab.rules() if rule.name not in text] == []
    assert all(rule.text for rule in lab.rules())


def test_size_is_chosen(small_lab):
    with_names = {p.rpartition("/")[2] for p in dump(small_lab(vms=3, templates=6, specials=False))}
    assert with_names == {
        *("pvs-001", "pvs-002", "pvs-003"),
        *("tpl-win11-pvs", "tpl-win10-bios", "tpl-linux-uefi", "tpl-rhel-bios"),
        *("tpl-005", "tpl-006"),
    }
