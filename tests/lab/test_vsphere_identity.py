"""What tells one vCenter or host from another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.lab.fleetlab import site_on
from tests.lab.vsphere_lab import session_on
from vmboot.errors import InputError, RefusedError
from vmboot.lab import Vcenter
from vmboot.vsphere import identity
from vmboot.vsphere import session as session_module
from vmboot.vsphere.about import About, about_of
from vmboot.vsphere.collector import Found
from vmboot.vsphere.identity import identity_of

pytestmark = pytest.mark.lab

BOOT = 'targets: [{vms: "/DC1/vm/PVS/**", method: iso}]\n'


@pytest.fixture
def hosts_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every lab answers as a single ESXi host does: without an instance UUID."""

    def as_host(about: Any) -> About:
        return replace(about_of(about), uuid="", is_vcenter=False)

    monkeypatch.setattr(session_module, "about_of", as_host)


def test_a_vcenter_is_known_by_its_instance_uuid_without_a_further_call(lab: Vcenter):
    with session_on(lab) as session:
        assert session.about.uuid == session.content.about.instanceUuid
        lab.reset_counters()
        assert identity_of(session, "u-1", None) == "u-1"
        assert lab.counters().total_calls == 0


def test_a_host_is_known_by_its_hardware_and_stays_so(hosts_only: None, lab: Vcenter):
    with session_on(lab) as one, session_on(lab) as other:
        uuids = {_hardware(host) for host in _hosts(one)}
        assert one.about.uuid.removeprefix("host:") in uuids
        assert one.about.uuid == other.about.uuid


def _hosts(session: Any) -> list[Any]:
    content = session.content
    view = content.viewManager.CreateContainerView(
        content.rootFolder, [session.ref("HostSystem", "").__class__], True
    )
    return list(view.view)


def _hardware(host: Any) -> str:
    return str(host.hardware.systemInfo.uuid).lower()


@pytest.mark.parametrize(
    "uuid", ["", "00000000-0000-0000-0000-000000000000", "03000200-0400-0500-0006-000700080009"]
)
def test_a_host_whose_vendor_gave_it_no_uuid_is_known_by_its_certificate(
    hosts_only: None, lab: Vcenter, monkeypatch: pytest.MonkeyPatch, uuid: str
):
    monkeypatch.setattr(Found, "text", lambda self, path: uuid)
    with session_on(lab) as session:
        wanted = lab.thumbprint.replace(":", "").lower()
        assert session.about.uuid == f"certificate:{wanted}"


def test_what_cannot_be_known_is_refused(
    hosts_only: None, lab: Vcenter, monkeypatch: pytest.MonkeyPatch
):
    with session_on(lab) as session:
        monkeypatch.setattr(Found, "text", lambda self, path: "")
        with pytest.raises(RefusedError, match="neither an instance UUID nor") as caught:
            identity_of(session, "", None)
        assert "use a vCenter" in (caught.value.hint or "")


def test_a_run_on_one_host_is_not_undone_on_another(
    hosts_only: None,
    small_lab: Callable[..., Vcenter],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    # All labs have the same hardware, as far as they say; their certificates differ.
    monkeypatch.setattr(identity, "_hardware_uuid", lambda session: "")
    with site_on(small_lab(templates=0), tmp_path) as site:
        run = site.apply(site.fleet(BOOT))
        assert run.done
    with (
        site_on(small_lab(templates=0), tmp_path) as other,
        pytest.raises(InputError, match="this is another vCenter"),
    ):
        other.undo(run.run_id, force=True)
