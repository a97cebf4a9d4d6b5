"""Status, doctor and sweep on the lab."""

import hashlib
import http.server
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.lab.fleetlab import ALL, Site, site_on
from vmboot.clock import Deadline, poll
from vmboot.errors import LockedError, RefusedError
from vmboot.fleet.doctor import check_fleet
from vmboot.fleet.finding import Finding
from vmboot.fleet.journal import Intent, begin, runs_dir
from vmboot.fleet.spec import Fleet
from vmboot.fleet.status import State, Status, read_status
from vmboot.fleet.sweep import Fate, SweepFile, plan_sweep, sweep
from vmboot.lab import Vcenter
from vmboot.vsphere.inventory import read_index, read_machines
from vmboot.vsphere.placement import DatastoreChoice, choice_of
from vmboot.vsphere.storage import read_storage
from vmboot.vsphere.transfer import delete, list_folder, upload

pytestmark = pytest.mark.lab


@pytest.fixture
def site(lab: Vcenter, tmp_path: Path) -> Iterator[Site]:
    with site_on(lab, tmp_path) as opened:
        yield opened
    lab.grant_privileges()


def status(site: Site, fleet: Fleet) -> Status:
    return read_status(fleet, site.session, loader_dirs=[site.loaders])


def test_status_before_and_after_an_apply(site: Site) -> None:
    fleet = site.fleet(ALL)
    first = status(site, fleet)
    assert first.counts["drift"] + first.counts["pending"] == 44
    assert first.has_drift
    assert first.machines[0].differences[-1].what == "boot order"

    result = site.apply(fleet)
    after = status(site, fleet)
    assert after.counts["as-wished"] == 44
    assert not after.has_drift

    site.lab.edit("pvs-001", cd_iso="")
    (drifted,) = [m for m in status(site, fleet).machines if m.state is State.DRIFT]
    assert drifted.path.endswith("pvs-001")
    assert drifted.differences[0].before.startswith("no media")
    site.undo(result.run_id, force=True)


def test_status_names_what_is_not_there(site: Site) -> None:
    found = status(site, site.fleet("targets: [{vms: [web-1, pvs-001], method: iso}]\n"))
    assert [m.state for m in found.machines][-1] is State.NOT_FOUND
    assert "'web-1' matches no machine" in found.machines[-1].problem
    assert found.to_json()["counts"]["not-found"] == 1


def test_status_names_unfinished_runs(site: Site) -> None:
    fleet = site.fleet("targets: [{vms: pvs-001, method: iso}]\n")
    (entry,) = read_index(site.session).match("pvs-001")
    (machine,) = read_machines(site.session, [entry.moid])
    with begin(
        verb="apply",
        fleet=str(fleet.file),
        fleet_sha256=fleet.sha256,
        vcenter=site.session.host,
        vcenter_uuid=site.session.about.uuid,
        user="operator",
    ) as crashed:
        crashed.write(Intent(machine, ()))
    assert status(site, fleet).unfinished == (crashed.run_id,)
    assert states(site, fleet)["runs"] == "warn"


# -- doctor ------------------------------------------------------------------------------------


def findings(site: Site, fleet: Fleet, **options: bool) -> tuple[Finding, ...]:
    given = {"probe_servers": False, **options}
    return check_fleet(fleet, site.session, loader_dirs=[site.loaders], **given)


def states(site: Site, fleet: Fleet, **options: bool) -> dict[str, str]:
    """The worst state per name."""
    order = ("ok", "warn", "fail")
    worst: dict[str, str] = {}
    for finding in findings(site, fleet, **options):
        known = worst.get(finding.name, "ok")
        worst[finding.name] = max(known, finding.state, key=order.index)
    return worst


def test_doctor_finds_a_good_site_ready(site: Site) -> None:
    found = states(site, site.fleet(ALL))
    assert "fail" not in found.values()
    assert found.keys() >= {"boot ISO", "vCenter", "clock", "machines", "datastore", "privileges"}


def test_doctor_names_what_stands_in_the_way(site: Site) -> None:
    site.lab.withhold_privilege("/DC1/vm/Templates", "VirtualMachine.Provisioning.MarkAsVM")
    text = (
        "targets: [{vms: [sb-01, solo-01, web-1, tpl-rhel-bios, pvs-001], method: iso}]\n"
        "templates: [{vms: tpl-win11-pvs, method: iso}]\n"
    )
    said = {f.name: f"{f.message}" for f in findings(site, site.fleet(text)) if f.state == "fail"}
    assert "sb-01" in said["Secure Boot"]
    assert "solo-01" in said["datastore"]
    assert "MarkAsVM on /DC1/vm/Templates/tpl-" in said["privileges"]
    texts = [f.message for f in findings(site, site.fleet(text)) if f.name == "machines"]
    assert any("'web-1' matches no machine" in message for message in texts)
    assert any("tpl-rhel-bios: it is a template" in message for message in texts)


