"""The bootstraps that stand in for real ones: deterministic bytes of the right shape."""

import struct

import pytest

from vmboot.lab.markers import bios_bootstrap, marker_bootstrap, marker_line, uefi_bootstrap
from vmboot.model import Firmware


@pytest.mark.parametrize("firmware", list(Firmware))
def test_same_bytes_every_time(firmware):
    assert marker_bootstrap(firmware) == marker_bootstrap(firmware)


def test_bios_bootstrap_is_small_and_finds_its_text():
    data = bios_bootstrap()
    assert len(data) < 512
    distance = data[6]  # add si, distance; counted from the byte after the call
    assert data[3 + distance :] == f"\r\n{marker_line(Firmware.BIOS)}\r\n\0".encode()


def test_uefi_bootstrap_is_an_efi_application():
    data = uefi_bootstrap()
    assert data[:2] == b"MZ"
    (header,) = struct.unpack_from("<I", data, 0x3C)
    assert data[header : header + 4] == b"PE\0\0"
    machine, sections = struct.unpack_from("<HH", data, header + 4)
    optional_size, flags = struct.unpack_from("<HH", data, header + 20)
    optional = header + 24
    magic, subsystem = (struct.unpack_from("<H", data, optional + at)[0] for at in (0, 68))
    assert (machine, sections, magic, subsystem) == (0x8664, 1, 0x20B, 10)
    assert flags & 0x0001 == 0, "relocations stripped: firmware could not move it"
    assert optional_size == 240


def test_uefi_bootstrap_sections_lie_inside_the_file_and_the_image():
    data = uefi_bootstrap()
    (header,) = struct.unpack_from("<I", data, 0x3C)
    optional = header + 24
    entry, _, _, section_alignment, file_alignment = struct.unpack_from("<IIQII", data, 40 + header)
    image_size, headers_size = struct.unpack_from("<II", data, optional + 56)
    size, address, raw_size, raw_at = struct.unpack_from("<IIII", data, optional + 240 + 8)
    assert address <= entry < address + size
    assert raw_at == headers_size
    assert raw_at + raw_size == len(data)
    assert raw_at % file_alignment == raw_size % file_alignment == 0
    assert image_size % section_alignment == 0
    assert address + size <= image_size


def test_uefi_bootstrap_points_at_both_of_its_texts():
    data = uefi_bootstrap()
    code = data[data.index(b"\x48\x83\xec\x28") :]
    text = f"\r\n{marker_line(Firmware.UEFI)}\r\n\0"
    for opcode, encoding in ((b"\x48\x8d\x35", "ascii"), (b"\x48\x8d\x15", "utf-16-le")):
        at = code.index(opcode)
        (distance,) = struct.unpack_from("<i", code, at + 3)
        expected = text.encode(encoding)
        assert code[at + 7 + distance :][: len(expected)] == expected
