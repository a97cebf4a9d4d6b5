"""One running machine inside a lab network: its serial text, its screen, its end."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from vmboot.clock import Deadline
from vmboot.errors import VmbootError
from vmboot.lab.firmware import find_firmware, find_qemu
from vmboot.lab.network import NETDEV, IsolatedNetwork
from vmboot.lab.qemu_command import QemuFiles, flash_copy, qemu_command
from vmboot.lab.qemu_control import connect
from vmboot.lab.qemu_screen import ppm_to_png
from vmboot.lab.rehearsal_machine import RehearsalMachine

SERIAL_LOG, FIRMWARE_LOG, QEMU_LOG, SCREEN = "serial.log", "firmware.log", "qemu.log", "screen.png"
_CONTROL_SECONDS = 10.0
_READ_LIMIT = 1 << 20


class _Tail:
    """New text of a growing file; a missing file is one that has not grown yet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def read(self) -> str:
        try:
            with self._path.open("rb") as stream:
                stream.seek(self._at)
                new = stream.read(_READ_LIMIT)
        except FileNotFoundError:
            return ""
        self._at += len(new)
        return self._decoder.decode(new)


@dataclass(frozen=True)
class RunningMachine:
    """A machine that was switched on. Made by :func:`power_on`.

    :param program: its id in the network's ``started`` and ``exit`` events
    :param differences: where it is not like the VM, in plain words
    """

    program: int
    differences: tuple[str, ...]
    folder: Path
    control: Path
    _serial: _Tail

    def new_text(self) -> str:
        """What the serial port said since the last call, escapes and all."""
        return self._serial.read()

    def last_words(self) -> str:
        """The last line that QEMU itself wrote, e.g. why it would not start."""
        lines = (self.folder / QEMU_LOG).read_text("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else ""

    def screenshot(self) -> Path | None:
        """The screen as a PNG file in the machine's folder; ``None`` when it cannot be had."""
        pixmap = self.control.parent / "screen.ppm"
        target = self.folder / SCREEN
        try:
            with connect(self.control, deadline=Deadline.after(_CONTROL_SECONDS)) as control:
                control.call("screendump", filename=str(pixmap))
            target.write_bytes(ppm_to_png(pixmap.read_bytes()))
        except (VmbootError, FileNotFoundError):
            return None
        return target

    def power_off(self) -> None:
        """End it at once. One that has ended already is fine."""
        try:
            with connect(self.control, deadline=Deadline.after(_CONTROL_SECONDS)) as control:
                control.call("quit")
        except VmbootError:
            return  # the network's end takes it along


@contextmanager
def power_on(
    machine: RehearsalMachine, *, network: IsolatedNetwork, folder: Path, tagged: bool = False
) -> Iterator[RunningMachine]:
    """Start ``machine`` in ``network``; it is off when the context ends.

    :param folder: gets serial.log, firmware.log (SeaBIOS's own messages), qemu.log, screen.png
    :param tagged: the machine's frames carry a VLAN tag
    :raises MissingToolError: QEMU or the firmware is not installed
    """
    qemu = find_qemu()
    firmware = find_firmware(machine.firmware, secure_boot=machine.secure_boot)
    if machine.variables is not None:
        firmware = replace(firmware, variables=machine.variables)
    # Unix socket names are limited to 107 bytes, so the socket is not in the caller's folder.
    with TemporaryDirectory(prefix="vmboot-qemu-") as work:
        code, variables = flash_copy(firmware, Path(work))
        files = QemuFiles(
            code=code,
            variables=variables,
            serial=folder / SERIAL_LOG,
            debug=folder / FIRMWARE_LOG,
            control=Path(work) / "control",
        )
        files.serial.unlink(missing_ok=True)
        command = qemu_command(machine, qemu=qemu, files=files, netdev=NETDEV, tagged=tagged)
        program = network.spawn(command.arguments, log=folder / QEMU_LOG)
        running = RunningMachine(
            program, command.differences, folder, files.control, _Tail(files.serial)
        )
        try:
            yield running
        finally:
            running.power_off()
