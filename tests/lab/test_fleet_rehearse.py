"""What a rehearsal boots is what the vCenter holds, byte for byte."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.fleetlab import ALL, Site, site_on
from vmboot.errors import AmbiguousError, NotFoundError, RefusedError
from vmboot.fleet.media import boot_iso
from vmboot.fleet.rehearse import machine_for
from vmboot.lab import Vcenter
from vmboot.model import Firmware
from vmboot.rehearsals import rehearsal_machine

pytestmark = pytest.mark.lab


@pytest.fixture
def site(lab: Vcenter, tmp_path: Path) -> Iterator[Site]:
    with site_on(lab, tmp_path) as opened:
        yield opened


@pytest.mark.parametrize(
    ("name", "firmware", "controller"),
    [("pvs-001", Firmware.BIOS, "ide"), ("/DC1/vm/PVS/UEFI/pvs-002", Firmware.UEFI, "sata")],
)
def test_a_machine_after_an_apply(
    site: Site, tmp_path: Path, name: str, firmware: Firmware, controller: str
) -> None:
    fleet = site.fleet(ALL)
    result = site.apply(fleet)
    subject = machine_for(fleet, site.session, name)
    assert subject.iso == boot_iso(fleet, loader_dirs=[site.loaders]).data
    assert subject.config == fleet.boot_config()
    assert subject.connected
    machine = rehearsal_machine(subject, folder=tmp_path / "out")
    assert (machine.firmware, machine.cd_controller) == (firmware, controller)
    assert machine.boot_order[0] == "cdrom"
    assert machine.nic_type == "vmxnet3"
    assert machine.iso is not None
    assert machine.iso.read_bytes() == subject.iso
    assert machine.disks[0].controller == "pvscsi"
    site.undo(result.run_id)


def test_a_machine_without_our_iso_has_the_fleet_s_config(site: Site) -> None:
    fleet = site.fleet(ALL)
    subject = machine_for(fleet, site.session, "pvs-001")
    assert (subject.iso, subject.config) == (None, fleet.boot_config())


def test_a_machine_with_something_else_in_its_drive(site: Site) -> None:
    fleet = site.fleet(ALL)
    with pytest.raises(RefusedError) as caught:
        machine_for(fleet, site.session, "pvs-003")
    assert "pvs-003 holds [shared-01] iso/other-tools.iso, which is no boot ISO" in str(
        caught.value
    )
    assert "vmboot apply" in str(caught.value.hint)


def test_a_machine_that_is_not_one(site: Site) -> None:
    fleet = site.fleet(ALL)
    with pytest.raises(NotFoundError):
        machine_for(fleet, site.session, "nobody")
    with pytest.raises(AmbiguousError):
        machine_for(fleet, site.session, "pvs-*")
