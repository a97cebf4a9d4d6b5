"""The window of tasks: what ends how, what is journalled when, and what an interruption leaves."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.lab.vsphere_lab import machine, machines, our_iso, session_on, wished
from vmboot.errors import AuthError, RefusedError, RemoteError
from vmboot.events import Event
from vmboot.lab import Vcenter
from vmboot.vsphere.changes import SetBootOrder
from vmboot.vsphere.machine import BootEntry, Machine
from vmboot.vsphere.reconfigure import reconfigure_job
from vmboot.vsphere.session import Session
from vmboot.vsphere.tasks import Job, Outcome, run_window

pytestmark = pytest.mark.lab
CD_FIRST = (BootEntry("cdrom"),)


@pytest.fixture
def lab(small_lab: Callable[..., Vcenter]) -> Vcenter:
    return small_lab(vms=40, templates=0)


@pytest.fixture
def session(lab: Vcenter) -> Iterator[Session]:
    with session_on(lab) as opened:
        yield opened


def job(found: Machine) -> Job:
    """A write that every machine accepts."""
    return reconfigure_job(found, (SetBootOrder(found.boot_order, CD_FIRST),))


def fault_of(outcome: Outcome) -> str:
    assert isinstance(outcome.error, RemoteError), outcome
    return outcome.error.fault


def test_every_job_ends_once_and_is_done(session: Session):
    found = machines(session, "pvs-*")
    outcomes = list(run_window(session, map(job, found)))

    assert sorted(outcome.subject for outcome in outcomes) == sorted(m.path for m in found)
    assert all(outcome.ok and outcome.started for outcome in outcomes)
    assert {m.boot_order for m in machines(session, "pvs-*")} == {CD_FIRST}


def test_it_asks_seldom(session: Session, lab: Vcenter):
    found = machines(session, "pvs-*")
    lab.delays(delay_ms=5, task_ms=300)
    lab.reset_counters()
    outcomes = list(run_window(session, map(job, found), window=16))
    calls = lab.counters().calls

    assert all(outcome.ok for outcome in outcomes)
    assert calls["ReconfigVM_Task"] == 40
    # A run this short is dominated by finding out how long a task takes.
    assert calls["RetrievePropertiesEx"] <= 20


def test_never_more_than_the_window_is_in_flight(session: Session, lab: Vcenter):
    taken, ended, most = 0, 0, 0

    def jobs() -> Iterator[Job]:
        nonlocal taken
        for found in machines(session, "pvs-*"):
            taken += 1
            yield job(found)

    lab.delays(task_ms=50)
    for _outcome in run_window(session, jobs(), window=5):
        most = max(most, taken - ended)
        ended += 1

    assert ended == 40
    assert most <= 5


def test_a_failed_task_does_not_disturb_the_others(session: Session, lab: Vcenter):
    lab.fault("task-fails", method="ReconfigVM_Task", vm="pvs-004", fault="InvalidVmConfig")
    outcomes = {o.subject: o for o in run_window(session, map(job, machines(session, "pvs-*")))}
    (failed,) = [outcome for outcome in outcomes.values() if not outcome.ok]

    assert failed.subject.endswith("/pvs-004")
    assert fault_of(failed) == "InvalidVmConfig"
    assert failed.error is not None
    assert failed.error.hint


def test_a_refused_call_is_an_outcome_too(session: Session, lab: Vcenter):
    lab.fault("fault", method="ReconfigVM_Task", vm="pvs-004", fault="TaskInProgress")
    (outcome,) = run_window(session, [job(machine(session, "pvs-004"))])

    assert fault_of(outcome) == "TaskInProgress"


def test_the_journal_is_written_before_anything_is_sent(session: Session, lab: Vcenter):
    sent_before: list[int] = []
    noted: list[str] = []

    def note(subjects: tuple[str, ...]) -> None:
        sent_before.append(lab.counters().calls.get("ReconfigVM_Task", 0))
        noted.extend(subjects)

    found = machines(session, "pvs-*")
    lab.reset_counters()
    for outcome in run_window(session, map(job, found), window=4, before_start=note):
        assert outcome.subject in noted

    assert sorted(noted) == sorted(m.path for m in found)
    assert sent_before[0] == 0


def test_a_journal_that_cannot_be_written_stops_all(session: Session, lab: Vcenter):
    def note(_subjects: tuple[str, ...]) -> None:
        raise RemoteError("disk full", fault="Journal")

    lab.reset_counters()
    with pytest.raises(RemoteError, match="disk full"):
        list(run_window(session, [job(machine(session, "pvs-001"))], before_start=note))

    assert lab.counters().total_writes == 0


@pytest.mark.parametrize(("when", "order"), [("before", ()), ("after", CD_FIRST)])
def test_a_connection_that_breaks_leaves_the_outcome_open(
    session: Session, lab: Vcenter, when, order: tuple[BootEntry, ...]
):
    found = next(m for m in machines(session, "pvs-*") if m.boot_order == ())
    lab.fault("drop-connection", method="ReconfigVM_Task", vm=found.name, when=when)
    (outcome,) = run_window(session, [job(found)])

    assert fault_of(outcome) == "ConnectionLost"
    assert machine(session, found.path).boot_order == order


def test_a_session_that_expires_in_the_middle_costs_nothing(session: Session, lab: Vcenter):
    found = machines(session, "pvs-*")
    lab.delays(task_ms=100)
    outcomes: list[Outcome] = []
    for outcome in run_window(session, map(job, found), window=8):
        if not outcomes:
            lab.expire_sessions()
        outcomes.append(outcome)

    assert len(outcomes) == 40
    assert [outcome for outcome in outcomes if not outcome.ok] == []


def test_polls_that_fail_are_made_again(session: Session, lab: Vcenter):
    found = machine(session, "pvs-001")
    lab.delays(task_ms=200)
    lab.fault("drop-connection", method="RetrievePropertiesEx", count=4)
    events: list[Event] = []
    (outcome,) = run_window(session, [job(found)], sink=events.append)

    assert outcome.ok
    assert "poll.failed" in {event.kind for event in events}


def test_a_task_past_its_deadline_is_of_unknown_outcome(session: Session, lab: Vcenter):
    lab.fault("slow-task", method="ReconfigVM_Task", vm="pvs-004", ms=60_000)
    found = machines(session, "pvs-00*")
    outcomes = list(run_window(session, map(job, found), deadline_s=1.5))
    (late,) = [outcome for outcome in outcomes if not outcome.ok]

    assert late.subject.endswith("/pvs-004")
    assert fault_of(late) == "Deadline"
    assert len(outcomes) == len(found)


def test_after_a_stop_nothing_more_is_sent_and_all_are_reported(session: Session, lab: Vcenter):
    lab.delays(task_ms=100)
    stop = threading.Event()
    outcomes: list[Outcome] = []
    for outcome in run_window(session, map(job, machines(session, "pvs-*")), window=4, stop=stop):
        stop.set()
        outcomes.append(outcome)
    started = [outcome for outcome in outcomes if outcome.started]

    assert len(outcomes) == 40
    assert all(outcome.ok for outcome in started)
    assert {fault_of(o) for o in outcomes if not o.started} == {"NotStarted"}
    assert lab.counters().calls["ReconfigVM_Task"] == len(started) < 40


def test_a_stopped_run_does_not_wait_for_ever(session: Session, lab: Vcenter):
    lab.fault("slow-task", method="ReconfigVM_Task", count=-1, ms=60_000)
    stop = threading.Event()
    stop.set()
    found = machine(session, "pvs-001")
    running = run_window(session, [job(found)], stop=stop)
    assert [outcome.started for outcome in running] == [False]

    later = threading.Event()
    outcomes = run_window(
        session, [job(found)], stop=later, grace_s=0.5, before_start=lambda _subjects: later.set()
    )
    assert [fault_of(outcome) for outcome in outcomes] == ["Deadline"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RefusedError("journal full")])
def test_an_interrupt_is_raised_again_after_all_was_reported(
    session: Session, lab: Vcenter, error: BaseException | type[BaseException]
):
    lab.delays(task_ms=100)
    found = machines(session, "pvs-*")
    outcomes: list[Outcome] = []

    def jobs() -> Iterator[Job]:
        for number, item in enumerate(found):
            if number == 10:
                raise error
            yield job(item)

    running = run_window(session, jobs(), window=4)
    with pytest.raises(error if isinstance(error, type) else type(error)):
        for outcome in running:
            outcomes.append(outcome)  # noqa: PERF402 - list() would lose them

    assert {o.subject for o in outcomes} == {m.path for m in found[:10]}
    started = [outcome for outcome in outcomes if outcome.started]
    assert all(outcome.ok for outcome in started)
    assert lab.counters().calls["ReconfigVM_Task"] == len(started)


def test_a_task_the_vcenter_forgot_is_of_unknown_outcome(session: Session):
    lost = Job("lost", start=lambda _session: "task-4711")
    outcomes = {o.subject: o for o in run_window(session, [lost, job(machine(session, "pvs-001"))])}

    assert fault_of(outcomes.pop("lost")) == "TaskGone"
    assert all(outcome.ok for outcome in outcomes.values())


def test_a_login_refused_in_the_middle_ends_the_run_without_locking_the_account(
    session: Session, lab: Vcenter
):
    found = machines(session, "pvs-*")
    lab.fault("slow-task", method="ReconfigVM_Task", vm=found[0].name, ms=3000)
    outcomes: list[Outcome] = []

    def jobs() -> Iterator[Job]:
        for number, item in enumerate(found):
            if number == 8:
                lab.fault("fault", method="Login", fault="InvalidLogin", count=-1)
                lab.expire_sessions()
                lab.reset_counters()
            yield job(item)

    with pytest.raises(AuthError):
        for outcome in run_window(session, jobs(), window=8):
            outcomes.append(outcome)  # noqa: PERF402 - list() would lose them

    assert {o.subject for o in outcomes} >= {m.path for m in found[:8]}
    assert {o.subject: o for o in outcomes}[found[0].path].error is not None
    assert lab.counters().calls["Login"] == 1


def test_a_write_without_a_task_is_done_when_it_returns(session: Session):
    (outcome,) = run_window(session, [Job("quick", start=lambda _session: None)])

    assert outcome.ok


def test_the_question_about_a_locked_cd_is_answered(session: Session, lab: Vcenter):
    iso = our_iso(session)
    found = machine(session, "locked-01")
    events: list[Event] = []
    changes = wished(found, iso)
    (outcome,) = run_window(session, [reconfigure_job(found, changes)], sink=events.append)

    assert outcome.ok, outcome.error
    assert "vm.answered" in {event.kind for event in events}
    assert wished(machine(session, "locked-01"), iso) == ()


def test_a_vcenter_that_is_gone_is_not_waited_for_without_end(
    session: Session, lab: Vcenter, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("vmboot.vsphere.inflight.SILENCE_S", 1.0)
    found = machines(session, "pvs-*")[:8]
    lab.delays(delay_ms=0, task_ms=60_000)
    told: list[Event] = []

    def tell(event: Event) -> None:
        told.append(event)

    threading.Timer(0.5, os.kill, (lab.pid, signal.SIGKILL)).start()
    outcomes = list(run_window(session, map(job, found), sink=tell))

    assert {fault_of(outcome) for outcome in outcomes} == {"TaskGone"}
    assert len(outcomes) == len(found)
    assert "asking again" in next(e for e in told if e.kind == "poll.failed").message


def test_what_follows_on_a_job_is_sent_before_anything_new(session: Session):
    first, *others = machines(session, "pvs-00*")
    begun: list[str] = []

    def then(outcome: Outcome) -> Job | None:
        return Job("next", start=lambda _session: None) if outcome.subject == first.path else None

    outcomes = list(
        run_window(
            session,
            map(job, (first, *others)),
            window=1,
            before_start=begun.extend,
            then=then,
        )
    )

    assert begun == [first.path, "next", *(other.path for other in others)]
    assert [outcome.subject for outcome in outcomes] == begun


def test_nothing_follows_after_a_stop(session: Session):
    stop, asked = threading.Event(), []
    jobs = [Job("quick", start=lambda _session: None)]
    for _outcome in run_window(session, jobs, then=asked.append, stop=stop):
        stop.set()

    assert asked == []
