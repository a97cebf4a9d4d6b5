"""Sessions against the lab: identity, login, expiry, broken connections."""

from __future__ import annotations

import socket
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.lab.vsphere_lab import credentials, machine, session_on
from vmboot.clock import Deadline, poll
from vmboot.errors import AuthError, ConnectError, RemoteError
from vmboot.events import Event
from vmboot.lab import Vcenter
from vmboot.vsphere import session as session_module
from vmboot.vsphere.faults import is_unknown
from vmboot.vsphere.inventory import read_index
from vmboot.vsphere.session import connect

pytestmark = pytest.mark.lab
WRONG_PIN = "AB:" * 31 + "AB"


@pytest.fixture(autouse=True)
def _calm(lab: Vcenter):
    yield
    lab.clear_faults()


def test_the_right_pin_connects_though_the_certificate_is_self_signed(lab: Vcenter):
    with session_on(lab, thumbprint=lab.thumbprint.replace(":", "").lower()) as session:
        assert session.about.is_vcenter
        assert len(read_index(session).entries) > 40


@pytest.mark.parametrize("insecure", [False, True])
def test_a_wrong_pin_is_refused_before_the_password_is_sent(lab: Vcenter, insecure: bool):
    lab.reset_counters()
    with pytest.raises(ConnectError) as refused:
        connect(credentials(lab, thumbprint=WRONG_PIN, insecure=insecure))

    assert WRONG_PIN in refused.value.message
    assert lab.thumbprint in refused.value.message
    assert refused.value.hint
    assert lab.counters().total_calls == 0


def test_a_certificate_nobody_vouches_for_is_refused_with_its_thumbprint_to_compare(lab: Vcenter):
    with pytest.raises(ConnectError, match="not trusted") as refused:
        connect(credentials(lab, thumbprint=None))

    assert refused.value.hint is not None
    assert lab.thumbprint in refused.value.hint


def test_insecure_is_loud(lab: Vcenter):
    events: list[Event] = []
    with session_on(lab, events, thumbprint=None, insecure=True) as session:
        read_index(session)

    assert [event.kind for event in events] == ["session.insecure"]


def test_a_wrong_password_is_an_auth_error_that_does_not_show_it(lab: Vcenter):
    password = "".join(reversed("esarhp55ap"))  # so that no source line in a traceback holds it
    with pytest.raises(AuthError) as refused:
        connect(credentials(lab, password=password))

    told = "".join(traceback.format_exception(refused.value)) + repr(refused.value)
    assert password not in told
    assert refused.value.hint


def test_nobody_there_is_a_connect_error_with_a_hint(lab: Vcenter):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectError, match="cannot reach") as refused:
            connect(credentials(lab, port=unused.getsockname()[1]))

    assert refused.value.hint


def test_what_is_no_vcenter_is_a_connect_error(lab: Vcenter):
    port = int(lab.control.rpartition(":")[2])  # it speaks plain HTTP
    with pytest.raises(ConnectError) as refused:
        connect(credentials(lab, port=port))

    assert refused.value.hint


def test_an_expired_session_is_opened_again_and_the_read_repeated(lab: Vcenter):
    events: list[Event] = []
    with session_on(lab, events) as session:
        before = read_index(session).entries
        lab.expire_sessions()

        assert read_index(session).entries == before
    assert [event.kind for event in events] == ["session.relogin"]


def test_a_write_that_met_an_expired_session_is_made_once(lab: Vcenter):
    with session_on(lab) as session:
        found = session.ref("VirtualMachine", machine(session, "pvs-001").moid)
        lab.expire_sessions()
        lab.reset_counters()
        session.call(lambda: found.ReconfigVM_Task(_annotation("once")), write=True)

        assert lab.counters().calls["Login"] == 1
        assert lab.counters().calls["ReconfigVM_Task"] == 2  # one refused, one made


def test_a_session_that_ends_at_once_each_time_is_given_up(lab: Vcenter):
    with session_on(lab) as session:
        lab.fault("not-authenticated", method="RetrievePropertiesEx", count=-1)
        with pytest.raises(AuthError, match="ended the session"):
            read_index(session)
        lab.clear_faults()


