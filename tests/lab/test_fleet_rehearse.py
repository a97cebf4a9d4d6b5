"""What a rehearsal boots is what the vCenter holds, byte for byte."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab import bdmlab
from tests.lab.fleetlab import ALL, Site, site_on
from vmboot.errors import AmbiguousError, NotFoundError, RefusedError
from vmboot.fleet.media import FleetMedia, boot_iso
from vmboot.fleet.rehearse import machine_for
from vmboot.fleet.status import State, read_status
from vmboot.lab import Vcenter
from vmboot.model import BootMethod, Firmware
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


@pytest.fixture
def disk_site(small_lab: Callable[..., Vcenter], tmp_path: Path) -> Iterator[Site]:
    bdmlab.need_grub()
    with site_on(small_lab(vms=4, templates=0, disks=True), tmp_path) as opened:
        bdmlab.switch_off(opened)
        yield opened


@pytest.mark.parametrize(
    ("name", "firmware", "slots"),
    [
        ("pvs-001", Firmware.BIOS, ["SCSI 0:0", "SCSI 0:1"]),
        ("pvs-003", Firmware.BIOS, ["SCSI 0:0", "SCSI 0:1"]),
        ("pvs-004", Firmware.UEFI, [f"NVME 0:{unit}" for unit in range(8)]),
    ],
)
def test_a_machine_of_method_bdm_after_an_apply(
    disk_site: Site, tmp_path: Path, name: str, firmware: Firmware, slots: list[str]
) -> None:
    fleet = disk_site.fleet(bdmlab.ALL.partition("templates")[0])
    before = {path.rpartition("/")[2]: machine for path, machine in disk_site.dump().items()}[name]
    disk_site.apply(fleet)

    subject = machine_for(fleet, disk_site.session, name)

    built = FleetMedia(fleet, loader_dirs=[disk_site.loaders]).medium(BootMethod.BDM)
    ours, *others = subject.disks
    assert ours.image == built.data
    assert [disk.image for disk in others] == [None] * len(others)
    assert {disk.device.file for disk in others} == set(bdmlab.disks(before).values())
    assert subject.config == fleet.boot_config(BootMethod.BDM)
    machine = rehearsal_machine(subject, folder=tmp_path / "out")
    assert (machine.firmware, machine.boot_order[:2]) == (firmware, ("disk", "ethernet"))
    assert [disk.slot for disk in machine.disks] == slots
    first, *blank = machine.disks
    assert first.image is not None
    assert first.image.read_bytes() == built.data
    assert {disk.image for disk in blank} == {None}


def test_a_machine_that_is_to_get_a_boot_disk_and_has_none_yet(disk_site: Site) -> None:
    fleet = disk_site.fleet("targets: [{vms: pvs-001, method: bdm}]\n")
    with pytest.raises(RefusedError, match="pvs-001 holds no boot disk yet: apply first"):
        machine_for(fleet, disk_site.session, "pvs-001")


def test_a_machine_whose_own_disk_was_put_before_the_bdm_disk(
    disk_site: Site, tmp_path: Path
) -> None:
    fleet = disk_site.fleet("targets: [{vms: pvs-001, method: bdm}]\n")
    disk_site.apply(fleet)
    bdmlab.put_behind(disk_site, "pvs-001")

    machine = rehearsal_machine(
        machine_for(fleet, disk_site.session, "pvs-001"), folder=tmp_path / "out"
    )

    assert [(disk.slot, disk.image is None) for disk in machine.disks] == [
        ("SCSI 0:0", True),
        ("SCSI 0:1", False),
    ]
    (told,) = read_status(fleet, disk_site.session, loader_dirs=[disk_site.loaders]).machines
    assert told.state is State.DRIFT
    assert told.problem == "the BDM disk sits at SCSI 0:1; the firmware boots only SCSI 0:0"


def test_a_bdm_disk_that_vmboot_cannot_read_is_booted_all_the_same(disk_site: Site) -> None:
    fleet = disk_site.fleet(bdmlab.ALL.partition("templates")[0])
    subject = machine_for(fleet, disk_site.session, "wrong-01")
    blank, ours = subject.disks
    assert (blank.image, len(ours.image or b"")) == (None, 8 << 20)
    assert subject.config == fleet.boot_config()
