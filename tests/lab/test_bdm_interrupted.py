"""Boot disks when an apply is cut short: the datastore fills up, the vCenter goes, a run dies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.bdmlab import ALL, copies, digests, need_grub, our_slots, switch_off
from tests.lab.crashlab import Datastores
from tests.lab.fleetlab import Site, changed, outcome, site_on
from vmboot.errors import ConnectError
from vmboot.events import Event
from vmboot.fleet import inflight, journal
from vmboot.fleet.plan import Verdict
from vmboot.fleet.result import Done
from vmboot.fleet.runs import list_runs
from vmboot.lab import Vcenter

pytestmark = pytest.mark.lab
VMS = "/DC1/vm/PVS/**"
COUNT = 14


class KilledError(Exception):
    """Stands for kill -9: no except clause of the product catches it."""


@pytest.fixture
def site(small_lab: Callable[..., Vcenter], tmp_path: Path) -> Iterator[Site]:
    need_grub()
    with site_on(small_lab(vms=12, templates=2, disks=True), tmp_path) as opened:
        switch_off(opened)
        yield opened


@pytest.fixture(autouse=True)
def nothing_on_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """These runs end between two calls, so nothing arrives late."""
    monkeypatch.setattr(inflight, "LATE_S", 0.0)


def document(vms: str) -> str:
    return f"targets: [{{vms: {vms}, method: bdm}}]\n"


def store_of(path: str) -> str:
    return path[1:].partition("]")[0]


def test_a_datastore_that_is_full_at_copy_57_of_200(
    small_lab: Callable[..., Vcenter], tmp_path: Path
) -> None:
    need_grub()
    lab = small_lab(vms=201, templates=0, specials=False, disks=True)
    with site_on(lab, tmp_path) as site:
        everyone = site.plan(site.fleet(document(VMS))).machines
        full = store_of(everyone[57].bdm)
        first = next(plan for plan in everyone if store_of(plan.bdm) == full)
        assert site.apply(site.fleet(document(first.machine.path))).done == 1
        copy_bytes = lab.disks()[first.bdm].allocated
        before, content = site.dump(), digests(lab)
        fleet = site.fleet(document(VMS))
        plan = site.plan(fleet, power="off")
        order = [one for one in plan.machines if one.verdict is Verdict.CHANGE]
        fitting = [one for one in order[:56] if store_of(one.bdm) == full]
        late = {one.machine.path for one in order[56:] if store_of(one.bdm) == full}
        lab.datastore(full, free_mib=len(fitting) * copy_bytes >> 20)

        result = site.apply(fleet, plan, window=1)

        failed = [o for o in result.outcomes if o.verdict is Done.FAILED]
        assert (len(order), order[56].machine.path in late) == (200, True)
        assert {o.path for o in failed} == late
        assert result.done == 200 - len(late)
        for one in failed:
            assert f"datastore {full} has no space for" in one.error
            assert "free space" in (one.hint or "")
        after = site.dump()
        assert not late & set(changed(before, after))
        assert all(
            our_slots(after[one.machine.path]) for one in order if one.machine.path not in late
        )
        assert len(copies(lab)) == 201 - len(late)
        assert digests(lab) == content

        lab.datastore(full, free_mib=10_000)
        again = site.apply(fleet)

        assert (again.done, again.ok, again.failed) == (len(late), 201 - len(late), 0)
        assert len(copies(lab)) == 201
        assert digests(lab) == content


@pytest.mark.parametrize(("kind", "when"), [("copy.done", 3), ("vm.done", 3), ("verify.begin", 1)])
def test_a_vcenter_that_is_gone_in_the_middle(site: Site, kind: str, when: int) -> None:
    before, content = site.dump(), digests(site.lab)
    fleet = site.fleet(ALL)
    seen: list[Event] = []

    def sink(event: Event) -> None:
        if event.kind == kind:
            seen.append(event)
            if len(seen) == when:
                site.lab.fault("drop-connection", count=-1)

    try:
        assert site.apply(fleet, window=1, sink=sink).failed
    except ConnectError as error:  # nothing could be read any more
        assert "broke off" in error.message
    assert len(seen) >= when
    site.lab.clear_faults()
    again = site.apply(fleet)
    assert (again.failed, again.pending, again.skipped) == (0, 0, 0)
    assert again.done + again.ok == COUNT
    assert len(copies(site.lab)) == COUNT
    assert digests(site.lab) == content
    while left := [run for run in list_runs() if run.verb == "apply" and run.undoable]:
        assert site.undo(left[0].id).failed == 0
    assert changed(before, site.dump()) == []
    assert copies(site.lab) == []


def test_copies_that_a_dead_run_left_half_made_are_made_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = digests(site.lab)
    fleet = site.fleet(ALL)
    real = journal._write_all

    def die(descriptor: int, text: bytes) -> None:
        if b'{"kind":"intent"' in text:
            raise KilledError
        real(descriptor, text)

    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(journal, "_write_all", die)
        site.apply(fleet)
    cut, other, *_ = sorted(copies(site.lab))
    files = Datastores(site.lab).files()
    extents = [files[path.replace(".vmdk", "-flat.vmdk")] for path in (cut, other)]
    half = extents[1].read_bytes()[: 4 << 20]
    for extent in extents:  # not written to: the lab's copies share their extent
        extent.unlink()
    extents[1].write_bytes(half.ljust(8 << 20, b"\0"))

    result = site.apply(fleet)

    assert (result.done, result.failed) == (COUNT, 0)
    assert len(copies(site.lab)) == COUNT
    bytes_of = {disk.digest for path, disk in site.lab.disks().items() if path in copies(site.lab)}
    assert len(bytes_of) == 1
    assert digests(site.lab) == content


def test_half_a_copy_of_an_undo_that_died_is_made_again_by_the_next(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    applied = site.apply(site.fleet(document("/DC1/vm/PVS/BIOS/pvs-001")))
    (whole,) = (site.lab.disks()[path].digest for path in copies(site.lab))
    undone = site.undo(applied.run_id)
    real = journal._write_all

    def die(descriptor: int, text: bytes) -> None:
        if b'{"kind":"copied"' in text:
            raise KilledError
        real(descriptor, text)

    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(journal, "_write_all", die)
        site.undo(undone.run_id)
    (copy,) = copies(site.lab)
    extent = Datastores(site.lab).files()[copy.replace(".vmdk", "-flat.vmdk")]
    size = extent.stat().st_size
    extent.unlink()  # not written to: the lab's copies share their extent
    extent.write_bytes(bytes(size))

    assert site.undo(undone.run_id).done == 1

    assert [site.lab.disks()[path].digest for path in copies(site.lab)] == [whole]


def test_a_running_machine_is_shut_down_for_its_disk_and_started_by_the_undo(site: Site) -> None:
    path = "/DC1/vm/PVS/BIOS/pvs-001"
    site.lab.edit(path, power="on")
    before = site.dump()
    result = site.apply(site.fleet(document(path)), power="off")
    assert outcome(result, "pvs-001").verdict is Done.DONE
    after = site.dump()[path]
    assert after["runtime.powerState"] == "poweredOff"
    assert our_slots(after) == [("scsi", 0, 0)]
    assert site.undo(result.run_id).done == 1
    assert changed(before, site.dump()) == []
