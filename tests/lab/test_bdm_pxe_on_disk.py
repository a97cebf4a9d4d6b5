"""PXE on disk: a machine without work starts from its own disk, not by its NIC's boot program."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab.bdmlab import OURS, boots_first, disks, first_entries, need_grub
from tests.lab.fleetlab import changed, site_on
from vmboot.lab import Vcenter

pytestmark = pytest.mark.lab
FLEET = """\
media: {bdm: {pxe_on_disk: true}}
targets: [{vms: "/DC1/vm/PVS/**", method: bdm}]
templates: [{vms: "/DC1/vm/Templates/*", method: bdm}]
"""


def test_the_own_disk_stands_between_the_boot_disk_and_the_nic(
    small_lab: Callable[..., Vcenter], tmp_path: Path
) -> None:
    need_grub()
    with site_on(small_lab(vms=4, templates=2), tmp_path) as site:
        before = site.dump()
        fleet = site.fleet(FLEET)
        result = site.apply(fleet)
        after = site.dump()

        touched = changed(before, after)
        assert (result.failed, len(touched)) == (0, result.done)
        for path in touched:
            kinds = ["DiskDevice", *["DiskDevice"] * bool(disks(before[path])), "EthernetDevice"]
            assert first_entries(after[path])[: len(kinds)] == kinds, path
            assert OURS in boots_first(after[path]), path
        assert any(disks(before[path]) for path in touched)
        assert not site.plan(fleet).has_changes

        assert site.undo(result.run_id).failed == 0
        assert changed(before, site.dump()) == []
