"""Machines with Secure Boot: refused in words that help, started by a chain, and enrolled."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.fleetlab import Site, changed, outcome, planned, site_on
from tests.unit.media.synthetic import certificate, grub_efi, ipxe_efi, shim, signature
from vmboot.errors import MissingToolError, VmbootError
from vmboot.fleet.homes import Home, home_of
from vmboot.fleet.plan import Verdict
from vmboot.fleet.result import Done
from vmboot.fleet.runs import list_runs
from vmboot.fleet.undo import plan_undo
from vmboot.lab import Vcenter
from vmboot.vsphere.inventory import read_index, read_machines
from vmboot.vsphere.placement import DatastoreChoice, choice_of
from vmboot.vsphere.securedb import certificate_name
from vmboot.vsphere.storage import read_storage
from vmboot.vsphere.transfer import list_folder, read_bytes, upload

pytestmark = pytest.mark.lab

HEAD = """\
version: 1
boot_servers: [10.0.0.11, 10.0.0.12]
bootstrap: {uefi: pvsnbpx64.efi}
"""
PATH = "/DC1/vm/Special/sb-01"
ISO = "targets: [{vms: sb-01, method: iso}]\n"
BDM = "targets: [{vms: sb-01, method: bdm}]\n"
PXE = "targets: [{vms: sb-01, method: pxe}]\n"
SITE_CRT = certificate("Site Key", "Site CA")
ENROLL = "media: {secure_boot: {chain: site-key, certificate: site.crt, enroll: true}}\n"
FILE0, FILE1 = (f"uefi.secureBoot.dbDefault.file{place}" for place in range(2))


@pytest.fixture
def site(small_lab: Callable[..., Vcenter], tmp_path: Path) -> Iterator[Site]:
    with site_on(small_lab(), tmp_path) as opened:
        programs = {
            "shimx64.efi": shim(certificates=signature("A Publisher", "Microsoft Corporation")),
            "grubnetx64.efi": grub_efi(certificates=signature("Signer", "Distro CA")),
            "signed.efi": ipxe_efi(certificates=signature("Site Key", "Site CA")),
        }
        for name, data in programs.items():
            (opened.loaders / name).write_bytes(data)
        (tmp_path / "site.crt").write_bytes(SITE_CRT)
        yield opened


def extra(site: Site) -> dict[str, Any]:
    """The Secure Boot settings of the machine, as an independent reader finds them."""
    options = site.dump()[PATH]["config.extraConfig"]
    return {name: value for name, value in options.items() if name.startswith("uefi.secureBoot")}


def folder_of_machine(site: Site) -> tuple[DatastoreChoice, str]:
    (machine,) = read_machines(site.session, [read_index(site.session).one("sb-01").moid])
    home = home_of(read_storage(site.session), machine)
    assert isinstance(home, Home)
    return choice_of(home.datastore), home.folder.partition("] ")[2]


def certificates(site: Site) -> list[bytes]:
    """What the files with certificates in the machine's folder hold."""
    store, folder = folder_of_machine(site)
    files = list_folder(site.session, datastore=store, folder=folder, pattern="vmboot-*")
    ders = [file.path for file in files if not file.path.endswith(".vmdk")]
    assert all(path.endswith(".der") for path in ders)
    return [read_bytes(site.session, datastore=store, path=path) for path in ders]


@pytest.mark.parametrize("groups", [ISO, BDM])
def test_without_a_chain_it_is_refused_and_told_which_would_work(site: Site, groups: str) -> None:
    before = site.dump()
    machine = planned(site.plan(site.fleet(groups, head=HEAD)), "sb-01")
    assert machine.verdict is Verdict.REFUSED
    (problem,) = machine.problems
    assert "Secure Boot is on" in problem.message
    assert problem.hint is not None
    assert "set media.secure_boot.chain to shim-grub or " in problem.hint
    assert "site-key" in problem.hint
    result = site.apply(site.fleet(groups, head=HEAD))
    assert (outcome(result, "sb-01").verdict, changed(before, site.dump())) == (Done.SKIPPED, [])


@pytest.mark.parametrize("groups", [ISO, BDM])
def test_by_shim_and_grub_there_and_back(site: Site, groups: str) -> None:
    before = site.dump()
    fleet = site.fleet(f"media: {{secure_boot: {{chain: shim-grub}}}}\n{groups}", head=HEAD)
    plan = site.plan(fleet, power="off")
    assert planned(plan, "sb-01").verdict is Verdict.CHANGE
    said = [warning for warning in plan.warnings if "by TFTP only" in warning]
    assert said == ["Secure Boot by shim-grub: downloads by TFTP only, and without VLAN tags"]
    result = site.apply(fleet, plan)
    assert (result.done, changed(before, site.dump())) == (1, [PATH])
    assert extra(site) == {}
    assert site.undo(result.run_id).done == 1
    assert changed(before, site.dump()) == []


