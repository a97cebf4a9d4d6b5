"""The datastore that all hosts of all targets reach."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.vsphere.builders import machine
from vmboot.errors import NotFoundError, RefusedError
from vmboot.vsphere.placement import choose_datastore
from vmboot.vsphere.storage import Datastore, Host, Mount, Storage

A1, A2 = Host("host-a1", "esx-a1", "cl-a"), Host("host-a2", "esx-a2", "cl-a")
B1, B2 = Host("host-b1", "esx-b1", "cl-b"), Host("host-b2", "esx-b2", "cl-b")
ON_A = machine(compute="cl-a", host="host-a1", path="/DC1/vm/on-a")
ON_B = machine(compute="cl-b", host="host-b1", path="/DC1/vm/on-b")
GIB = 1 << 30


def datastore(name: str, *hosts: Host, **fields) -> Datastore:
    mounts = tuple(Mount(host.moid) for host in hosts)
    base = Datastore(
        moid=f"ds-{name}",
        name=name,
        path=f"/DC1/datastore/{name}",
        datacenter="/DC1",
        datacenter_moid="datacenter-1",
        free=GIB,
        mounts=mounts,
    )
    return replace(base, **fields)


SHARED = datastore("shared", A1, A2, B1, B2)
CL_A = datastore("cl-a", A1, A2)
LOCAL = datastore("local", A1)
MEMBER = datastore("member", A1, A2, B1, B2, pod="group-p1", path="/DC1/datastore/a-pod/member")


def storage(*datastores: Datastore, hosts=(A1, A2, B1, B2)) -> Storage:
    return Storage(datastores, hosts, {"group-p1": "/DC1/datastore/a-pod"})


@pytest.mark.parametrize(
    ("there", "machines", "chosen"),
    [
        ((CL_A, LOCAL, SHARED), (ON_A, ON_B), "shared"),
        ((CL_A, LOCAL), (ON_A,), "cl-a"),
        ((CL_A, LOCAL, SHARED), (ON_A,), "shared"),
        ((SHARED, MEMBER), (ON_A,), "shared"),
        ((MEMBER, CL_A), (ON_A,), "member"),
        ((SHARED, datastore("also-shared", A1, A2, B1, B2)), (ON_A,), "also-shared"),
    ],
    ids=["all clusters", "one cluster", "most hosts", "no pod", "or a pod", "by name"],
)
def test_auto_takes_what_all_hosts_reach(there, machines, chosen: str):
    assert choose_datastore(storage(*there), machines, size=1).name == chosen


def test_one_that_holds_the_iso_already_is_preferred_even_if_full():
    full = replace(CL_A, free=0)
    choice = choose_datastore(storage(full, SHARED), (ON_A,), size=GIB, prefer={"ds-cl-a"})

    assert choice.name == "cl-a"


def test_all_hosts_of_a_cluster_count_because_drs_moves_machines():
    with pytest.raises(RefusedError) as refused:
        choose_datastore(storage(LOCAL, SHARED), (ON_A,), wanted="local")

    assert refused.value.message == (
        "/DC1/vm/on-a may run on host esx-a2, where datastore local is out of reach: "
        "the host does not mount it"
    )
    assert refused.value.hint == "all hosts reach shared: set media.iso.datastore to one of them"


@pytest.mark.parametrize(
    ("mount", "words"),
    [
        (Mount("host-b1", accessible=False), "cannot access it"),
        (Mount("host-b1", accessible=False, reason="AllPathsDown_Start"), "AllPathsDown_Start"),
        (Mount("host-b1", mounted=False), "has it unmounted"),
    ],
)
def test_a_mount_that_does_not_work_is_no_mount(mount: Mount, words: str):
    broken = replace(SHARED, mounts=(Mount("host-a1"), mount))
    with pytest.raises(RefusedError, match=words) as refused:
        choose_datastore(storage(broken, hosts=(A1, B1)), (ON_A, ON_B), wanted="shared")

    assert "/DC1/vm/on-b" in refused.value.message
    assert "esx-b1" in refused.value.message


def test_a_host_that_is_away_is_reported_but_does_not_decide():
    away = replace(B2, absence="is in maintenance mode")
    there = storage(datastore("most", A1, A2, B1), hosts=(A1, A2, B1, away))
    choice = choose_datastore(there, (ON_A, ON_B))

    assert choice.name == "most"
    (note,) = choice.notes
    assert note.startswith("host esx-b2 is in maintenance mode and does not mount it: datastore m")


def test_a_host_that_is_away_and_has_the_datastore_is_nothing_to_tell_of():
    away = replace(B2, absence="is in maintenance mode")
    there = storage(SHARED, hosts=(A1, A2, B1, away))
    assert choose_datastore(there, (ON_A, ON_B)).notes == ()


def test_hosts_of_other_clusters_do_not_matter():
    choice = choose_datastore(storage(CL_A), (ON_A,))

    assert (choice.name, choice.notes) == ("cl-a", ())


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (replace(SHARED, free=5), "datastore shared has 1 MiB free, the ISO needs 2 MiB"),
        (replace(SHARED, maintenance="enteringMaintenance"), "entering maintenance mode"),
        (
            replace(SHARED, mounts=tuple(replace(m, writable=False) for m in SHARED.mounts)),
            "no host can write",
        ),
    ],
)
def test_a_datastore_that_cannot_take_it_is_refused(found: Datastore, words: str):
    with pytest.raises(RefusedError, match=words) as refused:
        choose_datastore(storage(found), (ON_A,), size=2 << 20)

    assert refused.value.hint


def test_a_datastore_cluster_means_one_of_its_members():
    choice = choose_datastore(storage(SHARED, MEMBER), (ON_A,), wanted="a-pod")

    assert choice.name == "member"


def test_several_unfit_ones_are_counted():
    with pytest.raises(RefusedError, match="nor is any of the 1 others") as refused:
        choose_datastore(storage(CL_A, LOCAL), (ON_A, ON_B))

    assert refused.value.hint is not None
    assert "split the targets" in refused.value.hint


@pytest.mark.parametrize("wanted", ["shard", "nothing-like-it"])
def test_a_name_that_is_not_there_brings_others(wanted: str):
    with pytest.raises(NotFoundError, match=wanted) as missing:
        choose_datastore(storage(SHARED), (ON_A,), wanted=wanted)

    assert missing.value.hint is not None
    assert "shared" in missing.value.hint


def test_the_choice_does_not_depend_on_the_order_of_anything():
    there = (CL_A, SHARED, MEMBER, LOCAL)
    choices = {
        choose_datastore(storage(*order), machines).name
        for order in (there, there[::-1])
        for machines in ((ON_A, ON_B), (ON_B, ON_A))
    }

    assert choices == {"shared"}
