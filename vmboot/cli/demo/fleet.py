"""The demo's own fleet document; vmboot's examples have one for a real site."""

from __future__ import annotations

from collections.abc import Collection

from vmboot.model import Firmware

DEAD, ALIVE = "192.0.2.11", "192.0.2.12"  # TEST-NET-1 (RFC 5737); played in an isolated network
FILES = {Firmware.BIOS: "demo.bin", Firmware.UEFI: "demo.efi"}
FOLDERS = {Firmware.BIOS: "/DC1/vm/PVS/BIOS/*", Firmware.UEFI: "/DC1/vm/PVS/UEFI/*"}
TEMPLATES = {
    Firmware.BIOS: ("tpl-win10-bios", "tpl-rhel-bios"),
    Firmware.UEFI: ("tpl-win11-pvs", "tpl-linux-uefi"),
}


def fleet_text(*, host: str, port: int, thumbprint: str, firmwares: Collection[Firmware]) -> str:
    """A fleet document for the lab's ordinary machines with one of ``firmwares``."""
    chosen = sorted(firmwares)
    lines = [
        "version: 1",
        f'vcenter: {{host: "{host}", port: {port}, thumbprint: "{thumbprint}"}}',
        "boot_servers:          # the order is the failover order; the first one is dead",
        f"  - {{name: pvs1, address: {DEAD}}}",
        f"  - {{name: pvs2, address: {ALIVE}}}",
        "bootstrap:",
        *(f"  {firmware.value}: {{file: {FILES[firmware]}}}" for firmware in chosen),
        "targets:",
        *(f'  - {{vms: "{FOLDERS[firmware]}", method: iso}}' for firmware in chosen),
        "templates:",
        *(
            f'  - {{vms: "/DC1/vm/Templates/{name}", method: iso}}'
            for firmware in chosen
            for name in TEMPLATES[firmware]
        ),
    ]
    return "\n".join(lines) + "\n"