def test_by_pxe_it_is_told_what_has_to_be_signed(site: Site) -> None:
    plan = site.plan(site.fleet(PXE, head=HEAD))
    assert planned(plan, "sb-01").verdict is not Verdict.REFUSED
    said = [warning for warning in plan.warnings if warning.startswith("Secure Boot by pxe: ")]
    assert len(said) == len(set(said)) == 2


def test_only_what_the_sites_certificate_signed_is_taken(site: Site) -> None:
    text = f"media: {{secure_boot: {{chain: site-key, certificate: site.crt}}}}\n{ISO}"
    fleet = site.fleet(text, head=HEAD)
    assert planned(site.plan(fleet), "sb-01").verdict is not Verdict.REFUSED
    (site.folder / "site.crt").write_bytes(certificate("Another Key", "Another CA"))
    with pytest.raises(MissingToolError) as refused:
        site.plan(fleet)
    assert "not with the site's certificate" in str(refused.value)


@pytest.mark.parametrize("groups", [ISO, BDM])
def test_the_certificate_is_enrolled_and_taken_back(site: Site, groups: str) -> None:
    before = site.dump()
    fleet = site.fleet(ENROLL + groups, head=HEAD)
    plan = site.plan(fleet, power="off")
    machine = planned(plan, "sb-01")
    assert f"certificate for Secure Boot ({FILE0})" in [line.what for line in machine.diff]
    (nvram,) = [p for p in machine.problems if "NVRAM" in p.message]
    assert nvram.warning
    assert "not tried on an ESXi host" in nvram.message
    assert "sb-01.nvram" in (nvram.hint or "")

    result = site.apply(fleet, plan)

    assert outcome(result, "sb-01").verdict is Done.DONE
    assert extra(site) == {FILE0: plan_file(extra(site))}
    assert certificates(site) == [SITE_CRT]
    again = site.plan(fleet)
    assert (again.has_changes, planned(again, "sb-01").problems) == (False, ())

    going = plan_undo(result.run_id, site.session)
    assert [file.path.endswith(".der") for file in going.certificates] == [True]
    undone = site.undo(result.run_id)
    assert (undone.done, undone.notes) == (1, ())
    assert changed(before, site.dump()) == []
    assert certificates(site) == []

    assert site.undo(undone.run_id).done == 1  # the file is made again from the journal
    assert certificates(site) == [SITE_CRT]
    assert list(extra(site)) == [FILE0]


def plan_file(found: dict[str, Any]) -> str:
    (name,) = found.values()
    assert name.startswith("vmboot-")
    return str(name)


def test_a_template_is_enrolled_and_stays_one(site: Site) -> None:
    site.lab.edit(PATH, template=True)
    before = site.dump()
    fleet = site.fleet(ENROLL + ISO.replace("targets", "templates"), head=HEAD)
    result = site.apply(fleet)
    assert outcome(result, "sb-01").verdict is Done.DONE
    assert (list(extra(site)), certificates(site)) == ([FILE0], [SITE_CRT])
    assert site.dump()[PATH]["config.template"] == "true"
    assert site.undo(result.run_id).done == 1
    assert (changed(before, site.dump()), certificates(site)) == ([], [])


def test_somebody_elses_certificate_keeps_its_place(site: Site) -> None:
    site.lab.edit(PATH, extra_config={FILE0: "theirs.der"})
    before = site.dump()
    result = site.apply(site.fleet(ENROLL + ISO, head=HEAD))
    found = extra(site)
    assert found[FILE0] == "theirs.der"
    assert found[FILE1].startswith("vmboot-")
    assert site.undo(result.run_id).done == 1
    assert changed(before, site.dump()) == []


def test_what_somebody_set_since_is_not_taken_back(site: Site) -> None:
    result = site.apply(site.fleet(ENROLL + ISO, head=HEAD))
    site.lab.edit(PATH, extra_config={FILE1: "theirs.der"})
    refused = outcome(site.undo(result.run_id), "sb-01")
    assert refused.verdict is Done.FAILED
    assert f"{FILE1} is theirs.der instead of not set" in (refused.error or "")
    assert certificates(site) == [SITE_CRT]
    assert site.undo(result.run_id, force=True).done == 1
    assert extra(site) == {FILE1: "theirs.der"}
    assert certificates(site) == []


