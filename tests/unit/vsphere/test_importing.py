"""Which way an import goes, and which hosts can carry it."""

from __future__ import annotations

import pytest

from vmboot.errors import AuthError
from vmboot.vsphere.importing import why_not_nfc
from vmboot.vsphere.importplace import writing_hosts
from vmboot.vsphere.placement import DatastoreChoice
from vmboot.vsphere.storage import Datastore, Host, Mount, Storage

LACKS = ("VApp.Import on the resource pool",)


def store(kind: str) -> DatastoreChoice:
    return DatastoreChoice("ds", "ds-1", "/DC1", "dc-1", type=kind)


@pytest.mark.parametrize("way", ["auto", "nfc"])
@pytest.mark.parametrize("kind", ["VMFS", "NFS", "NFS41", "vsan", "VVOL", ""])
def test_with_all_privileges_it_is_nfc_everywhere(way, kind: str):
    assert why_not_nfc(way, datastore=store(kind), lacks=()) == ""


@pytest.mark.parametrize("kind", ["VMFS", "NFS", "NFS41", ""])
def test_without_one_auto_takes_the_extent_where_there_is_one_and_says_why(kind: str):
    assert LACKS[0] in why_not_nfc("auto", datastore=store(kind), lacks=LACKS)


@pytest.mark.parametrize(
    ("way", "kind"), [("nfc", "VMFS"), ("auto", "vsan"), ("auto", "VVOL"), ("auto", "vsanD")]
)
def test_where_only_nfc_would_do_the_privilege_is_named(way, kind: str):
    with pytest.raises(AuthError, match=r"VApp\.Import on the resource pool") as refused:
        why_not_nfc(way, datastore=store(kind), lacks=LACKS)

    assert refused.value.hint is not None
    assert ("flat" in refused.value.hint) is (kind == "VMFS")


def storage(*hosts: Host, **mounts: Mount) -> Storage:
    found = Datastore("ds-1", "ds", "/DC1/datastore/ds", "/DC1", "dc-1", mounts=(*mounts.values(),))
    return Storage((found,), hosts)


@pytest.mark.parametrize(
    ("host", "mount", "fits"),
    [
        (Host("h", "h", "c"), Mount("h"), True),
        (Host("h", "h", "c", absence="is in maintenance mode"), Mount("h"), False),
        (Host("h", "h", "c"), Mount("h", writable=False), False),
        (Host("h", "h", "c"), Mount("h", accessible=False), False),
        (Host("h", "h", "c"), Mount("h", mounted=False), False),
        (Host("h", "h", "c"), Mount("another"), False),
    ],
)
def test_a_host_is_fit_if_it_is_there_and_writes(host: Host, mount: Mount, fits: bool):
    assert bool(writing_hosts(storage(host, mount=mount), "ds-1")) is fits


def test_of_every_cluster_the_first_fit_host_by_name_is_taken():
    hosts = (
        Host("h4", "d", "c2"),
        Host("h3", "c", ""),
        Host("h2", "b", "c1"),
        Host("h1", "a", "c1", absence="is disconnected"),
        Host("h5", "e", "c1"),
    )
    mounts = {host.moid: Mount(host.moid) for host in hosts}

    assert [host.name for host in writing_hosts(storage(*hosts, **mounts), "ds-1")] == [
        "b",
        "c",
        "d",
    ]
