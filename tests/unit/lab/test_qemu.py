"""QEMU's command line, its screenshots and where its firmware lies."""

import json
import struct
import zlib
from itertools import pairwise
from pathlib import Path

import pytest

from vmboot.errors import InputError, MediaError, MissingToolError
from vmboot.lab.firmware import find_firmware, find_program
from vmboot.lab.qemu_command import QemuFiles, qemu_command
from vmboot.lab.qemu_screen import ppm_to_png
from vmboot.lab.rehearsal_machine import RehearsalDisk, RehearsalMachine
from vmboot.model import Firmware

MAC = "00:50:56:AA:BB:CC"
ISO = Path("/media/with,comma.iso")
FLASH = QemuFiles(
    code=Path("/fw/CODE,4M.fd"),
    variables=Path("/run/vars.fd"),
    serial=Path("/out,x/serial.log"),
    debug=Path("/out/firmware.log"),
    control=Path("/run/control"),
)


def machine(firmware: Firmware = Firmware.BIOS, **changes) -> RehearsalMachine:
    return RehearsalMachine("vm1", firmware, MAC, **{"iso": ISO, **changes})


def arguments(vm: RehearsalMachine, **changes) -> list[str]:
    command = qemu_command(vm, qemu=Path("/qemu"), files=FLASH, netdev="none,id=net0", **changes)
    return list(command.arguments)


def devices(vm: RehearsalMachine, **changes) -> dict[str, dict]:
    words = arguments(vm, **changes)
    found = [json.loads(w) for f, w in pairwise(words) if f == "-device" and w[0] == "{"]
    return {device["driver"]: device for device in found}


def test_emulation_only():
    assert not [word for word in arguments(machine()) if "kvm" in word]


def test_boot_order_goes_on_with_what_is_not_listed():
    found = devices(machine(boot_order=("ethernet",), disks=(RehearsalDisk(),)))
    order = sorted(found.values(), key=lambda device: device.get("bootindex", 9999))
    assert [device["driver"] for device in order][:3] == ["vmxnet3", "scsi-hd", "ide-cd"]


def test_disks_are_tried_in_their_order_and_before_the_next_kind_of_device():
    words = arguments(machine(disks=(RehearsalDisk("nvme"), RehearsalDisk("sata"))))
    found = [json.loads(w) for w in words if w.startswith("{")]
    order = {d["driver"]: d["bootindex"] for d in found if "bootindex" in d}
    assert sorted(order, key=order.__getitem__) == ["ide-cd", "nvme", "ide-hd", "vmxnet3"]


def disks_of(firmware: Firmware, *disks: RehearsalDisk) -> list[dict]:
    words = arguments(machine(firmware, disks=disks))
    found = [json.loads(w) for f, w in pairwise(words) if f == "-device" and w[0] == "{"]
    return [d for d in found if d.get("id") or str(d.get("drive", "")).startswith("disk")]


def test_disks_of_one_controller_share_it_by_unit():
    found = disks_of(
        Firmware.BIOS,
        RehearsalDisk("pvscsi", unit=0),
        RehearsalDisk("pvscsi", unit=3),
        RehearsalDisk("pvscsi", number=1, unit=0),
    )
    assert [d.get("id") or (d["bus"], d["scsi-id"]) for d in found] == [
        "pvscsi0",
        ("pvscsi0.0", 0),
        ("pvscsi0.0", 3),
        "pvscsi1",
        ("pvscsi1.0", 0),
    ]


@pytest.mark.parametrize(
    ("firmware", "kind", "driver"),
    [
        (Firmware.BIOS, "pvscsi", "pvscsi"),
        (Firmware.BIOS, "lsilogic", "lsi53c895a"),
        (Firmware.BIOS, "lsilogicsas", "mptsas1068"),
        (Firmware.BIOS, "buslogic", "pvscsi"),
        (Firmware.UEFI, "buslogic", "virtio-scsi-pci"),
        (Firmware.BIOS, "sata", "ich9-ahci"),
        (Firmware.UEFI, "pvscsi", "virtio-scsi-pci"),
        (Firmware.UEFI, "virtio-scsi", "virtio-scsi-pci"),
        (Firmware.UEFI, "sata", "ich9-ahci"),
    ],
)
def test_disk_controller(firmware, kind, driver):
    assert disks_of(firmware, RehearsalDisk(kind))[0]["driver"] == driver


def test_a_controller_that_qemu_has_not_is_named():
    vm = machine(Firmware.BIOS, disks=(RehearsalDisk("buslogic"),))
    command = qemu_command(vm, qemu=Path("/qemu"), files=FLASH, netdev="none,id=net0")
    assert "the disks at BusLogic are at PVSCSI here: QEMU has no BusLogic" in command.differences


def test_other_controllers_and_units_are_said():
    disks = (RehearsalDisk("lsilogic"), RehearsalDisk("sata", unit=29))
    vm = machine(Firmware.UEFI, disks=disks)
    command = qemu_command(vm, qemu=Path("/qemu"), files=FLASH, netdev="none,id=net0")
    assert command.differences == (
        "the disks at LSI Logic are at VirtIO SCSI here: QEMU's UEFI drives no other",
        "the disk at SATA 0:29 is left out: QEMU has no such unit",
    )


