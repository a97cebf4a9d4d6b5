"""After an apply the lab's vCenter holds boot disks; a rehearsal boots what it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.boot.bootlab import need_firmware
from tests.lab import bdmlab
from tests.lab.fleetlab import HEAD, Site, site_on
from vmboot import api
from vmboot.errors import MissingToolError
from vmboot.fleet.result import Done
from vmboot.fleet.status import State
from vmboot.lab import Vcenter
from vmboot.lab.rehearsal_report import Reached, RehearsalReport
from vmboot.model import Firmware

pytestmark = [pytest.mark.boot, pytest.mark.netns, pytest.mark.timeout(300)]


@pytest.fixture
def site(
    network_of_its_own: None, small_lab: Callable[..., Vcenter], tmp_path: Path
) -> Iterator[Site]:
    with site_on(small_lab(vms=2, templates=0, specials=False, disks=True), tmp_path) as opened:
        bdmlab.switch_off(opened)
        yield opened


def apply_and_rehearse(
    site: Site, name: str, meanwhile: Callable[[], None] | None = None, *, head: str = HEAD
) -> RehearsalReport:
    """With this machine's real loaders; ``meanwhile`` is what happens between the two."""
    fleet = site.fleet(f"targets: [{{vms: {name}, method: bdm}}]\n", head=head)
    try:
        plan = api.plan(fleet, site.session)
    except MissingToolError as error:
        pytest.skip(f"{error} ({error.hint})")
    result = api.apply(plan, fleet, site.session)
    assert [outcome.verdict for outcome in result.outcomes] == [Done.DONE]
    if meanwhile is not None:
        meanwhile()
    return api.rehearse(fleet, site.session, name, out=site.folder / "out")


@pytest.mark.parametrize(
    ("name", "firmware"), [("pvs-001", Firmware.BIOS), ("pvs-002", Firmware.UEFI)]
)
def test_a_machine_with_pvscsi_boots_from_its_copy(
    site: Site, name: str, firmware: Firmware
) -> None:
    need_firmware(firmware)
    report = apply_and_rehearse(site, name)
    assert report.ok, report.verdict
    assert report.reached is Reached.STARTED
    assert "pvs1 was dead" in report.verdict


def test_behind_an_empty_disk_it_does_not_boot_and_everyone_says_so(site: Site) -> None:
    need_firmware(Firmware.BIOS)
    report = apply_and_rehearse(site, "pvs-001", lambda: bdmlab.put_behind(site, "pvs-001"))
    assert not report.ok
    assert report.reached is Reached.FIRMWARE
    assert report.verdict == (
        "the loader never ran: the firmware tried the disk at SCSI 0:0, which holds nothing to "
        "start, and the BDM disk at SCSI 0:1 was not started; put it at unit 0"
    )
    fleet = api.load_fleet(site.folder / "fleet.yml")
    (told,) = api.status(fleet, site.session).machines
    assert told.state is State.DRIFT
    assert told.problem == "the BDM disk sits at SCSI 0:1; the firmware boots only SCSI 0:0"


def test_a_disk_that_only_asks_for_work_goes_on_where_there_is_none(site: Site) -> None:
    need_firmware(Firmware.BIOS)
    head = HEAD.partition("bootstrap")[0] + "media: {bdm: {pxe_on_disk: true}}\n"
    report = apply_and_rehearse(site, "pvs-001", head=head)
    assert report.ok, report.verdict
    assert "pvs2 had no work, so the machine went on to its next boot device" in report.verdict
