"""What a plan refuses, and how clearly it says why. Nothing here writes to the vCenter."""

import hashlib
from collections.abc import Iterator

import pytest

from tests.lab.fleetlab import TEMPLATE, Site, planned, site_on
from tests.unit.media.synthetic import ipxe_efi, signature
from vmboot.errors import (
    AmbiguousError,
    AuthError,
    InputError,
    MissingToolError,
    NotFoundError,
    RefusedError,
    VmbootError,
)
from vmboot.fleet.plan import Verdict
from vmboot.lab import Vcenter
from vmboot.vsphere.placement import choice_of
from vmboot.vsphere.storage import read_storage
from vmboot.vsphere.transfer import delete, upload

pytestmark = pytest.mark.lab


@pytest.fixture
def site(lab: Vcenter, tmp_path) -> Iterator[Site]:
    with site_on(lab, tmp_path) as opened:
        yield opened
    lab.grant_privileges()


def iso_targets(*patterns: str) -> str:
    listed = ", ".join(f'"{pattern}"' for pattern in patterns)
    return f"targets: [{{vms: [{listed}], method: iso}}]\n"


def refusal(site: Site, name: str, *others: str) -> str:
    """Message and hint of the one machine that is refused among those planned."""
    plan = site.plan(site.fleet(iso_targets(name, *others)))
    machine = planned(plan, name)
    assert machine.verdict is Verdict.REFUSED
    assert machine.now == machine.later == ()
    assert [m.machine.name for m in plan.machines if m.verdict is Verdict.REFUSED] == [name]
    (problem,) = machine.problems
    return f"{problem.message} | {problem.hint}"


def whole_plan_error(site: Site, kind: type[VmbootError], text: str, **options) -> VmbootError:
    with pytest.raises(kind) as caught:
        site.plan(site.fleet(text, **options))
    assert type(caught.value) is kind
    assert caught.value.hint
    return caught.value


def test_a_glob_that_matches_nothing(site: Site) -> None:
    error = whole_plan_error(site, NotFoundError, iso_targets("/DC1/vm/PVS/**/web-*"))
    assert str(error).endswith("fleet.yml:4:18: '/DC1/vm/PVS/**/web-*' matches no machine")


def test_a_name_that_two_machines_have(site: Site) -> None:
    error = whole_plan_error(site, AmbiguousError, iso_targets("twin"))
    assert isinstance(error, AmbiguousError)
    assert error.matches == ("/DC1/vm/Special/one/twin", "/DC1/vm/Special/two/twin")
    assert all(path in str(error) for path in error.matches)


def test_a_datacenter_that_is_not_there(site: Site) -> None:
    text = "vcenter: {datacenter: DC9}\n" + iso_targets("pvs-001")
    assert "DC9" in str(whole_plan_error(site, NotFoundError, text))


def test_two_wishes_for_one_machine(site: Site) -> None:
    text = 'targets: [{vms: "pvs-00*", method: iso}, {vms: pvs-002, method: pxe}]\n'
    error = whole_plan_error(site, InputError, text)
    assert "/DC1/vm/PVS/UEFI/pvs-002 is selected twice" in str(error)
    assert "fleet.yml:4:17" in str(error)
    assert "fleet.yml:4:" in str(error.place)


def test_the_same_wish_twice_is_fine(site: Site) -> None:
    plan = site.plan(site.fleet(iso_targets("pvs-001", "pvs-00[12]", "pvs-001")))
    assert [m.machine.name for m in plan.machines] == ["pvs-001", "pvs-002"]


def test_a_glob_over_templates_under_targets(site: Site) -> None:
    error = whole_plan_error(site, NotFoundError, iso_targets("/DC1/vm/Templates/*"))
    assert "matches 4 templates only" in str(error)
    assert error.hint == "list it under templates"


def test_a_template_by_name_under_targets(site: Site) -> None:
    said = refusal(site, "tpl-win11-pvs", "pvs-001")
    assert "it is a template, listed under targets" in said
    assert "list it under templates" in said


def test_a_vm_by_name_under_templates(site: Site) -> None:
    plan = site.plan(site.fleet(f'templates: [{{vms: ["pvs-001", "{TEMPLATE}"], method: iso}}]\n'))
    assert "it is a VM, listed under templates" in planned(plan, "pvs-001").problems[0].message
    assert planned(plan, "tpl-win11-pvs").verdict is Verdict.CHANGE


def test_secure_boot_with_an_unsigned_loader(site: Site) -> None:
    said = refusal(site, "sb-01", "pvs-001")
    assert "Secure Boot is on, and the loader on the boot ISO is not signed" in said
    assert "shim-grub" in said
    assert "turn Secure Boot off" in said


