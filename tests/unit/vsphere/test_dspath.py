"""Datastore paths with and without a folder, and with the signs that they are made of."""

from __future__ import annotations

import pytest

from vmboot.vsphere.dspath import file_name, folder_of


@pytest.mark.parametrize(
    ("path", "folder", "name"),
    [
        ("[shared-01] pvs-001/pvs-001.vmx", "[shared-01] pvs-001", "pvs-001.vmx"),
        ("[shared-01] a/b c/d.vmx", "[shared-01] a/b c", "d.vmx"),
        ("[shared 01] web [old] ü, x/w.vmdk", "[shared 01] web [old] ü, x", "w.vmdk"),
        ("[shared-01] pvs-001.vmx", "[shared-01]", "pvs-001.vmx"),
        ("[vsan] 5f3c-aa/x.vmdk", "[vsan] 5f3c-aa", "x.vmdk"),
        ("", "", ""),
        ("x.vmdk", "", "x.vmdk"),
    ],
)
def test_a_path_is_taken_apart(path: str, folder: str, name: str):
    assert (folder_of(path), file_name(path)) == (folder, name)
