"""The QEMU command line that plays a VM. Pure: values in, arguments out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vmboot.lab.firmware import FirmwareFiles
from vmboot.lab.qemu_disks import blockdev, device, disk_arguments, quoted
from vmboot.lab.rehearsal_machine import BootDevice, RehearsalMachine
from vmboot.model import Firmware

_MEMORY_MIB = 512
_NICS = {"vmxnet3": "vmxnet3", "e1000": "e1000", "e1000e": "e1000e", "pcnet32": "pcnet"}
_FALLBACK_NIC = "e1000"
_INDEX_STEP = 100  # boot indexes left for the disks between two kinds of devices


@dataclass(frozen=True)
class QemuFiles:
    """Files of one running machine: flash given to it, logs and the control socket it makes."""

    code: Path | None
    variables: Path | None
    serial: Path
    debug: Path
    control: Path


@dataclass(frozen=True)
class QemuCommand:
    """``differences`` name, in plain words, where the played machine is not like the VM."""

    arguments: tuple[str, ...]
    differences: tuple[str, ...] = ()


def qemu_command(
    machine: RehearsalMachine, *, qemu: Path, files: QemuFiles, netdev: str, tagged: bool = False
) -> QemuCommand:
    """How to start ``machine``.

    Emulation only, never KVM: the same everywhere, inside VMs and containers alike. A BIOS
    machine copies its screen to the serial port; UEFI firmware does so by itself.

    :param netdev: value of ``-netdev`` for a network of id ``net0``
    :param tagged: the machine's frames carry a VLAN tag
    """
    board, differences = _board(machine)
    arguments = [str(qemu), "-no-user-config", "-nodefaults", "-display", "none", "-vga", "std"]
    arguments += ["-machine", board, "-m", str(_MEMORY_MIB), "-smp", "1", "-no-reboot"]
    arguments += ["-chardev", f"file,id=serial,path={quoted(files.serial)}"]
    arguments += ["-serial", "chardev:serial"]
    arguments += ["-chardev", f"file,id=debug,path={quoted(files.debug)}"]
    arguments += ["-device", "isa-debugcon,iobase=0x402,chardev=debug"]
    arguments += ["-chardev", f"socket,id=control,path={quoted(files.control)},server=on,wait=off"]
    arguments += ["-mon", "chardev=control,mode=control"]
    if files.code and files.variables:
        arguments += _flash(files.code, files.variables, secure=machine.secure_boot)
    arguments += _cdrom(machine, board)
    disks = disk_arguments(
        machine.disks, firmware=machine.firmware, first_index=_index(machine, "disk")
    )
    arguments += disks.arguments
    differences += disks.differences
    driver, other = _nic_driver(machine.nic_type.lower(), tagged=tagged)
    arguments += ["-netdev", netdev]
    arguments += device(
        driver=driver,
        netdev="net0",
        mac=machine.mac.lower(),
        bootindex=_index(machine, "ethernet"),
    )
    return QemuCommand(tuple(arguments), tuple(differences + other))


def flash_copy(files: FirmwareFiles, folder: Path) -> tuple[Path | None, Path | None]:
    """The firmware's code, and a private copy of its variables in ``folder``."""
    if files.variables is None:
        return files.code, None
    private = folder / "variables.fd"
    private.write_bytes(files.variables.read_bytes())
    return files.code, private


def _index(machine: RehearsalMachine, kind: BootDevice) -> int:
    return _INDEX_STEP * machine.full_boot_order.index(kind)


def _board(machine: RehearsalMachine) -> tuple[str, list[str]]:
    if machine.firmware is Firmware.BIOS:
        return "pc,accel=tcg,graphics=off", []
    if machine.secure_boot:
        lost = machine.cd_controller == "ide"
        said = ["the CD is at a SATA controller here: this firmware has no IDE with Secure Boot"]
        return "q35,accel=tcg,smm=on", said if lost else []
    return ("pc,accel=tcg" if machine.cd_controller == "ide" else "q35,accel=tcg"), []


def _flash(code: Path, variables: Path, *, secure: bool) -> list[str]:
    arguments = ["-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={quoted(code)}"]
    arguments += ["-drive", f"if=pflash,unit=1,format=raw,file={quoted(variables)}"]
    if secure:
        arguments += ["-global", "driver=cfi.pflash01,property=secure,value=on"]
        arguments += ["-global", "ICH9-LPC.disable_s3=1"]
    return arguments


def _cdrom(machine: RehearsalMachine, board: str) -> list[str]:
    arguments: list[str] = []
    bus = "ide.0"  # IDE on pc, AHCI on q35
    if machine.cd_controller == "sata" and board.startswith("pc"):
        arguments += device(driver="ich9-ahci", id="ahci")
        bus = "ahci.0"
    drive = None
    if machine.medium:
        drive = "cd"
        source = {"driver": "file", "filename": str(machine.medium), "read-only": True}
        arguments += blockdev(
            **{"driver": "raw", "node-name": "cd", "read-only": True, "file": source}
        )
    index = _index(machine, "cdrom")
    return [*arguments, *device(driver="ide-cd", bus=bus, drive=drive, bootindex=index)]


def _nic_driver(kind: str, *, tagged: bool) -> tuple[str, list[str]]:
    """QEMU's driver for vSphere's ``kind`` of NIC, and what is different about it."""
    if tagged and kind == "vmxnet3":
        # It drops tagged frames unless the driver registers the VLAN, which iPXE's does not.
        return "e1000e", ["the NIC is an E1000E here: QEMU's VMXNET3 passes no VLAN to iPXE"]
    if kind in _NICS:
        return _NICS[kind], []
    return _FALLBACK_NIC, [f"the NIC is an E1000 here: QEMU has no {kind}"]