def test_secure_boot_with_a_signed_loader_is_fine(site: Site) -> None:
    signed = ipxe_efi(certificates=signature("Somebody", "Microsoft UEFI CA"))
    (site.loaders / "ipxe.efi").write_bytes(signed)
    plan = site.plan(site.fleet(iso_targets("sb-01")))
    assert planned(plan, "sb-01").verdict in (Verdict.CHANGE, Verdict.PENDING)


def test_a_snapshot_where_the_slot_must_move(site: Site) -> None:
    said = refusal(site, "snap-01", "pvs-001")
    assert "cannot move while there are snapshots" in said
    assert "consolidate" in said


def test_a_machine_on_a_host_of_its_own_does_not_stop_the_others(site: Site) -> None:
    said = refusal(site, "solo-01", "pvs-001", "pvs-002")
    assert "/DC1/vm/Special/solo-01 may run on host esx-solo.lab" in said
    assert "datastore shared-0" in said


def test_a_datastore_that_some_hosts_do_not_reach(site: Site) -> None:
    text = "media: {iso: {datastore: cl-a-only}}\n" + iso_targets("/DC1/vm/PVS/**")
    plan = site.plan(site.fleet(text))
    refused = [m for m in plan.machines if m.verdict is Verdict.REFUSED]
    assert refused
    assert len(refused) < len(plan.machines)
    message = refused[0].problems[0].message
    assert refused[0].machine.path in message
    assert "esx-b" in message
    assert "cl-a-only" in message


def test_a_datastore_that_is_wrong_for_all(site: Site) -> None:
    text = "media: {iso: {datastore: local-solo}}\n" + iso_targets("pvs-001", "pvs-002")
    assert "datastore local-solo" in str(whole_plan_error(site, RefusedError, text))


def test_a_datastore_that_does_not_exist(site: Site) -> None:
    text = "media: {iso: {datastore: shared-1}}\n" + iso_targets("pvs-001")
    error = whole_plan_error(site, NotFoundError, text)
    assert "shared-01" in (error.hint or "")


def test_a_missing_privilege_is_named_with_its_machine(site: Site) -> None:
    site.lab.withhold_privilege("/DC1/vm/PVS/UEFI", "VirtualMachine.Config.Settings")
    said = refusal(site, "pvs-002", "pvs-001")
    assert f"{site.session.user} lacks the privilege VirtualMachine.Config.Settings on it" in said


def test_a_missing_privilege_on_the_datastore(site: Site) -> None:
    site.lab.withhold_privilege("/DC1/datastore/shared-01", "Datastore.FileManagement")
    text = "media: {iso: {datastore: shared-01}}\n" + iso_targets("pvs-001")
    error = whole_plan_error(site, AuthError, text)
    assert "Datastore.FileManagement on datastore shared-01" in str(error)


def test_a_firmware_without_bootstrap(site: Site) -> None:
    head = "version: 1\nboot_servers: [10.0.0.11]\nbootstrap: {bios: ARDBP32.BIN}\n"
    plan = site.plan(site.fleet(iso_targets("pvs-001", "pvs-002"), head=head))
    assert planned(plan, "pvs-001").verdict is Verdict.CHANGE
    (problem,) = planned(plan, "pvs-002").problems
    assert problem.message == "its firmware is UEFI, and the fleet has no bootstrap.uefi"


def test_a_firmware_without_loader(site: Site, tmp_path, monkeypatch) -> None:
    (site.loaders / "ipxe.efi").unlink()
    monkeypatch.setenv("VMBOOT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr("vmboot.media.find.SYSTEM_FILES", ())
    error = whole_plan_error(site, MissingToolError, iso_targets("pvs-001"))
    assert "UEFI" in str(error)


def test_a_nic_that_the_machine_does_not_have(site: Site) -> None:
    plan = site.plan(site.fleet("targets: [{vms: pvs-001, method: pxe, nic: 4}]\n"))
    assert "has no NIC 4" in planned(plan, "pvs-001").problems[0].message


def test_an_iso_that_somebody_changed(site: Site) -> None:
    fleet = site.fleet(iso_targets("pvs-001"))
    (iso,) = site.plan(fleet).uploads
    store = choice_of(read_storage(site.session).datastore(iso.moid)[0])
    other = bytes(iso.size)
    digest = hashlib.sha256(other).hexdigest()
    upload(site.session, datastore=store, path=iso.file, data=other, sha256=digest)
    try:
        error = whole_plan_error(site, RefusedError, iso_targets("pvs-001"))
        assert iso.path in str(error)
        assert "it is another file" in str(error)
    finally:
        assert delete(site.session, datastore=store, path=iso.file)


def test_one_static_address_for_many_machines_is_a_warning(site: Site) -> None:
    text = "network: {mode: static, address: 10.0.0.9, netmask: 255.255.255.0}\n"
    plan = site.plan(site.fleet(text + iso_targets("pvs-00[1-4]")))
    assert any("4 machines share one ISO with the static address" in w for w in plan.warnings)
