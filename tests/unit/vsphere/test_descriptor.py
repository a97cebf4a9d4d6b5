"""Descriptors: where a disk's bytes are, and where they are not to be had."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmboot.vsphere.descriptor import LIMIT, parse_descriptor

HEAD = b'# Disk DescriptorFile\nversion=1\nencoding="UTF-8"\nCID=fffffffe\n# Extent description\n'


def descriptor(*lines: str) -> bytes:
    return HEAD + "\n".join(lines).encode() + b'\n\n# The Disk Data Base\nddb.adapterType = "x"\n'


@pytest.mark.parametrize(
    ("lines", "size", "flat"),
    [
        (['RW 16384 VMFS "x-flat.vmdk"'], 8 << 20, "x-flat.vmdk"),
        (['RW 16384 FLAT "x-flat.vmdk" 0'], 8 << 20, "x-flat.vmdk"),
        (['RW 16384 VMFS "with blank-flat.vmdk"'], 8 << 20, "with blank-flat.vmdk"),
        (['RW 16384 VMFS "vsan://0f1e2d3c-aaaa"'], 8 << 20, None),
        (['RW 16384 VMFS "vvol://rfc4122.0f1e"'], 8 << 20, None),
        (['RW 16384 VMFS "../other/x-flat.vmdk"'], 8 << 20, None),
        (['RW 16384 SESPARSE "x-000001-sesparse.vmdk"'], 8 << 20, None),
        (['RW 16384 FLAT "x-flat.vmdk" 64'], 8 << 20, None),
        (['RW 8192 VMFS "a.vmdk"', 'RW 8192 VMFS "b.vmdk"'], 8 << 20, None),
        (["RW 16384 ZERO"], 8 << 20, None),
    ],
)
def test_what_a_descriptor_says(lines: list[str], size: int, flat: str | None):
    found = parse_descriptor(descriptor(*lines))

    assert found is not None
    assert found.size == size
    assert found.flat_file == flat


def test_line_ends_of_windows_are_fine():
    found = parse_descriptor(descriptor('RW 2048 VMFS "x-flat.vmdk"').replace(b"\n", b"\r\n"))

    assert found is not None
    assert found.flat_file == "x-flat.vmdk"


@pytest.mark.parametrize(
    "data",
    [b"", b"KDMV" + bytes(508), HEAD, HEAD + bytes(LIMIT), descriptor('RW x VMFS "y"')],
    ids=["nothing", "a sparse extent", "no extents", "too long", "no number"],
)
def test_what_is_none(data: bytes):
    assert parse_descriptor(data) is None


@given(st.binary(max_size=2000))
def test_no_bytes_upset_it(data: bytes):
    found = parse_descriptor(HEAD + data)

    assert found is None or found.size >= 0
