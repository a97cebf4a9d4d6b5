"""Undo on the lab: exactly what was, and nothing of what somebody else did since."""

import threading
from collections.abc import Callable, Iterator

import pytest

from tests.lab.fleetlab import ALL, Site, changed, outcome, site_on
from vmboot.errors import InputError, NotFoundError
from vmboot.events import Event
from vmboot.fleet.result import Done
from vmboot.fleet.runs import list_runs
from vmboot.fleet.undo import plan_undo
from vmboot.lab import Vcenter

pytestmark = pytest.mark.lab
PVS_1 = "/DC1/vm/PVS/BIOS/pvs-001"


@pytest.fixture
def lab(small_lab: Callable[..., Vcenter]) -> Vcenter:
    return small_lab(vms=12, templates=2)


@pytest.fixture
def site(lab: Vcenter, tmp_path) -> Iterator[Site]:
    with site_on(lab, tmp_path) as opened:
        yield opened


def test_a_machine_changed_since_is_refused_and_the_others_go_back(site: Site) -> None:
    before = site.dump()
    result = site.apply(site.fleet(ALL))
    site.lab.edit("pvs-001", boot_order=["nic"])
    edited = site.dump()

    undone = site.undo(result.run_id)

    assert (undone.failed, undone.done) == (1, 13)
    assert "changed since by someone: the boot order is" in outcome(undone, "pvs-001").error
    after = site.dump()
    assert changed(before, after) == [PVS_1]
    assert after[PVS_1] == edited[PVS_1]
    assert list_runs()[-1].undoable

    forced = site.undo(result.run_id, force=True)
    assert (forced.done, forced.ok) == (1, 13)
    assert changed(before, site.dump()) == []
    assert not list_runs()[-1].undoable


def test_force_restores_only_our_own_part(site: Site) -> None:
    result = site.apply(site.fleet(ALL))
    site.lab.edit("pvs-001", boot_delay=7000, boot_order=["nic"])
    site.undo(result.run_id, force=True)
    assert site.dump()[PVS_1]["config.bootOptions"]["bootDelay"] == "7000"


def test_only_some_machines_go_back(site: Site) -> None:
    before = site.dump()
    result = site.apply(site.fleet(ALL))
    part = site.undo(result.run_id, limit=["pvs-00*"])
    assert len(part.outcomes) == 9
    assert len(changed(before, site.dump())) == 5
    assert list_runs()[-1].undoable
    rest = site.undo(result.run_id)
    assert (rest.ok, rest.done) == (9, 5)
    assert changed(before, site.dump()) == []


def test_a_limit_that_matches_nothing(site: Site) -> None:
    result = site.apply(site.fleet(ALL))
    with pytest.raises(NotFoundError, match="matches no machine"):
        site.undo(result.run_id, limit=["web-*"])


def test_machines_that_were_shut_down_run_again(site: Site) -> None:
    before = site.dump()
    result = site.apply(site.fleet(ALL))
    down = [p for p, m in site.dump().items() if m["runtime.powerState"] != "poweredOn"]
    were_on = [p for p in down if before[p]["runtime.powerState"] == "poweredOn"]
    assert were_on
    plan = plan_undo(result.run_id, site.session)
    assert [m.machine.path for m in plan.machines if m.power_on] == were_on
    site.undo(result.run_id)
    assert changed(before, site.dump()) == []


def test_a_drive_added_to_a_machine_that_runs_by_now_waits(site: Site) -> None:
    result = site.apply(site.fleet("targets: [{vms: pvs-007, method: iso}]\n"))
    site.lab.edit("pvs-007", power="on")
    applied = site.dump()
    pending = site.undo(result.run_id)
    assert outcome(pending, "pvs-007").verdict is Done.PENDING
    assert changed(applied, site.dump()) == []
    site.lab.edit("pvs-007", power="off")
    assert site.undo(result.run_id).done == 1


def test_a_second_undo_has_nothing_to_do(site: Site) -> None:
    result = site.apply(site.fleet(ALL))
    site.undo(result.run_id)
    site.lab.reset_counters()
    again = site.undo(result.run_id)
    assert (again.run_id, again.ok) == ("", 14)
    assert site.lab.counters().total_writes == 0


def test_a_run_of_another_vcenter_is_not_undone_here(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = site.apply(site.fleet(ALL))
    monkeypatch.setattr(
        site.session, "about", type(site.session.about)("x", "8", "", "other", True)
    )
    with pytest.raises(InputError, match="another vCenter"):
        site.undo(result.run_id)


def test_planning_an_undo_writes_nothing(site: Site) -> None:
    result = site.apply(site.fleet(ALL))
    site.lab.reset_counters()
    plan = plan_undo(result.run_id, site.session)
    assert plan.has_changes
    assert site.lab.counters().total_writes == 0
    assert len(plan.to_json()["machines"]) == 14


def running(site: Site) -> set[str]:
    return {p for p, m in site.dump().items() if m["runtime.powerState"] == "poweredOn"}


def test_running_machines_go_down_are_restored_and_run_again(site: Site) -> None:
    before = site.dump()
    result = site.apply(site.fleet(ALL))
    for path in result.shut_down:
        site.lab.edit(path, power="on")
    first = site.undo(result.run_id)
    waiting = {o.path for o in first.outcomes if o.verdict is Done.PENDING}
    assert waiting

    plan = plan_undo(result.run_id, site.session, power="off")
    assert {m.machine.path for m in plan.machines if m.down} == waiting
    assert all(m.power_on for m in plan.machines if m.down)
    undone = site.undo(result.run_id, power="off", hard_power_off=True, guest_deadline_s=20)

    assert (undone.pending, undone.failed, undone.shut_down) == (0, 0, ())
    assert running(site) >= waiting
    assert waiting.isdisjoint(changed(before, site.dump()))


def test_a_guest_that_does_not_go_down_is_left_as_it_is_by_an_undo(site: Site) -> None:
    result = site.apply(site.fleet(ALL))
    for path in result.shut_down:
        site.lab.edit(path, power="on", tools=False)
    plan = plan_undo(result.run_id, site.session, power="off")
    first = next(m.machine.path for m in plan.machines if m.down)
    before = site.dump()

    plan = plan_undo(result.run_id, site.session, power="off", limit=[first])
    assert "VMware Tools do not run" in plan.machines[0].problems[0].message
    undone = site.undo(result.run_id, power="off", limit=[first])

    (found,) = undone.outcomes
    assert found.verdict is Done.FAILED
    assert "--hard-power-off" in (found.hint or "")
    assert changed(before, site.dump()) == []


def test_machines_that_a_stopped_undo_shut_down_run_again_after_the_next(site: Site) -> None:
    before = site.dump()
    result = site.apply(site.fleet(ALL))
    for path in result.shut_down:
        site.lab.edit(path, power="on")
    stop = threading.Event()

    def strike(event: Event) -> None:
        if event.kind == "verify.begin":
            stop.set()

    first = site.undo(
        result.run_id, power="off", hard_power_off=True, guest_deadline_s=20, stop=stop, sink=strike
    )
    assert first.shut_down
    assert running(site) & set(first.shut_down) == set()

    assert site.undo(result.run_id).failed == 0
    assert running(site) >= set(first.shut_down)
    assert set(first.shut_down).isdisjoint(changed(before, site.dump()))
