"""A boot disk for a machine on an object store: directories are objects, bytes have no path."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.lab.bdmlab import OURS, boots_first, disks, need_grub, our_slots
from tests.lab.fleetlab import HEAD, Site, changed, planned, site_on
from vmboot.errors import AuthError, RefusedError
from vmboot.fleet import sweep as fleet_sweep
from vmboot.fleet.plan import Verdict
from vmboot.fleet.status import State, read_status
from vmboot.lab import Vcenter
from vmboot.vsphere.dspath import file_name

pytestmark = pytest.mark.lab
STORE = "vsan-01"
MACHINE = "/DC1/vm/Special/object-01"
TEXT = f"targets: [{{vms: {MACHINE}, method: bdm}}]\n"
BY_ID = re.compile(r"\[vsan-01\] [0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/")


@pytest.fixture
def site(small_lab: Callable[..., Vcenter], tmp_path: Path) -> Iterator[Site]:
    need_grub()
    with site_on(small_lab(vms=0, templates=0, disks=True), tmp_path) as opened:
        yield opened


def on_store(site: Site) -> dict[str, str]:
    """What every disk of the object store holds, by path."""
    found = site.lab.disks().items()
    return {path: disk.digest for path, disk in found if path.startswith(f"[{STORE}]")}


def ours(site: Site) -> list[str]:
    """Master and copies: names on an object store do not tell them apart."""
    return sorted(path for path in on_store(site) if OURS in path)


def test_there_and_back(site: Site) -> None:
    before, content = site.dump(), on_store(site)
    (own,) = disks(before[MACHINE]).values()
    fleet = site.fleet(TEXT)
    plan = site.plan(fleet, power="off")
    assert planned(plan, "object-01").verdict is Verdict.CHANGE
    assert [(upload.datastore, upload.kind) for upload in plan.uploads] == [(STORE, "bdm")]
    site.lab.reset_counters()

    result = site.apply(fleet, plan)

    assert (result.done, result.notes) == (1, ())
    calls = site.lab.counters().writes
    assert (calls["CreateDirectory"], calls["ImportVApp"]) == (1, 1)
    assert calls["CopyVirtualDisk_Task"] == 1
    assert "MakeDirectory" not in calls
    after = site.dump()
    assert changed(before, after) == [MACHINE]
    assert our_slots(after[MACHINE]) == [("scsi", 0, 0)]
    copy = boots_first(after[MACHINE])
    assert BY_ID.match(copy)
    assert sorted(disks(after[MACHINE]).values()) == sorted([own, copy])
    assert content.items() <= on_store(site).items()
    master, other = ours(site)
    assert copy in (master, other)
    assert len({on_store(site)[path] for path in (master, other)}) == 1

    (machine,) = read_status(fleet, site.session, loader_dirs=[site.loaders]).machines
    assert (machine.state, machine.differences) == (State.AS_WISHED, ())
    assert not site.plan(fleet).has_changes

    assert site.undo(result.run_id).done == 1
    assert changed(before, site.dump()) == []
    assert len(ours(site)) == 1
    assert content.items() <= on_store(site).items()


def test_a_sweep_leaves_a_master_in_use_and_takes_it_after_the_undo(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vmboot.fleet.needed.YOUNG", timedelta(0))
    fleet, content = site.fleet(TEXT), on_store(site)
    result = site.apply(fleet)

    used = fleet_sweep.sweep(fleet, site.session, everything=True)
    assert used.removed == ()
    (master,) = [file for file in used.kept if file.path.startswith(f"[{STORE}]")]
    assert "from a copy of it" in master.reason

    site.undo(result.run_id)
    swept = fleet_sweep.sweep(fleet, site.session, everything=True)
    assert master.path in [file.path for file in swept.removed]
    assert swept.failed == {}
    assert on_store(site) == content


def test_file_upload_is_refused_in_words_and_changes_nothing(site: Site) -> None:
    before, content = site.dump(), on_store(site)
    fleet = site.fleet(TEXT, head=f"{HEAD}media: {{bdm: {{import: flat}}}}\n")
    site.lab.reset_counters()
    with pytest.raises(RefusedError, match=rf"{STORE} \(vsan\) keeps disks as objects") as refused:
        site.apply(fleet)
    assert refused.value.hint == "set media.bdm.import to nfc or auto"
    assert site.lab.counters().total_writes == 0
    assert changed(before, site.dump()) == []
    assert on_store(site) == content


def test_its_bytes_cannot_be_compared_and_that_is_told(site: Site) -> None:
    fleet = site.fleet(TEXT)
    told = []
    site.apply(fleet, sink=told.append)
    (unread,) = [event for event in told if event.kind == "import.unread"]
    assert STORE in unread.message
    master = next(path for path in ours(site) if path not in disks(site.dump()[MACHINE]).values())
    described = site.lab.disks()[master]
    assert described.capacity == 8 << 20
    assert file_name(master) == file_name(boots_first(site.dump()[MACHINE]))


def test_a_directory_at_the_top_needs_a_privilege_of_its_own(site: Site) -> None:
    site.lab.withhold_privilege(f"/DC1/datastore/{STORE}", "Datastore.Config")
    fleet = site.fleet(TEXT)
    with pytest.raises(AuthError, match=rf"lacks Datastore\.Config on datastore {STORE}"):
        site.plan(fleet)
