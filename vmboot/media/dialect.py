"""The fixed words of vmboot's iPXE scripts, shared by those who write and read them."""

from __future__ import annotations

from vmboot.model import Firmware

MAGIC = "#!ipxe"
HEADER = "# vmboot boot script, format 1"
SNIPPET_MARKS = ("# vmboot: snippet begins", "# vmboot: snippet ends")
OWN_LABEL = "vmboot_"
IMAGE = "vmboot_bootstrap"
PLATFORM = {Firmware.BIOS: "pcbios", Firmware.UEFI: "efi"}  # values of iPXE's ${platform}