def test_many_threads_log_in_again_once(lab: Vcenter):
    with session_on(lab) as session, ThreadPoolExecutor(8) as pool:
        lab.expire_sessions()
        lab.reset_counters()
        barrier = threading.Barrier(8)

        def read(_number: int) -> int:
            barrier.wait()
            return len(read_index(session).entries)

        assert len(set(pool.map(read, range(8)))) == 1
        assert lab.counters().calls["Login"] == 1


def test_a_read_whose_connection_breaks_is_repeated(lab: Vcenter):
    with session_on(lab) as session:
        lab.fault("drop-connection", method="RetrievePropertiesEx")

        assert read_index(session).entries


def test_a_read_whose_connection_always_breaks_is_a_connect_error(lab: Vcenter):
    with session_on(lab) as session:
        lab.fault("drop-connection", method="RetrievePropertiesEx", count=-1)
        with pytest.raises(ConnectError) as broken:
            read_index(session)
        lab.clear_faults()

    assert broken.value.hint


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_write_whose_connection_breaks_is_not_repeated_but_of_unknown_outcome(lab: Vcenter, when):
    with session_on(lab) as session:
        found = session.ref("VirtualMachine", machine(session, "pvs-002").moid)
        lab.fault("drop-connection", method="ReconfigVM_Task", when=when)
        lab.reset_counters()
        with pytest.raises(RemoteError) as broken:
            session.call(lambda: found.ReconfigVM_Task(_annotation(when)), write=True)

        assert broken.value.fault == "ConnectionLost"
        assert is_unknown(broken.value)
        assert lab.counters().calls["ReconfigVM_Task"] == 1


def test_a_missing_privilege_names_it(lab: Vcenter):
    lab.withhold_privilege("/DC1/vm/PVS/BIOS/pvs-001", "VirtualMachine.Config.Rename")
    try:
        with session_on(lab) as session:
            found = session.ref("VirtualMachine", machine(session, "pvs-001").moid)
            lab.fault(
                "no-permission", method="ReconfigVM_Task", privilege="VirtualMachine.Config.Rename"
            )
            with pytest.raises(
                AuthError, match=r"missing privilege VirtualMachine\.Config\.Rename"
            ):
                session.call(lambda: found.ReconfigVM_Task(_annotation("x")), write=True)
    finally:
        lab.grant_privileges()


def test_leaving_logs_out(lab: Vcenter):
    before = lab.lab_status()["sessions"]
    with session_on(lab):
        assert lab.lab_status()["sessions"] == before + 1

    assert lab.lab_status()["sessions"] == before


def test_leaving_a_vcenter_that_is_gone_is_no_error(small_lab: Callable[..., Vcenter]):
    events: list[Event] = []
    lab = small_lab(vms=1, templates=0)
    with session_on(lab, events):
        lab.fault("drop-connection", method="Logout", count=-1)

    assert [event.kind for event in events] == ["session.logout-failed"]


def test_an_idle_session_is_kept_alive(
    small_lab: Callable[..., Vcenter], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(session_module, "KEEPALIVE_S", 0.2)
    lab = small_lab(vms=1, templates=0)
    events: list[Event] = []
    with session_on(lab, events):
        poll(
            lambda: lab.counters().calls.get("CurrentTime", 0) >= 3 or None,
            deadline=Deadline.after(30),
            every=0.1,
            what="the third keep-alive",
        )

    assert events == []


def _annotation(text: str):
    from pyVmomi import vim

    return vim.vm.ConfigSpec(annotation=text)


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_proxy_in_the_environment_is_not_used_as_the_documents_say(
    lab: Vcenter, monkeypatch: pytest.MonkeyPatch, repository: Path, variable: str
):
    monkeypatch.setenv(variable, "http://127.0.0.1:1")  # nothing listens there
    with session_on(lab) as session:
        assert read_index(session).entries  # through our own pool
        session.check()  # through pyVmomi
    text = (repository / "docs/troubleshooting.md").read_text("utf-8")
    assert "`HTTPS_PROXY`" in text
    assert "is not used" in text
