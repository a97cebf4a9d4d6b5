"""``vmboot doctor`` for boot disks, on a lab."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.bdmlab import ALL, need_grub
from tests.lab.fleetlab import Site, site_on
from vmboot.fleet.doctor import check_fleet
from vmboot.fleet.finding import Finding
from vmboot.fleet.spec import Fleet
from vmboot.lab import Vcenter
from vmboot.vsphere.importing import leftovers, remove_leftovers
from vmboot.vsphere.privileges import ADD_DISK, ADVANCED, ALLOCATE_SPACE, IMPORT

pytestmark = pytest.mark.lab
ONE = "targets: [{vms: /DC1/vm/PVS/BIOS/pvs-001, method: bdm}]\n"


@pytest.fixture
def site(small_lab: Callable[..., Vcenter], tmp_path: Path) -> Iterator[Site]:
    need_grub()
    with site_on(small_lab(vms=8, templates=2, disks=True), tmp_path) as opened:
        yield opened


def findings(site: Site, fleet: Fleet) -> tuple[Finding, ...]:
    return check_fleet(fleet, site.session, probe_servers=False, loader_dirs=[site.loaders])


def about(site: Site, text: str, name: str) -> tuple[Finding, ...]:
    """What is said of one thing for a fleet with these targets."""
    return tuple(found for found in findings(site, site.fleet(text)) if found.name == name)


def test_a_good_site_is_ready_and_nothing_is_written(site: Site) -> None:
    site.lab.reset_counters()
    found = findings(site, site.fleet(ALL))
    said = {finding.name: finding.message for finding in found}
    assert {finding.state for finding in found} == {"ok"}
    assert said["BDM disk"].startswith("vmboot-boot-")
    assert "shared-01 (3), shared-02 (3)" in said["home"]
    assert said["slot 0:0"] == "10 machines can have the BDM disk there"
    assert said["masters"].startswith("the master will be imported as an appliance (nfc) to ")
    assert site.lab.counters().total_writes == 0


def test_after_an_apply_nothing_is_left_to_do_and_new_machines_find_their_master(
    site: Site,
) -> None:
    fleet = site.fleet(ONE)
    result = site.apply(fleet)
    (done,) = about(site, ONE, "masters")
    assert (done.state, done.message) == ("ok", "no copies are to be made")
    site.undo(result.run_id)
    (there,) = about(site, ONE, "masters")
    assert there.message == "the master is there on shared-01"


def test_machines_with_secure_boot_learn_of_the_chains(site: Site) -> None:
    text = "targets: [{vms: sb-01, method: bdm}]\n"
    (found,) = about(site, text, "Secure Boot")
    assert found.state == "fail"
    assert "sb-01" in found.message
    assert "or turn Secure Boot off" in (found.hint or "")


def test_machines_whose_slot_cannot_be_used_are_counted_and_the_first_named(site: Site) -> None:
    text = 'targets: [{vms: "/DC1/vm/Special/*", method: bdm}]\n'
    bad, good = about(site, text, "slot 0:0")
    assert (bad.state, good.state) == ("fail", "ok")
    assert bad.message.startswith("10 machines cannot get a BDM disk at 0:0: ")
    assert "/DC1/vm/Special/clone-01" in bad.message
    assert bad.message.endswith(" and 5 more")
    assert "'vmboot plan' says why" in (bad.hint or "")


def test_a_home_datastore_in_maintenance_leaves_its_machines_out(site: Site) -> None:
    site.lab.datastore("shared-01", maintenance="inMaintenance")
    bad, good = about(site, ALL, "home")
    assert bad.state == "fail"
    assert "pvs-001" in bad.message
    assert "its datastore shared-01 is in or entering maintenance mode" in bad.message
    assert "shared-01" not in good.message


def test_a_full_datastore_is_told_by_the_numbers(site: Site) -> None:
    site.lab.datastore("shared-01", free_mib=20)
    found = [f for f in about(site, ALL, "masters") if f.state == "fail"]
    (full,) = found
    assert full.message.startswith("datastore shared-01 has 20 MiB free, and 3 copies")
    assert "need 32 MiB" in full.message


@pytest.mark.parametrize(
    ("way", "state", "words"),
    [
        ("auto", "warn", "by file upload (flat) to shared-01: NFC would need VApp.Import on the"),
        ("nfc", "fail", "an import to datastore shared-01 by NFC needs VApp.Import on the"),
        ("flat", "ok", "by file upload (flat) to shared-01"),
    ],
)
def test_the_way_of_an_import_is_told_with_the_privileges_it_lacks(
    site: Site, way: str, state: str, words: str
) -> None:
    site.lab.withhold_privilege("/DC1/host", IMPORT)
    (found,) = about(site, f"media: {{bdm: {{import: {way}}}}}\n{ONE}", "masters")
    assert found.state == state
    assert words in found.message
    assert (found.hint is None) is (state == "ok")


def test_file_upload_to_an_object_store_is_no_way(site: Site) -> None:
    text = "targets: [{vms: object-01, method: bdm}]\n"
    (found,) = about(site, f"media: {{bdm: {{import: flat}}}}\n{text}", "masters")
    assert found.state == "fail"
    assert "vsan-01 (vsan) keeps disks as objects" in found.message
    assert [f.state for f in about(site, text, "masters")] == ["ok"]


def test_a_folder_that_is_to_be_made_as_an_object_needs_a_privilege_of_its_own(site: Site) -> None:
    text = "targets: [{vms: object-01, method: bdm}]\n"
    site.lab.withhold_privilege("/DC1/datastore/vsan-01", "Datastore.Config")
    found = about(site, text, "privileges")
    assert any("vsan-01" in f.message and "Datastore.Config" in f.message for f in found)


@pytest.mark.parametrize("way", ["auto", "flat"])
def test_a_datastore_that_no_host_writes_to_takes_no_master(site: Site, way: str) -> None:
    site.lab.datastore("shared-01", access_mode="readOnly")
    (found,) = about(site, f"media: {{bdm: {{import: {way}}}}}\n{ONE}", "masters")
    assert found.state == "fail"
    assert "no connected host can write to datastore shared-01" in found.message


def test_missing_privileges_are_named_with_machine_and_datastore(site: Site) -> None:
    site.lab.withhold_privilege("/DC1/vm/PVS/BIOS/pvs-001", ADD_DISK, ADVANCED)
    site.lab.withhold_privilege("/DC1/datastore", ALLOCATE_SPACE)
    found = about(site, ONE, "privileges")
    said = " ".join(finding.message for finding in found)
    assert {finding.state for finding in found} == {"fail"}
    assert f"lacks {ADD_DISK}, {ADVANCED} on /DC1/vm/PVS/BIOS/pvs-001" in said
    assert f"lacks {ALLOCATE_SPACE} on datastore shared-01" in said


def test_a_machine_that_an_import_left_is_a_warning_and_sweep_the_cure(site: Site) -> None:
    site.lab.fault("fault", method="Destroy_Task", fault="InvalidState")
    site.apply(site.fleet(ONE))
    (shell,) = leftovers(site.session)

    (found,) = about(site, ONE, "imports")
    assert found.state == "warn"
    assert found.message == f"machine {shell.name} is left of an import"
    assert "'vmboot sweep fleet.yml' removes it" in (found.hint or "")

    remove_leftovers(site.session, (shell,))
    assert [f.state for f in about(site, ONE, "imports")] == ["ok"]
