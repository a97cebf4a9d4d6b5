"""Shutting down politely, and what happens to those who do not listen."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from tests.lab.vsphere_lab import again, machines, session_on
from vmboot.errors import DeadlineError, RemoteError
from vmboot.events import Event
from vmboot.lab import Vcenter
from vmboot.vsphere.inventory import read_machines
from vmboot.vsphere.machine import Power
from vmboot.vsphere.power import power_on, shut_down
from vmboot.vsphere.session import Session
from vmboot.vsphere.storage import read_storage

pytestmark = pytest.mark.lab


@pytest.fixture
def lab(small_lab: Callable[..., Vcenter]) -> Vcenter:
    return small_lab(vms=24)


@pytest.fixture
def session(lab: Vcenter) -> Iterator[Session]:
    with session_on(lab) as opened:
        yield opened


@pytest.fixture
def running(session: Session, lab: Vcenter) -> list[str]:
    found = [m for m in machines(session, "pvs-*") if m.power is Power.ON]
    for item in found:
        restart(lab, item.path, tools=True)
    return [item.moid for item in found]


def restart(lab: Vcenter, path: str, *, tools: bool) -> None:
    """Whether Tools run shows when the machine starts."""
    lab.edit(path, power="off", tools=tools)
    lab.edit(path, power="on")


def states(session: Session, moids: list[str]) -> set[Power]:
    return {found.power for found in read_machines(session, moids)}


def test_guests_go_down_when_asked(session: Session, lab: Vcenter, running: list[str]):
    lab.reset_counters()
    events: list[Event] = []
    outcomes = shut_down(session, running, sink=events.append)

    assert [outcome.subject for outcome in outcomes] == running
    assert all(outcome.ok for outcome in outcomes)
    assert states(session, running) == {Power.OFF}
    assert "PowerOffVM_Task" not in lab.counters().calls
    assert {event.kind for event in events} == {"vm.shutting-down", "vm.off"}


def test_and_come_up_again(session: Session, running: list[str]):
    shut_down(session, running)

    assert all(outcome.ok for outcome in power_on(session, running))
    assert states(session, running) == {Power.ON}


def test_what_is_off_or_on_already_is_fine(session: Session, lab: Vcenter, running: list[str]):
    shut_down(session, running)
    lab.reset_counters()

    assert all(outcome.ok for outcome in shut_down(session, running))
    assert lab.counters().total_writes == 0
    assert all(outcome.ok for outcome in power_on(session, running))
    assert all(outcome.ok for outcome in power_on(session, running))


def test_a_deaf_guest_is_left_running_and_named(session: Session, lab: Vcenter, running: list[str]):
    deaf = running[0]
    lab.edit(machine_path(session, deaf), ignores_shutdown=True)
    outcomes = shut_down(session, running, guest_deadline_s=2)
    (failed,) = [outcome for outcome in outcomes if not outcome.ok]

    assert failed.subject == deaf
    assert isinstance(failed.error, DeadlineError)
    assert failed.error.hint
    assert states(session, [deaf]) == {Power.ON}
    assert states(session, running[1:]) == {Power.OFF}


def test_unless_the_plug_may_be_pulled(session: Session, lab: Vcenter, running: list[str]):
    deaf = running[0]
    lab.edit(machine_path(session, deaf), ignores_shutdown=True)
    outcomes = shut_down(session, running, guest_deadline_s=2, hard=True)

    assert all(outcome.ok for outcome in outcomes)
    assert states(session, running) == {Power.OFF}


def test_once_stopped_nobody_is_waited_for_and_no_plug_is_pulled(
    session: Session, lab: Vcenter, running: list[str]
):
    deaf, stop = running[0], threading.Event()
    lab.edit(machine_path(session, deaf), ignores_shutdown=True)
    lab.reset_counters()

    def stop_when_asked(event: Event) -> None:
        if event.kind == "vm.shutting-down":
            stop.set()

    outcomes = shut_down(session, running, hard=True, stop=stop, sink=stop_when_asked)

    (left,) = [outcome for outcome in outcomes if outcome.subject == deaf]
    assert (left.ok, left.started) == (False, False)
    assert states(session, [deaf]) == {Power.ON}
    assert "PowerOffVM_Task" not in lab.counters().calls


def test_a_stop_before_the_first_asks_nobody(session: Session, lab: Vcenter, running: list[str]):
    stop = threading.Event()
    stop.set()
    lab.reset_counters()

    outcomes = shut_down(session, running, hard=True, stop=stop)

    assert [outcome.started for outcome in outcomes] == [False] * len(running)
    assert lab.counters().total_writes == 0
    assert [outcome.started for outcome in power_on(session, running, stop=stop)] == [
        False for _ in running
    ]
    assert lab.counters().total_writes == 0


def test_without_tools_nobody_is_asked(session: Session, lab: Vcenter, running: list[str]):
    restart(lab, machine_path(session, running[0]), tools=False)
    (outcome,) = shut_down(session, running[:1], guest_deadline_s=2)

    assert isinstance(outcome.error, RemoteError)
    assert outcome.error.fault == "ToolsUnavailable"
    assert "--hard-power-off" in (outcome.error.hint or "")
    assert [outcome.ok for outcome in shut_down(session, running[:1], hard=True)] == [True]


def test_a_host_in_maintenance_powers_nothing_on(session: Session, lab: Vcenter):
    found = next(m for m in machines(session, "pvs-*") if m.power is Power.OFF)
    host = read_storage(session).host(found.host)
    assert host is not None
    lab.host_state(host.name, maintenance=True)
    (outcome,) = power_on(session, [found.moid])

    assert isinstance(outcome.error, RemoteError)
    assert again(session, [found])[0].power is Power.OFF


def machine_path(session: Session, moid: str) -> str:
    return read_machines(session, [moid])[0].path
