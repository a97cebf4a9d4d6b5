"""Plans and run results as the module returns them."""

from ansible_collections.vmboot.vsphere.plugins.module_utils.outcome import (
    VERDICTS,
    of_plan,
    of_run,
    text_diff,
)

from vmboot.fleet.plan import MachinePlan, Problem, Verdict
from vmboot.fleet.result import Done, MachineOutcome, RunResult
from vmboot.fleet.words import diff
from vmboot.model import BootMethod
from vmboot.vsphere.devices import SetBootOrder
from vmboot.vsphere.machine import BootEntry, Machine

ORDER = SetBootOrder(before=(), after=(BootEntry("cdrom"),))


def planned(name, verdict, **more):
    machine = Machine(moid=f"vm-{name}", name=name, path=f"/DC1/vm/{name}")
    return MachinePlan(machine, BootMethod.ISO, verdict, **more)


CHANGE = planned("a", Verdict.CHANGE, now=(ORDER,))
OK = planned("b", Verdict.OK)
PENDING = planned("c", Verdict.PENDING, later=(ORDER,))
REFUSED = planned("d", Verdict.REFUSED, problems=(Problem("has a snapshot", "remove it"),))


def outcome(plan, verdict, error="", hint=None):
    return MachineOutcome(plan.machine.path, plan.machine.moid, verdict, error, hint)


def test_a_plan_with_work_counts_as_a_change():
    result = of_plan([CHANGE, OK], diff)
    assert (result["changed"], result["run_id"]) == (True, None)
    assert result["counts"] == dict.fromkeys(VERDICTS, 0) | {"change": 1, "ok": 1}


def test_what_only_waits_for_a_power_off_is_no_change():
    result = of_plan([OK, PENDING], diff)
    assert result["changed"] is False
    assert result["pending"] == ["/DC1/vm/c"]


def test_a_refused_machine_is_a_failure_with_its_reason():
    (failure,) = of_plan([REFUSED], diff)["failures"]
    assert failure["line"] == "/DC1/vm/d: has a snapshot (remove it)"


def test_warnings_are_no_failures():
    plan = planned("e", Verdict.CHANGE, now=(ORDER,), problems=(Problem("hm", warning=True),))
    (row,) = of_plan([plan], diff)["machines"]
    assert row["error"] == ""


def test_a_run_without_writes_changed_nothing():
    result = of_run(RunResult("", (outcome(OK, Done.OK),)), [OK], diff)
    assert (result["changed"], result["run_id"]) == (False, None)


def test_a_run_tells_what_changed_and_what_failed():
    outcomes = (outcome(CHANGE, Done.DONE), outcome(PENDING, Done.FAILED, "disk full", "make room"))
    result = of_run(RunResult("20261121-2210-ab12", outcomes), [CHANGE, PENDING], diff)
    assert result["changed"] is True
    assert result["machines"][0]["changes"][0]["what"] == "boot order"
    assert result["failures"][0]["error"] == "disk full"


def test_a_machine_that_failed_shows_no_changes():
    result = of_run(RunResult("r", (outcome(CHANGE, Done.FAILED, "no"),)), [CHANGE], diff)
    assert result["machines"][0]["changes"] == []


def test_a_machine_the_plan_refused_is_not_merely_skipped():
    result = of_run(RunResult("r", (outcome(REFUSED, Done.SKIPPED, "snapshot"),)), [REFUSED], diff)
    assert result["machines"][0]["verdict"] == "refused"
    assert len(result["failures"]) == 1


def test_the_diff_has_before_and_after_of_each_changed_machine():
    rows = of_plan([CHANGE, OK], diff)["machines"]
    assert text_diff(rows) == [
        {
            "before_header": "/DC1/vm/a",
            "after_header": "/DC1/vm/a",
            "before": "boot order: the firmware's own\n",
            "after": "boot order: CD\n",
        }
    ]


def test_what_waits_for_a_power_off_is_no_part_of_the_diff():
    plan = planned("b", Verdict.PENDING, later=(ORDER,))
    rows = of_plan([plan], diff)["machines"]
    assert rows[0]["changes"]
    assert text_diff(rows) == []
