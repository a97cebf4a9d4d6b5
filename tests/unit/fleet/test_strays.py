"""Which files may go after a machine lost its BDM disk."""

from datetime import UTC, datetime

import pytest

from tests.unit.vsphere.builders import SCSI, disk, machine
from vmboot.fleet.strays import detached, was_before
from vmboot.vsphere.changes import DetachDisk

NAME = "vmboot-boot-0123456789ab.vmdk"
MASTER = f"[shared-01] vmboot/{NAME}"
COPY = f"[shared-01] pvs-001/{NAME}"
BEGUN = datetime(2026, 8, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("file", "goes"),
    [
        (COPY, [COPY]),
        (MASTER, []),  # attached by hand; everybody's copies are made of it
        ("[shared-01] other/vmboot-boot-0123456789ab.vmdk", []),  # may be another document's master
        ("[local-1] other/vmboot-boot-0123456789ab.vmdk", []),
        ("[local-1] pvs-001/vmboot-boot-0123456789ab.vmdk", ["[local-1] pvs-001/" + NAME]),
        ("[shared-01] pvs-001/vmboot-boot-0123456789ab-000001.vmdk", []),
        ("[shared-01] pvs-001/pvs-001.vmdk", []),
    ],
)
def test_only_copies_go(file, goes):
    given = machine(disk(SCSI, file=file), home="[shared-01] pvs-001")
    found = detached([(given, [DetachDisk(2000, "Hard disk 1", file)])], "vmboot")
    assert [removing.path for removing in found] == goes


@pytest.mark.parametrize(
    ("modified", "before"),
    [
        ("2026-08-01T11:58:59Z", True),
        ("2026-08-01T11:59:30Z", False),  # the clocks may be a minute apart
        ("2026-08-01T12:00:01Z", False),
        ("2026-08-01T13:58:00+02:00", True),
        ("2026-08-01T12:00:01", True),  # of which zone?
        ("Sat, 01 Aug 2026", True),
        ("", True),
    ],
)
def test_a_file_of_unknown_age_counts_as_older_than_the_run_that_may_have_made_it(modified, before):
    assert was_before(modified, BEGUN) is before