def test_doctor_works_without_a_vcenter(site: Site) -> None:
    found = check_fleet(site.fleet(ALL), None, probe_servers=False, loader_dirs=[site.loaders])
    assert [finding.name for finding in found] == ["boot ISO"]


class Files(http.server.BaseHTTPRequestHandler):
    """Serves one bootstrap, over HTTP/1.0."""

    content = b"a bootstrap"

    def do_GET(self) -> None:
        good = self.path == "/boot.bin"
        self.send_response(200 if good else 404)
        self.end_headers()
        self.wfile.write(self.content if good else b"")

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.mark.parametrize(
    ("file", "digest", "state", "words"),
    [
        ("boot.bin", hashlib.sha256(b"a bootstrap").hexdigest(), "ok", "serves boot.bin, 11 bytes"),
        ("boot.bin", "0" * 64, "fail", "has SHA-256"),
        ("other.bin", "", "fail", "HTTP: 404"),
    ],
)
def test_doctor_fetches_the_bootstrap(
    site: Site, server: str, file: str, digest: str, state: str, words: str
) -> None:
    more = f", sha256: {digest}" if digest else ""
    head = (
        f"version: 1\nboot_servers: [{{name: pvs1, address: '{server}'}}]\n"
        f"bootstrap: {{bios: {{file: {file}, protocol: http{more}}}}}\n"
    )
    fleet = site.fleet("targets: [{vms: pvs-001, method: iso}]\n", head=head)
    found = check_fleet(fleet, None, loader_dirs=[site.loaders])
    (about,) = [finding for finding in found if finding.name == "boot server pvs1"]
    assert about.state == state
    assert words in about.message


def test_doctor_says_that_nobody_answers(site: Site) -> None:
    head = (
        "version: 1\nboot_servers: ['127.0.0.1:1']\n"
        "bootstrap: {bios: {file: a, protocol: http}, uefi: {file: b, protocol: tftp}}\n"
    )
    fleet = site.fleet("targets: [{vms: pvs-001, method: iso}]\n", head=head)
    found = check_fleet(fleet, None, loader_dirs=[site.loaders])
    assert [f.state for f in found if f.name.startswith("boot server")] == ["fail", "fail"]


# -- sweep -------------------------------------------------------------------------------------

TWO = 'targets: [{vms: "/DC1/vm/PVS/**/pvs-00[12]", method: iso}]\n'
OLD = "vmboot-old-0123456789ab.iso"


