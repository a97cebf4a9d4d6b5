"""Which files may go after a machine lost its BDM disk."""

import pytest

from tests.unit.vsphere.builders import SCSI, disk, machine
from vmboot.fleet.strays import detached
from vmboot.vsphere.changes import DetachDisk

MASTER = "[shared-01] vmboot/vmboot-boot-0123456789ab.vmdk"
COPY = "[shared-01] pvs-001/vmboot-boot-0123456789ab.vmdk"


@pytest.mark.parametrize(
    ("file", "goes"),
    [
        (COPY, [COPY]),
        (MASTER, []),  # attached by hand; everybody's copies are made of it
        ("[shared-01] pvs-001/pvs-001.vmdk", []),
    ],
)
def test_only_copies_go(file, goes):
    given = machine(disk(SCSI, file=file))
    found = detached([(given, [DetachDisk(2000, "Hard disk 1", file)])], "vmboot")
    assert [removing.path for removing in found] == goes