def test_another_file_under_the_certificates_name_is_never_overwritten(site: Site) -> None:
    fleet = site.fleet(ENROLL + ISO, head=HEAD)
    plan = site.plan(fleet, power="off")
    before = site.dump()
    store, folder = folder_of_machine(site)
    name = certificate_name(hashlib.sha256(SITE_CRT).hexdigest())
    data, path = b"theirs", f"{folder}/{name}"
    digest = hashlib.sha256(data).hexdigest()
    upload(site.session, datastore=store, path=path, data=data, sha256=digest)
    lost = outcome(site.apply(fleet, plan), "sb-01")
    assert (lost.verdict, changed(before, site.dump())) == (Done.FAILED, [])
    assert "is there already, but it is another file" in (lost.error or "")
    assert certificates(site) == [b"theirs"]


def test_a_certificate_that_changed_since_the_plan_is_not_sent(site: Site) -> None:
    fleet = site.fleet(ENROLL + ISO, head=HEAD)
    site.apply(fleet)  # the media are there, so that only the certificate is missing
    site.undo(list_runs()[0].id)
    plan = site.plan(fleet, power="off")
    before = site.dump()
    (site.folder / "site.crt").write_bytes(certificate("Another Key", "Another CA"))
    lost = outcome(site.apply(fleet, plan), "sb-01")
    assert (lost.verdict, changed(before, site.dump())) == (Done.FAILED, [])
    assert "the site's certificate is not the one that was planned" in (lost.error or "")
    assert certificates(site) == []


def test_a_clone_that_has_the_setting_alone_gets_the_file(site: Site) -> None:
    name = certificate_name(hashlib.sha256(SITE_CRT).hexdigest())
    site.lab.edit(PATH, extra_config={FILE0: name})
    fleet = site.fleet(ENROLL + ISO, head=HEAD)
    (line,) = [d for d in planned(site.plan(fleet), "sb-01").diff if "certificate" in d.what]
    assert (line.before, line.after) == ("its file is missing", name)
    assert outcome(site.apply(fleet), "sb-01").verdict is Done.DONE
    assert (extra(site), certificates(site)) == ({FILE0: name}, [SITE_CRT])
    assert not site.plan(fleet).has_changes


def test_a_run_killed_before_the_machines_leaves_files_that_its_undo_deletes(site: Site) -> None:
    fleet = site.fleet(ENROLL + ISO, head=HEAD)
    site.apply(fleet)
    site.undo(list_runs()[0].id)
    plan = site.plan(fleet, power="off")
    site.lab.edit(PATH, touch=True)  # so that the vCenter refuses the change that was planned
    result = site.apply(fleet, plan)
    assert outcome(result, "sb-01").verdict is Done.FAILED
    assert certificates(site) == [SITE_CRT]
    site.undo(result.run_id)
    assert (extra(site), certificates(site)) == ({}, [])


def test_a_machine_without_secure_boot_is_not_enrolled(site: Site) -> None:
    text = ENROLL + ISO.replace("sb-01", "[sb-01, pvs-002]")
    plan = site.plan(site.fleet(text, head=HEAD), power="off")
    told = {m.machine.name: any("certificate" in d.what for d in m.diff) for m in plan.machines}
    assert told == {"sb-01": True, "pvs-002": False}


def test_only_machines_that_enrol_are_asked_for_more(site: Site) -> None:
    site.lab.reset_counters()
    site.plan(site.fleet(ISO.replace("sb-01", "pvs-002"), head=HEAD))
    plain = site.lab.counters().calls["RetrievePropertiesEx"]
    site.lab.reset_counters()
    site.plan(site.fleet(ENROLL + ISO.replace("sb-01", "pvs-002"), head=HEAD))
    assert site.lab.counters().calls["RetrievePropertiesEx"] == plain


def test_a_private_key_beside_the_certificate_is_refused(site: Site) -> None:
    pem = b"-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----\n"
    text = ssl.DER_cert_to_PEM_cert(SITE_CRT).encode()
    (site.folder / "site.crt").write_bytes(text + pem)
    with pytest.raises(VmbootError) as refused:
        site.plan(site.fleet(ENROLL + ISO, head=HEAD))
    assert "holds a private key beside the certificate" in str(refused.value)
    assert "MC4C" not in str(refused.value)
