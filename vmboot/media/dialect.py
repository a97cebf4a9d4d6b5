"""The fixed words of vmboot's iPXE scripts, shared by those who write and read them."""

from __future__ import annotations

from vmboot.model import Firmware

MAGIC = "#!ipxe"
HEADER = "# vmboot boot script, format 1"
SNIPPET_MARKS = ("# vmboot: snippet begins", "# vmboot: snippet ends")
OWN_LABEL = "vmboot_"
IMAGE = "vmboot_bootstrap"
WORK = "vmboot_work"  # the script that a work server gives
WORK_FIRST = "work first"  # in the third line of the script
NO_PAUSE = "# no bootstrap, so no second round; retry pause"
# What identifies a machine to a work server. Each value is percent-encoded by iPXE itself.
IDENTITY = {
    "uuid": "${uuid}",
    "mac": "${${vmboot_dev}/mac}",
    "serial": "${serial:uristring}",
    "asset": "${asset:uristring}",
    "manufacturer": "${manufacturer:uristring}",
    "product": "${product:uristring}",
    "platform": "${platform}",
    "arch": "${buildarch}",
}
# iPXE's ${errno:hex} after HTTP status 404 (ipxe.org/err/2d0c61); the last byte is the platform's
NOT_FOUND = ("2d:0c:61:3b", "2d:0c:61:8e")
PLATFORM = {Firmware.BIOS: "pcbios", Firmware.UEFI: "efi"}  # values of iPXE's ${platform}