@pytest.fixture
def aged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file counts as older than an hour."""
    monkeypatch.setattr("vmboot.fleet.needed.YOUNG", timedelta(seconds=-5))


def put(site: Site, name: str) -> DatastoreChoice:
    """A file among ours; the datastore it is on."""
    store = choice_of(read_storage(site.session).datastore("shared-01")[0])
    data = name.encode()
    digest = hashlib.sha256(data).hexdigest()
    upload(site.session, datastore=store, path=f"vmboot/{name}", data=data, sha256=digest)
    return store


def fates(site: Site, fleet: Fleet, **options: Any) -> dict[str, SweepFile]:
    files = plan_sweep(fleet, site.session, **options).files
    return {file.path.rpartition("/")[2]: file for file in files}


@pytest.mark.usefixtures("aged")
def test_sweep_removes_only_what_nobody_needs(site: Site) -> None:
    fleet = site.fleet(ALL)
    result = site.apply(fleet)
    (iso,) = site.plan(fleet).uploads
    for name in (OLD, "somebody-elses.iso", "vmboot-notes.iso"):
        store = put(site, name)

    planned = {file.path: file for file in plan_sweep(fleet, site.session).files}
    assert planned.keys() == {iso.path, f"[shared-01] vmboot/{OLD}"}
    assert planned[iso.path].fate is Fate.KEEP
    assert "hold it" in planned[iso.path].reason

    swept = sweep(fleet, site.session)
    assert [file.path for file in swept.removed] == [f"[shared-01] vmboot/{OLD}"]
    left = list_folder(site.session, datastore=store, folder="vmboot")
    assert {file.path for file in left} == {
        iso.file,
        "vmboot/somebody-elses.iso",
        "vmboot/vmboot-notes.iso",
    }
    site.undo(result.run_id)
    assert [file.path for file in sweep(fleet, site.session, everything=True).removed] == [iso.path]


def test_sweep_leaves_young_files_alone_for_somebody_may_be_about_to_use_them(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = site.fleet(ALL)
    put(site, OLD)
    put(site, f"{OLD}.89abcdef.part")

    young = fates(site, fleet, everything=True)
    monkeypatch.setattr("vmboot.fleet.needed.YOUNG", timedelta(seconds=-5))
    swept = sweep(fleet, site.session)

    assert {file.fate for file in young.values()} == {Fate.KEEP}
    assert "less than an hour old" in young[OLD].reason
    assert {file.path for file in swept.removed} == {file.path for file in young.values()}


def test_nothing_is_swept_while_a_journal_cannot_be_read(site: Site) -> None:
    fleet = site.fleet(ALL)
    store = put(site, OLD)
    folder = runs_dir() / "20261122-0000-0000"
    folder.mkdir(mode=0o700, parents=True)
    (folder / "journal.jsonl").write_text('{"kind":"run","id":\n{"kind":"end"}\n')

    with pytest.raises(RefusedError, match="damaged"):
        plan_sweep(fleet, site.session, everything=True)

    delete(site.session, datastore=store, path=f"vmboot/{OLD}")


@pytest.mark.usefixtures("aged")
def test_sweep_keeps_what_an_undo_would_bring_back(site: Site) -> None:
    text = "targets: [{vms: pvs-001, method: iso}]\n"
    first = site.apply(site.fleet(text))
    fleet = site.fleet("media: {iso: {name: second}}\n" + text)
    (before,) = plan_sweep(fleet, site.session).files
    second = site.apply(fleet)
    kept = {file.path: file for file in plan_sweep(fleet, site.session).files}[before.path]
    assert kept.fate is Fate.KEEP
    assert f"undo of run {second.run_id} needs it" in kept.reason
    assert [f.path for f in plan_sweep(fleet, site.session, everything=True).to_remove] == [
        before.path
    ]
    site.undo(second.run_id)
    site.undo(first.run_id)
    assert len(sweep(fleet, site.session, everything=True).removed) == 2


@pytest.mark.usefixtures("aged")
def test_an_undo_can_be_undone_after_a_sweep(site: Site) -> None:
    fleet = site.fleet(TWO)
    undone = site.undo(site.apply(fleet).run_id)
    assert sweep(fleet, site.session).removed == ()
    again = site.undo(undone.run_id)
    assert again.counts["done"] == 2
    site.undo(again.run_id)
    sweep(fleet, site.session, everything=True)


@pytest.mark.usefixtures("aged")
def test_no_run_begins_while_a_sweep_deletes(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = site.fleet(TWO)
    put(site, OLD)

    def late(*args: Any, **options: Any) -> bool:
        with pytest.raises(LockedError, match="a sweep deletes"):
            site.apply(fleet)
        return delete(*args, **options)

    monkeypatch.setattr("vmboot.fleet.sweep.delete", late)
    assert [f.path for f in sweep(fleet, site.session).removed] == [f"[shared-01] vmboot/{OLD}"]


@pytest.mark.usefixtures("aged")
def test_sweep_looks_again_for_what_another_administrator_did_since_its_plan(
    site: Site,
) -> None:
    fleet = site.fleet(TWO)
    put(site, OLD)
    assert fates(site, fleet)[OLD].fate is Fate.REMOVE
    site.lab.edit("pvs-001", cd_iso=f"[shared-01] vmboot/{OLD}")
    swept = sweep(fleet, site.session)
    site.lab.edit("pvs-001", cd_iso="")
    assert "pvs-001 holds it" in next(f.reason for f in swept.kept if OLD in f.path)
    sweep(fleet, site.session, everything=True)


@pytest.mark.usefixtures("aged")
def test_sweep_keeps_an_iso_that_only_a_snapshot_holds(
    small_lab: Callable[..., Vcenter], tmp_path: Path
) -> None:
    with site_on(small_lab(specials=True), tmp_path) as site:
        fleet = site.fleet(TWO)
        put(site, OLD)
        site.lab.edit("sb-01", cd_iso=f"[shared-01] vmboot/{OLD}")
        machine = read_index(site.session).one("sb-01")
        for name in ("older", "newer"):
            snapshot(site, machine.moid, name)
        site.lab.edit("sb-01", cd_iso="")
        kept = fates(site, fleet, everything=True)[OLD]
    assert kept.fate is Fate.KEEP
    assert kept.reason == "a snapshot of /DC1/vm/Special/sb-01 and 1 more hold it"


def snapshot(site: Site, moid: str, name: str) -> None:
    machine = site.session.ref("VirtualMachine", moid)
    task = site.session.call(
        lambda: machine.CreateSnapshot_Task(name, "", False, False), write=True
    )
    poll(
        lambda: task.info.state == "success" or None,
        deadline=Deadline.after(20),
        every=0.05,
        what="the snapshot",
    )


def test_an_iso_that_was_swept_between_plan_and_apply_is_sent_again(site: Site) -> None:
    fleet = site.fleet(TWO)
    undone = site.undo(site.apply(fleet).run_id)
    plan = site.plan(fleet)
    (iso,) = plan.uploads
    assert iso.present
    store = choice_of(read_storage(site.session).datastore(iso.moid)[0])
    assert delete(site.session, datastore=store, path=iso.file)
    result = site.apply(fleet, plan)
    assert result.counts["done"] == len(undone.outcomes)
    assert site.plan(fleet).uploads[0].present
    site.undo(result.run_id)
