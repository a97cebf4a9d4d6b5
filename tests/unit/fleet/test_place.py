"""One datastore for most machines, and why it is not for the rest."""

import pytest

from tests.unit.vsphere.builders import machine
from vmboot.errors import NotFoundError, RefusedError
from vmboot.fleet.place import place_iso
from vmboot.vsphere.machine import Machine
from vmboot.vsphere.storage import Datastore, Host, Mount, Storage


def store(name: str, *hosts: str, free: int = 1 << 30) -> Datastore:
    mounts = tuple(Mount(host) for host in hosts)
    return Datastore(
        f"ds-{name}", name, f"/DC1/datastore/{name}", "/DC1", "dc-1", free=free, mounts=mounts
    )


HOSTS = (Host("h1", "esx1", "c1"), Host("h2", "esx2", "c1"), Host("h3", "esx3", "c3"))
SHARED, ALONE = store("shared", "h1", "h2"), store("alone", "h3")
EVERYWHERE = store("zz-everywhere", "h1", "h2", "h3")


def vm(number: int, compute: str, host: str) -> Machine:
    path = f"/DC1/vm/m{number}"
    return machine(moid=f"vm-{number}", path=path, compute=compute, host=host)


MACHINES = (vm(1, "c1", "h1"), vm(2, "c1", "h2"), vm(3, "c3", "h3"))


def place(*stores: Datastore, wanted: str = "auto", machines=MACHINES):
    storage = Storage(stores, HOSTS)
    return place_iso(storage, machines, wanted=wanted, size=1 << 20, file_name="x.iso")


def test_a_datastore_that_all_reach_is_taken() -> None:
    found = place(SHARED, ALONE, EVERYWHERE)
    assert (found.datastore.name, found.refused) == ("zz-everywhere", {})


def test_most_machines_decide_and_the_rest_is_refused() -> None:
    found = place(ALONE, SHARED)
    assert found.datastore.name == "shared"
    assert list(found.refused) == ["vm-3"]
    message = found.refused["vm-3"].message
    assert "/DC1/vm/m3 may run on host esx3" in message
    assert "shared" in message


def test_each_refused_machine_is_named_in_its_own_words() -> None:
    machines = (*MACHINES[:2], vm(3, "c3", "h3"), vm(4, "c3", "h3"), vm(5, "c1", "h1"))
    refused = place(SHARED, machines=machines).refused
    assert ["/DC1/vm/m4" in refused["vm-4"].message, "/DC1/vm/m3" in refused["vm-3"].message] == [
        True,
        True,
    ]


def test_a_named_datastore_is_kept_for_those_that_reach_it() -> None:
    found = place(SHARED, ALONE, EVERYWHERE, wanted="alone")
    assert found.datastore.name == "alone"
    assert sorted(found.refused) == ["vm-1", "vm-2"]


def test_a_datastore_for_nobody_is_an_error() -> None:
    with pytest.raises(RefusedError, match="MiB free"):
        place(store("full", "h1", "h2", "h3", free=10), wanted="full")
    with pytest.raises(NotFoundError):
        place(SHARED, wanted="nothing")