def test_two_disks_cannot_share_a_slot():
    with pytest.raises(InputError, match="two disks are at SCSI 0:0"):
        machine(disks=(RehearsalDisk("pvscsi"), RehearsalDisk("pvscsi")))


def test_commas_in_paths_are_doubled_where_qemu_splits_at_them():
    words = arguments(machine(Firmware.UEFI))
    assert "file,id=serial,path=/out,,x/serial.log" in words
    assert "if=pflash,unit=0,format=raw,readonly=on,file=/fw/CODE,,4M.fd" in words
    cd = next(json.loads(word) for word in words if '"cd"' in word)
    assert cd["file"]["filename"] == str(ISO)


def test_a_cd_that_is_not_connected_is_an_empty_drive():
    found = devices(machine(start_connected=False))
    assert "drive" not in found["ide-cd"]
    assert str(ISO) not in " ".join(arguments(machine(start_connected=False)))


@pytest.mark.parametrize(
    ("firmware", "controller", "secure", "board", "bus"),
    [
        (Firmware.BIOS, "ide", False, "pc", "ide.0"),
        (Firmware.BIOS, "sata", False, "pc", "ahci.0"),
        (Firmware.UEFI, "ide", False, "pc", "ide.0"),
        (Firmware.UEFI, "sata", False, "q35", "ide.0"),
        (Firmware.UEFI, "ide", True, "q35", "ide.0"),
    ],
)
def test_the_cd_is_where_the_vm_has_it(firmware, controller, secure, board, bus):
    vm = machine(firmware, cd_controller=controller, secure_boot=secure)
    words = arguments(vm)
    assert words[words.index("-machine") + 1].split(",")[0] == board
    assert devices(vm)["ide-cd"]["bus"] == bus


def test_what_differs_from_the_vm_is_said():
    vm = machine(Firmware.UEFI, secure_boot=True, nic_type="SRIOV")
    command = qemu_command(vm, qemu=Path("/qemu"), files=FLASH, netdev="none,id=net0")
    assert [text.split()[1] for text in command.differences] == ["CD", "NIC"]


@pytest.mark.parametrize(
    ("kind", "tagged", "driver"),
    [
        ("VMXNET3", False, "vmxnet3"),
        ("E1000", False, "e1000"),
        ("e1000e", True, "e1000e"),
        ("vmxnet3", True, "e1000e"),
    ],
)
def test_nic_driver(kind, tagged, driver):
    assert driver in devices(machine(nic_type=kind), tagged=tagged)


@pytest.mark.parametrize("mac", ["", "00:50:56:aa:bb", "005056aabbcc", "00:50:56:aa:bb:cg"])
def test_bad_mac(mac):
    with pytest.raises(InputError, match="MAC"):
        RehearsalMachine("vm1", Firmware.BIOS, mac)


def test_bios_with_secure_boot():
    with pytest.raises(InputError, match="Secure Boot"):
        machine(secure_boot=True)


def test_png_holds_the_pixmaps_pixels():
    pixels = bytes(range(2 * 3 * 3))
    png = ppm_to_png(b"P6\n# made by hand\n2 3\n255\n" + pixels)
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack_from(">IIBB", png, 16) == (2, 3, 8, 2)
    at = png.index(b"IDAT")
    (size,) = struct.unpack_from(">I", png, at - 4)
    rows = zlib.decompress(png[at + 4 : at + 4 + size])
    assert rows == b"".join(b"\0" + pixels[y * 6 : y * 6 + 6] for y in range(3))
    assert png.endswith(b"IEND\xaeB`\x82")


@pytest.mark.parametrize(
    "data", [b"", b"P3\n1 1\n255\n0 0 0", b"P6\n2 2\n255\n12", b"P6\n0 0\n255\n"]
)
def test_pixmaps_that_are_none(data):
    with pytest.raises(MediaError):
        ppm_to_png(data)


def test_firmware_prefers_the_newest_build(tmp_path):
    folder = tmp_path / "OVMF"
    folder.mkdir()
    for name in ("OVMF_CODE.fd", "OVMF_VARS.fd"):
        (folder / name).touch()
    assert (
        find_firmware(Firmware.UEFI, secure_boot=False, share=tmp_path).code
        == folder / "OVMF_CODE.fd"
    )
    for name in ("OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"):
        (folder / name).touch()
    assert (
        find_firmware(Firmware.UEFI, secure_boot=False, share=tmp_path).code
        == folder / "OVMF_CODE_4M.fd"
    )


def test_firmware_missing_names_the_package(tmp_path):
    with pytest.raises(MissingToolError, match="Secure Boot") as caught:
        find_firmware(Firmware.UEFI, secure_boot=True, share=tmp_path)
    assert "ovmf" in (caught.value.hint or "")


def test_program_missing_names_the_package():
    with pytest.raises(MissingToolError) as caught:
        find_program("no-such-program", package="some-package")
    assert "some-package" in (caught.value.hint or "")
