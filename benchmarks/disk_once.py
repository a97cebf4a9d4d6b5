"""CPU seconds of building one boot disk: ``python -m benchmarks.disk_once``.

Loaders are looked for, GRUB's image is made by the distribution's program, and the disk is put
together; the second time counts, when Python has loaded what it needs.
"""

from __future__ import annotations

import os
import sys

from vmboot.media.bdm import build_bdm
from vmboot.media.loaders import select_loaders
from vmboot.model import BootConfig, BootServer, Bootstrap, Firmware

CONFIG = BootConfig(
    servers=(BootServer("10.0.0.11", "pvs1"), BootServer("10.0.0.12", "pvs2")),
    bootstrap={
        Firmware.BIOS: Bootstrap("ARDBP32.BIN"),
        Firmware.UEFI: Bootstrap("pvsnbpx64.efi"),
    },
)


def main() -> int:
    """Prints the seconds, those of child processes included."""
    build_bdm(CONFIG, select_loaders(CONFIG.firmwares, medium="bdm"))
    before = _cpu_s()
    build_bdm(CONFIG, select_loaders(CONFIG.firmwares, medium="bdm"))
    print(_cpu_s() - before)
    return 0


def _cpu_s() -> float:
    return sum(os.times()[:4])


if __name__ == "__main__":
    sys.exit(main())
