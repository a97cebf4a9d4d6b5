"""Hashes remembered between runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from vmboot.vsphere.files import FileInfo
from vmboot.vsphere.hashcache import HashCache
from vmboot.vsphere.placement import DatastoreChoice

DATASTORE = DatastoreChoice("shared-01", "datastore-1", "/DC1", "datacenter-1")
FILE = FileInfo("vmboot/x.iso", 5, "2026-11-21T10:00:00Z")
SESSION = SimpleNamespace(about=SimpleNamespace(uuid="u-1"), host="vc")


def test_what_was_put_is_found_by_the_next_run(tmp_path: Path):
    HashCache(tmp_path / "state" / "hashes.json").put(SESSION, DATASTORE, FILE, "abc")

    assert HashCache(tmp_path / "state" / "hashes.json").get(SESSION, DATASTORE, FILE) == "abc"


@pytest.mark.parametrize(
    ("session", "datastore", "file"),
    [
        (SESSION, DATASTORE, replace(FILE, size=6)),
        (SESSION, DATASTORE, replace(FILE, modified="2026-11-21T10:00:01Z")),
        (SESSION, DATASTORE, replace(FILE, path="vmboot/y.iso")),
        (SESSION, replace(DATASTORE, moid="datastore-2"), FILE),
        (SimpleNamespace(about=SimpleNamespace(uuid="u-2"), host="vc"), DATASTORE, FILE),
    ],
    ids=["size", "time", "path", "datastore", "vcenter"],
)
def test_a_file_that_changed_is_not_known(tmp_path: Path, session, datastore, file):
    cache = HashCache(tmp_path / "hashes.json")
    cache.put(SESSION, DATASTORE, FILE, "abc")

    assert cache.get(session, datastore, file) is None


def test_a_file_without_a_time_is_never_trusted(tmp_path: Path):
    cache = HashCache(tmp_path / "hashes.json")
    cache.put(SESSION, DATASTORE, replace(FILE, modified=""), "abc")

    assert cache.get(SESSION, DATASTORE, replace(FILE, modified="")) is None


@pytest.mark.parametrize("content", ["", "[]", "{oops"])
def test_a_damaged_cache_is_an_empty_one(tmp_path: Path, content: str):
    file = tmp_path / "hashes.json"
    file.write_text(content)
    cache = HashCache(file)

    assert cache.get(SESSION, DATASTORE, FILE) is None
    cache.put(SESSION, DATASTORE, FILE, "abc")
    assert cache.get(SESSION, DATASTORE, FILE) == "abc"


def test_it_does_not_grow_for_ever(tmp_path: Path):
    cache = HashCache(tmp_path / "hashes.json")
    files = [replace(FILE, path=f"vmboot/{number}.iso") for number in range(203)]
    for file in files:
        cache.put(SESSION, DATASTORE, file, "abc")

    assert [cache.get(SESSION, DATASTORE, files[index]) for index in (0, 2, 3, 202)] == [
        None,
        None,
        "abc",
        "abc",
    ]
