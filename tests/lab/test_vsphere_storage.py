"""Datastores as each host of the lab sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.lab.vsphere_lab import machines, session_on
from vmboot.errors import RefusedError
from vmboot.lab import Vcenter
from vmboot.vsphere.machine import Machine
from vmboot.vsphere.placement import DatastoreChoice, choose_datastore
from vmboot.vsphere.session import Session
from vmboot.vsphere.storage import read_storage

pytestmark = pytest.mark.lab


@pytest.fixture
def lab(small_lab: Callable[..., Vcenter]) -> Vcenter:
    return small_lab(vms=12)


@pytest.fixture
def session(lab: Vcenter) -> Iterator[Session]:
    with session_on(lab) as opened:
        yield opened


@pytest.fixture
def targets(session: Session) -> tuple[Machine, ...]:
    return machines(session, "pvs-*")


def choose(session: Session, targets: tuple[Machine, ...], **wish) -> DatastoreChoice:
    return choose_datastore(read_storage(session), targets, **wish)


def test_all_of_it_is_one_call(session: Session, lab: Vcenter):
    lab.reset_counters()
    storage = read_storage(session)

    assert {"shared-01", "cl-a-only", "local-a1", "local-solo"} < {
        d.name for d in storage.datastores
    }
    assert {host.name for host in storage.hosts if host.absence} == {"esx-b3.lab"}
    assert list(storage.pods.values()) == ["/DC1/datastore/pod-01"]
    assert lab.counters().total_calls == 1


def test_a_datastore_knows_what_a_transfer_needs(session: Session):
    (found,) = read_storage(session).datastore("shared-01")

    assert found.path == "/DC1/datastore/shared-01"
    assert found.datacenter == "/DC1"
    assert found.free > 0
    assert found.browser
    assert len(found.mounts) == 6
    assert read_storage(session).datastore(found.path) == (found,)


def test_a_member_of_a_cluster_knows_its_cluster(session: Session):
    storage = read_storage(session)
    (found,) = storage.datastore("pod-ds-01")

    assert storage.pods[found.pod] == "/DC1/datastore/pod-01"


def test_auto_takes_a_shared_one_and_a_host_in_maintenance_that_has_it_is_no_news(
    session: Session, targets
):
    choice = choose(session, targets, size=1 << 20)

    assert (choice.name, choice.notes) == ("shared-01", ())


def test_a_one_cluster_datastore_is_refused_by_name(session: Session, targets):
    with pytest.raises(RefusedError, match=r"pvs-\d+ may run on host esx-b\d\.lab.*cl-a-only"):
        choose(session, targets, wanted="cl-a-only")


def test_a_machine_on_a_lonely_host_rules_out_all_shared_ones(session: Session, targets):
    (solo,) = machines(session, "solo-01")
    with pytest.raises(RefusedError, match=r"solo-01 may run on host esx-solo\.lab"):
        choose(session, (*targets, solo), wanted="shared-01")

    assert choose(session, (solo,)).name == "local-solo"


@pytest.mark.parametrize("trouble", [{"accessible": False}, {"mounted": False}])
def test_one_host_that_lost_it_is_enough(session: Session, lab: Vcenter, targets, trouble):
    lab.datastore("shared-01", host="esx-b1.lab", **trouble)

    assert choose(session, targets).name == "shared-02"
    with pytest.raises(RefusedError, match=r"esx-b1\.lab.*shared-01"):
        choose(session, targets, wanted="shared-01")


def test_unless_that_host_is_away(session: Session, lab: Vcenter, targets):
    lab.datastore("shared-01", host="esx-b1.lab", accessible=False)
    lab.host_state("esx-b1.lab", connection="disconnected")
    choice = choose(session, targets, wanted="shared-01")

    assert any("esx-b1.lab is disconnected and cannot access it" in n for n in choice.notes)


def test_reading_is_enough_for_a_host_but_somebody_must_write(session, lab: Vcenter, targets):
    lab.datastore("shared-01", host="esx-b1.lab", access_mode="readOnly")
    assert choose(session, targets).name == "shared-01"

    lab.datastore("shared-01", access_mode="readOnly")
    with pytest.raises(RefusedError, match="no host can write"):
        choose(session, targets, wanted="shared-01")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"free_mib": 1}, "1 MiB free, the ISO needs 5 MiB"),
        ({"maintenance": "inMaintenance"}, "maintenance mode"),
    ],
)
def test_a_full_or_leaving_datastore_is_not_taken(session, lab, targets, change, words: str):
    lab.datastore("shared-01", **change)

    assert choose(session, targets, size=5 << 20).name == "shared-02"
    with pytest.raises(RefusedError, match=words):
        choose(session, targets, wanted="shared-01", size=5 << 20)


def test_a_datastore_cluster_gives_a_member(session: Session, targets):
    assert choose(session, targets, wanted="pod-01").name == "pod-ds-01"
    assert choose(session, targets, wanted="/DC1/datastore/pod-01").name == "pod-ds-01"
